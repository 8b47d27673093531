"""Real endpoints in processes of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(*arguments: object) -> Iterator[tuple[Running, str]]:
    """An endpoint, and its first line."""
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
        assert process.stdout is not None
        assert process.stderr is not None
        said = process.stdout.readline()
        assert said, f"it ended: {process.stderr.read()}"
        yield Running(f"http://127.0.0.1:{port}", process, mark), said
    finally:
        process.terminate()
        process.wait(30)
