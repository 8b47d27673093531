"""Real endpoints, in processes of their own or in a thread."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import uvicorn

from sensorium_ray.client.clients import AsyncSensoriumClient
from sensorium_ray.ports import free_port

SENSORIUM = (sys.executable, "-c", "from sensorium_ray.cli import main; main()")


@dataclass
class Running:
    """A `sensorium serve` that runs; every process that it starts carries its mark in the environment."""

    url: str
    process: subprocess.Popen[str]
    mark: str

    @property
    def port(self) -> int:
        """Port that it listens on."""
        return int(self.url.rpartition(":")[2])

    def processes(self, title: str = "") -> list[psutil.Process]:
        """Those that it started and that live, whose titles contain some words."""
        found = []
        for process in psutil.process_iter():
            try:
                marked = process.environ().get("SENSORIUM_TEST_MARK") == self.mark
                if marked and title in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found


class Awaited:
    """The asynchronous client, in a loop of its own for every call; what it streams comes as a list."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self._ask: Any = lambda method, *asked, **options: asyncio.run(_await(url, key, method, *asked, **options))

    def models(self) -> Any:
        return self._ask("models")

    def predict(self, *asked: Any, **options: Any) -> Any:
        return self._ask("predict", *asked, **options)

    def experiment(self, *asked: Any, **options: Any) -> Any:
        return self._ask("experiment", *asked, **options)

    def gradients(self, *asked: Any, **options: Any) -> Any:
        return self._ask("gradients", *asked, **options)

    def stream(self, *asked: Any, **options: Any) -> Any:
        return iter(self._ask("stream", *asked, **options))


async def _await(url: str, key: str | None, method: str, *asked: Any, **options: Any) -> Any:
    async with AsyncSensoriumClient(url, key) as client:
        answer = getattr(client, method)(*asked, **options)
        return [part async for part in answer] if method == "stream" else await answer


def until(true: Callable[[], object]) -> None:
    """Wait until something is so, two minutes at most."""
    for _ in range(1200):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it never was")


@contextmanager
def starting(*arguments: object) -> Iterator[Running]:
    """An endpoint that does not answer yet."""
    mark, port = uuid.uuid4().hex, free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    process = subprocess.Popen(
        [*SENSORIUM, "serve", *map(str, arguments), "--port", str(port)],
        env=environment | {"SENSORIUM_TEST_MARK": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(f"http://127.0.0.1:{port}", process, mark)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def serving(*arguments: object) -> Iterator[tuple[Running, str]]:
    """An endpoint, and its first line."""
    with starting(*arguments) as found:
        assert found.process.stdout is not None
        assert found.process.stderr is not None
        said = found.process.stdout.readline()
        assert said, f"it ended: {found.process.stderr.read()}"
        yield found, said


def gone(running: Running, seconds: float = 20) -> bool:
    """Whether nothing that an endpoint started lives any more, before long."""
    end = time.monotonic() + seconds
    while running.processes() and time.monotonic() < end:
        time.sleep(0.2)
    return not running.processes()


@contextmanager
def answering(app: Any) -> Iterator[str]:
    """The address of an application that a server in a thread answers with."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
