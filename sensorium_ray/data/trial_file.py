"""Rows of a trial file: some are read without the others."""

from __future__ import annotations

import mmap
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


def map_rows(path: Path, dtype: np.dtype, start: int, frames: int, stride: int) -> np.ndarray:
    """Every `stride`-th row as a read-only memory map; the disk is asked for all of them, and for nothing between.

    To map a window and copy it out takes as long as to read it row by row into a buffer, and less where threads do
    it. Pages count as memory in use while they are mapped: until the array goes.

    Parameters
    ----------
    start : byte at which the first of the rows begins.

    Returns
    -------
    (frames,)

    Raises
    ------
    ValueError : the file ends before the last of them does.
    """
    step = stride * dtype.itemsize
    before = start % mmap.ALLOCATIONGRANULARITY
    size = before + (frames - 1) * step + dtype.itemsize
    file = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
        for place in range(start, start + frames * step, step):
            os.posix_fadvise(file, place, dtype.itemsize, os.POSIX_FADV_WILLNEED)
        mapped = mmap.mmap(file, size, prot=mmap.PROT_READ, offset=start - before)
    finally:
        os.close(file)
    return np.ndarray((frames,), dtype, mapped, before, (step,))
