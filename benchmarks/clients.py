"""Servers in processes of their own, and a client that asks them and reads their answers to the end."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from statistics import median

Ask = Callable[[http.client.HTTPConnection], int]
"""Asks over a connection, and returns the answer's bytes."""


@contextmanager
def running(
    command: Sequence[str], port: int, ready: str, status: int = 200, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A server in a process of its own, until the block ends: its address.

    Parameters
    ----------
    ready, status : address that answers with that status once the server can be asked.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | dict(environment or {}),
        start_new_session=True,
    )
    try:
        while not _answers(port, ready, status):
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(command[:4])} … ended with status {process.returncode}")
            time.sleep(0.5)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # LitServe leaves its workers behind


def _answers(port: int, path: str, status: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().status == status
    except OSError:
        return False


def asking(path: str, body: bytes, content_type: str, accept: str) -> Ask:
    """A request that is sent, and whose answer is read to the end."""

    def ask(connection: http.client.HTTPConnection) -> int:
        connection.request("POST", path, body, {"Content-Type": content_type, "Accept": accept})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}: {content[:200]!r}")
        return len(content)

    return ask


def rate(address: str, ask: Ask, at_once: int, seconds: float) -> float:
    """Answers a second to so many requests at once."""
    end = time.perf_counter() + seconds

    def work(_: int) -> int:
        connection, count = http.client.HTTPConnection(address, timeout=600), 0
        while time.perf_counter() < end:
            ask(connection)
            count += 1
        return count

    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        answered = sum(pool.map(work, range(at_once)))
    return answered / (time.perf_counter() - began)


def latency(address: str, ask: Ask, count: int) -> float:
    """Median milliseconds of an answer, after two that do not count."""
    connection, times = http.client.HTTPConnection(address, timeout=600), []
    for _ in range(count + 2):
        began = time.perf_counter()
        ask(connection)
        times.append(1000 * (time.perf_counter() - began))
    return median(times[2:])
