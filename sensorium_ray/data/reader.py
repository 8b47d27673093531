"""Another process that reads rows of trial files into memory that this one shares."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from ..errors import DataError
from . import rows
from .rows import Window


class SharedMemory:
    """Memory without a name, so that nothing is left of it when its processes have ended, however they did."""

    def __init__(self) -> None:
        self.file = os.memfd_create("sensorium-ray")
        self._map: mmap.mmap | None = None

    def bytes(self, count: int) -> np.ndarray:
        """(count,) uint8 of this memory, which grows if need be; the array outlives `close`."""
        if self._map is None or len(self._map) < count:
            os.ftruncate(self.file, count)
            self._map = mmap.mmap(self.file, 0)
        return np.frombuffer(self._map, np.uint8, count)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.file)


class ReaderProcess:
    """A process that reads; leaving its context ends it.

    Parameters
    ----------
    memories : what it reads into.
    """

    def __init__(self, memories: Sequence[SharedMemory]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", rows.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[memory.file for memory in memories],
        )

    def read(self, memory: SharedMemory, windows: Sequence[Window]) -> None:
        """Do what `read_rows` does.

        Raises
        ------
        OSError : as `read_rows`.
        DataError : the process was killed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps((memory.file, windows)).encode() + b"\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        except (BrokenPipeError, ValueError) as error:
            what = "the process that read them was killed"
            raise DataError(what, "training windows", "see whether memory runs out, and go on") from error
        if answer:
            raise OSError(*answer)

    def __enter__(self) -> ReaderProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()
