"""Rows of a trial file: some are read without the others."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np


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


def copy_rows(path: Path, start: int, step: int, rows: np.ndarray) -> bool:
    """Read rows as `read_rows` does, if the page cache holds them all.

    Returns
    -------
    Whether it does. If not, `rows` is undefined, and the disk was asked for all of them: it fetches them side by side,
    and nothing between them.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        try:
            if _read(file, start, step, rows, os.RWF_NOWAIT):
                return True
        except OSError:  # none of a row, or a file system that cannot tell
            pass
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
        for place in range(start, start + len(rows) * step, step):
            os.posix_fadvise(file, place, rows.itemsize, os.POSIX_FADV_WILLNEED)
        return False
    finally:
        os.close(file)


def read_rows(path: Path, start: int, step: int, rows: np.ndarray) -> None:
    """Read rows whose first bytes lie `step` apart, and nothing between them.

    Parameters
    ----------
    start : byte at which the first of the rows begins.
    rows : (rows,) to fill, C-contiguous, of the file's type.

    Raises
    ------
    EOFError : the file ends before the last of them does.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
        if not _read(file, start, step, rows, 0):
            raise EOFError("the file ends early")
    finally:
        os.close(file)


def _read(file: int, start: int, step: int, rows: np.ndarray, flags: int) -> bool:
    """Whether all rows could be read whole."""
    size, memory = rows.itemsize, rows.view(np.uint8).data
    return all(
        os.preadv(file, (memory[row * size : (row + 1) * size],), start + row * step, flags) == size
        for row in range(len(rows))
    )
