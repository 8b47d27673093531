"""The way to the dashboard and the job API, which listen on the head's loopback alone: `ray dashboard`, over ssh."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ClusterError
from ..ports import free_port
from .running import environment, program, show, trouble


@contextmanager
def tunnel(file: str) -> Iterator[str]:
    """Address of a cluster's job API, for as long as the block lasts.

    Raises
    ------
    ClusterError : the head cannot be reached.
    """
    port = free_port()
    words = ("dashboard", file, "--port", str(port))
    show(*words)
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            [program(), *words],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its ssh ends with it
        )
        try:
            while not _answers(port):
                if process.poll() is not None:
                    printed.seek(0)
                    said = printed.read().decode(errors="replace")
                    raise trouble(said, file) or ClusterError("no tunnel comes about", file, f"it says: {said[-500:]}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
