"""Starts processes that make experiments: one that has all libraries loaded forks for each, which takes no time."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Lock

from . import experimenter

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""A process that forks shall have no other threads (Arrow's allocator has one, which knows of forks); and the cores are
the requests'."""


class Forking:
    """The processes of this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._server: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> Connection:
        """A new process, as `experimenter.work`; it ends soon after the connection is closed."""
        ours, its = Pipe()
        with its, self._lock:
            try:
                self._hand_over(its)
            except OSError:  # the one that forks has ended
                self._begin()
                self._hand_over(its)
        return ours

    def _hand_over(self, connection: Connection) -> None:
        if self._server is None:
            self._begin()
        assert self._server is not None
        socket.send_fds(self._server, [b"."], [connection.fileno()])

    def _begin(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._server, its = socket.socketpair()
        with its:
            command = [sys.executable, "-m", experimenter.__name__, str(its.fileno())]
            environment = os.environ | _ONE_THREAD
            self._process = subprocess.Popen(
                command, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL, env=environment
            )


HERE = Forking()
"""That of this process."""
