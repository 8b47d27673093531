"""The page in a real browser, Debian's Chromium without a window."""

from __future__ import annotations

import base64
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
expect.set_options(timeout=20_000)  # a busy machine takes longer than the usual 5 s

_DROP = """([name, content]) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const carried = new DataTransfer();
    carried.items.add(new File([bytes], name));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that runs; root needs it without its sandbox."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


class Bench:
    """The page as a user has it, and all that went wrong in it.

    Parameters
    ----------
    faults : what the browser complained of, and requests to anybody else.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.faults: list[str] = []
        page.on("console", lambda said: self.faults.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._know(request.url, url))
        page.goto(url)

    def choose(self, model: str, mouse: str | None = None) -> None:
        """Choose a model and a mouse."""
        ready = expect(self.page.locator("#predict"))
        ready.to_be_enabled()
        for select, name in (("#model", model), ("#mouse", mouse)):
            if name is not None:
                self.page.select_option(select, name)
                ready.to_be_enabled()

    def set(self, control: str, value: float) -> None:
        """Write a number beside a slider."""
        self.page.fill(f"#{control}", str(value))

    def value(self, control: str) -> float:
        """What a slider is at."""
        return float(self.page.input_value(f"#{control}"))

    def predict(self) -> None:
        """Press the button and wait for the answer."""
        self.page.evaluate("document.getElementById('status').textContent = ''")
        self.page.click("#predict")
        self.says("#status", "Done")

    def drop(self, name: str, content: bytes) -> None:
        """Drop a file on the page."""
        self.page.evaluate(_DROP, [name, base64.b64encode(content).decode()])

    def download(self, label: str) -> bytes:
        """What a button of the numbers gives."""
        with self.page.expect_download() as waiting:
            self.page.click(f"#downloads >> text={label}")
        return Path(waiting.value.path()).read_bytes()

    def array(self, label: str) -> np.ndarray:
        """The same, of an npy."""
        return np.load(io.BytesIO(self.download(label)))

    def text(self, selector: str) -> str:
        """What is written somewhere."""
        return self.page.inner_text(selector)

    def says(self, selector: str, what: str) -> None:
        """Wait until something is written somewhere."""
        expect(self.page.locator(selector)).to_contain_text(what)

    def _know(self, asked: str, url: str) -> None:
        if urlsplit(asked).scheme not in ("blob", "data") and not asked.startswith(url):
            self.faults.append(f"asked {asked}")


def clip_of(video: np.ndarray, behavior: Any, pupil_center: Any) -> Any:
    """A clip with the same behaviour in all frames."""
    from sensorium_ray.data.clip import Clip

    states = [np.repeat(np.float32(state)[:, None], len(video), axis=1) for state in (behavior, pupil_center)]
    return Clip(video, *states)
