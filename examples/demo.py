"""The main job, end to end, through the public commands: `make demo` runs this.

Each step is finished when its last file is there, so a demo that was killed goes on from the last finished
step when it is run again; nothing else is remembered.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from sensorium_ray import storage
from sensorium_ray.data.store import FrameStore
from sensorium_ray.ports import free_port
from sensorium_ray.submissions.files import read_prediction

ARCHITECTURES = ("dwiseneuro", "factorised3d", "linear_nonlinear")
SENSORIUM = str(Path(sys.executable).with_name("sensorium"))
TOLERANCE = 1e-5
"""Of the endpoint and the batch job, which compute with other numbers of threads: of a response, or of 1 below it."""


class Demo:
    """The nine steps in a folder."""

    def __init__(self, folder: Path) -> None:
        self.mice, self.store, self.sweep = folder / "mice", folder / "store", folder / "sweep"
        self.bundles, self.scores, self.submission = (
            folder / "bundles",
            folder / "scores",
            folder / "submission",
        )
        self.served, self.report = folder / "served.json", folder / "report.html"
        self.ensemble = self.bundles / "ensemble"

    def run(self) -> None:
        """Do what is not done yet."""
        started = time.monotonic()
        members = [self.bundles / name for name in ARCHITECTURES]
        truth = self.mice / "truth"
        self._step(1, "simulate mice", truth / "truth.json", ["simulate", self.mice, "--scale", "demo"])
        self._step(2, "ingest", self.store / "store.json", ["ingest", self.mice, self.store])
        sweep = ["sweep", self.store, *ARCHITECTURES, "--size", "demo", "--out", self.sweep]
        self._step(
            3, "sweep", self.sweep / "sweep.json", [*sweep, "--samples", 2, "--epochs", 3, "--steps", 60, "--resume"]
        )
        for name, bundle in zip(ARCHITECTURES, members, strict=True):
            export = ["export", self.sweep / "best" / name, "--out", bundle]
            self._step(4, f"export {name}", bundle / "manifest.json", export)
        ensemble = ["ensemble", self.store, *members, "--out", self.ensemble]
        self._step(5, "ensemble", self.ensemble / "manifest.json", ensemble)
        score = ["score", self.store, *members, self.ensemble, "--truth", truth, "--out", self.scores]
        self._step(6, "score both tracks", self.scores / "summary.json", score)
        submit = ["submit", self.store, self.ensemble, "--out", self.submission]
        self._step(7, "write submissions", self.submission / "submission_bonus_final.zip", submit)
        for file in sorted(self.submission.glob("*.zip")):
            command("check-submission", file, "--store", self.store)
        if not self.served.exists():
            headline(8, "serve and ask over HTTP")
            storage.write_json(self.served, self._ask())
        print(
            f"the endpoint and the batch job differ by {json.loads(self.served.read_text())['largest_difference']:.1e}"
        )
        headline(9, "report")
        command("report", self.scores, "--sweep", self.sweep, "--out", self.report)
        minutes, seconds = divmod(round(time.monotonic() - started), 60)
        self._farewell(f"{minutes}:{seconds:02d}")

    def _step(self, number: int, title: str, done: Path, arguments: list[object]) -> None:
        headline(number, title + (" (done before)" if done.exists() else ""))
        once(done, *arguments)

    def _ask(self) -> dict[str, object]:
        """Serve the bundles, ask for one clip, and compare with what the batch job wrote for it."""
        store = FrameStore.open(self.store)
        mouse = store.mice[0]
        trial = store[mouse].select("live_test_main")[0].trial
        url = f"http://127.0.0.1:{free_port()}"
        answer = self.served.with_suffix(".npz")
        server = subprocess.Popen([SENSORIUM, "serve", str(self.bundles), "--port", url.rsplit(":", 1)[1]])
        try:
            wait_until_ready(server, url)
            clip = self.store / mouse / "trials" / f"{trial}.npy"
            command("predict", url, "ensemble", clip, "--mouse", mouse, "--out", answer)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)
        with np.load(answer) as arrays:
            served = arrays["responses"]
        file = self.submission / "submission_main.zip"
        submitted = read_prediction(file, mouse, trial)
        differences = np.abs(served[:, 50 : 50 + submitted.shape[1]] - submitted)
        difference = float((differences / np.maximum(submitted, 1)).max())
        if not difference <= TOLERANCE:
            raise SystemExit(f"the endpoint and the batch job differ by {difference:.2g} on trial {trial} of {mouse}")
        return {"mouse": mouse, "trial": trial, "largest_difference": difference, "tolerance": TOLERANCE}

    def _farewell(self, clock: str) -> None:
        print(f"\nDone in {clock}. Open {self.report} in a browser, and try next:\n")
        print(f"  sensorium describe {self.store}")
        print(f"  sensorium serve {self.bundles}")
        print("  sensorium simulate mice --scale full    # as large as the real ones: 30 GB a mouse")


def headline(number: int, title: str) -> None:
    """Announce a step."""
    print(f"\n[{number}/9] {title}", flush=True)


def once(done: Path, *arguments: object) -> None:
    """Run a command whose last file is not there."""
    if not done.exists():
        command(*arguments)


def command(*arguments: object) -> None:
    """Run one public command, printed as a user would type it; stop the demo where it fails."""
    words = [str(argument) for argument in arguments]
    print("$ sensorium " + " ".join(words), flush=True)
    code = subprocess.run([SENSORIUM, *words], check=False).returncode
    if code:
        raise SystemExit(code)


def wait_until_ready(server: subprocess.Popen[bytes], url: str) -> None:
    """Wait for the endpoint, or stop where it ended instead."""
    import httpx

    for _ in range(240):
        if server.poll() is not None:
            raise SystemExit(f"the endpoint ended with status {server.returncode}")
        try:
            if httpx.get(f"{url}/v2/health/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise SystemExit("the endpoint was not ready after two minutes")


if __name__ == "__main__":
    os.environ["PATH"] = f"{Path(SENSORIUM).parent}{os.pathsep}{os.environ['PATH']}"
    Demo(Path(sys.argv[1] if len(sys.argv) > 1 else "demo")).run()
