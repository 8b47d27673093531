"""Rows of trial files: some are read without the others."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

_ROW_BY_ROW = Lock()
"""Held by the one thread that copies row by row. Side by side threads would wait for each other at every row, for the
interpreter, so the others copy a window in one call, with the rows between."""
_BUFFERS = os.sysconf("SC_IOV_MAX")
"""So many a call can fill."""


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


def first_row(path: Path, dtype: np.dtype, frames: int) -> int:
    """Byte at which the rows begin.

    Parameters
    ----------
    dtype, frames : what the file has to hold, a row a frame.

    Raises
    ------
    ValueError : it is no .npy file, or holds something else.
    """
    with path.open("rb") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("the file is not of version 1.0")
        shape, fortran_order, found = np.lib.format.read_array_header_1_0(file)
        if (shape, fortran_order, found) != ((frames,), False, dtype):
            raise ValueError(f"the file holds {shape} of {found}")
        return file.tell()


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
    alone = _ROW_BY_ROW.acquire(blocking=False)
    try:
        missing = [window for window in windows if not _copy(memory, window, alone)]
    finally:
        if alone:
            _ROW_BY_ROW.release()
    for window in missing:
        _wait(memory, window)


def _copy(memory: memoryview, window: Window, alone: bool) -> bool:
    """Whether the page cache holds all; if not, the disk was asked for it."""
    file = os.open(window.path, os.O_RDONLY)
    longest_step = window.size * (1 if alone else 2)  # beside others the gaps are read too, if no longer than the rows
    read = _read_through if window.step <= longest_step and 2 * window.rows <= _BUFFERS else _read
    try:
        try:
            if read(memory, window, file, os.RWF_NOWAIT):
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


def _read_through(memory: memoryview, window: Window, file: int, flags: int) -> bool:
    """`_read` in as few calls as can be, which read the gaps too."""
    size, gap = window.size, window.step - window.size
    rows, between = memory[window.offset : window.offset + window.rows * size], bytearray(gap)
    parts = [part for at in range(0, len(rows), size) for part in (rows[at : at + size], between)]
    row = 0
    while row < window.rows:
        # Where it stops in a gap, for a page that nobody needs, the next call begins with the row behind.
        got = os.preadv(file, parts[2 * row : -1], window.start + row * window.step, flags)
        whole = (got + gap) // window.step
        if whole == 0:
            return False
        row += whole
    return True
