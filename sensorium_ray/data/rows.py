"""Rows of trial files into memory, and the process that does it for another one, a core of its own at its disposal.

The process runs this file by its path; it needs nothing but the standard library, so that it starts in milliseconds.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import signal
import sys
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple


class Window(NamedTuple):
    """Rows of a file, and where they belong.

    Parameters
    ----------
    path : the file.
    start, step : byte at which the first row begins, and from there to the next.
    rows, size : how many rows, of how many bytes.
    offset : place of the first in memory; they lie there one after the other.
    """

    path: str
    start: int
    step: int
    rows: int
    size: int
    offset: int

    @property
    def places(self) -> range:
        """Byte at which each row begins."""
        return range(self.start, self.start + self.rows * self.step, self.step)


def read_rows(memory: memoryview, windows: Sequence[Window]) -> None:
    """Read the windows' rows and nothing between them.

    What the page cache holds is copied at once. Of all windows that it does not hold the disk is asked for the rows
    before any is waited for, so that it fetches them side by side.

    Parameters
    ----------
    memory : bytes to fill.

    Raises
    ------
    OSError : a file is missing or unreadable, or ends early; `filename` says which.
    """
    for window in [window for window in windows if not _copy(memory, window)]:
        _wait(memory, window)


def serve() -> None:
    """Do what `reader.ReaderProcess` asks for, a line of JSON at a time, until it closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks will close the pipe
    memories: dict[int, memoryview] = {}
    for line in sys.stdin.buffer:
        file, windows = json.loads(line)
        size = os.fstat(file).st_size
        if len(memories.get(file, b"")) < size:
            memories[file] = memoryview(mmap.mmap(file, size))
        try:
            read_rows(memories[file], [Window(*window) for window in windows])
            answer = None
        except OSError as error:
            answer = (error.errno, error.strerror, error.filename)
        print(json.dumps(answer), flush=True)


def _copy(memory: memoryview, window: Window) -> bool:
    """Whether the page cache holds all; if not, the disk was asked for it."""
    file = os.open(window.path, os.O_RDONLY)
    try:
        try:
            if _read(memory, window, file, os.RWF_NOWAIT):
                return True
        except OSError:  # none of a row, or a file system that cannot tell
            pass
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
        for place in window.places:
            os.posix_fadvise(file, place, window.size, os.POSIX_FADV_WILLNEED)
        return False
    finally:
        os.close(file)


def _wait(memory: memoryview, window: Window) -> None:
    file = os.open(window.path, os.O_RDONLY)
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
        if not _read(memory, window, file, 0):
            raise OSError(errno.EIO, "the file ends early")
    except OSError as error:
        raise OSError(error.errno, error.strerror, window.path) from error
    finally:
        os.close(file)


def _read(memory: memoryview, window: Window, file: int, flags: int) -> bool:
    """Whether all rows could be read whole."""
    size = window.size
    return all(
        os.preadv(file, (memory[offset : offset + size],), place, flags) == size
        for offset, place in zip(count(window.offset, size), window.places, strict=False)
    )


if __name__ == "__main__":
    serve()
