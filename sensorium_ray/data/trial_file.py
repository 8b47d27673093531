"""Rows of a trial file: some are read without the others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

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


def read_rows(path: Path, start: int, step: int, fields: Sequence[np.ndarray]) -> None:
    """Read rows whose first bytes lie `step` apart, each field into its own array.

    What the page cache holds is copied at once. As soon as a row is not there, the disk is asked for all that are
    left, which it fetches side by side, and for nothing between them.

    Parameters
    ----------
    start : byte at which the first of the rows begins.
    fields : (rows, …) each, in the order of the row's fields.

    Raises
    ------
    EOFError : the file ends before the last of them does.
    """
    size = sum(field[0].nbytes for field in fields)
    places = range(start, start + len(fields[0]) * step, step)
    asked = False
    file = os.open(path, os.O_RDONLY)
    try:
        for place, *row in zip(places, *fields, strict=True):
            if not asked:
                if _read_cached(file, row, place) == size:
                    continue
                _ask_for(file, range(place, places.stop, step), size)
                asked = True
            if os.preadv(file, row, place) != size:
                raise EOFError("the file ends early")
    finally:
        os.close(file)


def _read_cached(file: int, row: list[Any], place: int) -> int:
    """Bytes that were read without waiting for a disk."""
    try:
        return os.preadv(file, row, place, os.RWF_NOWAIT)
    except OSError:  # none of them, or a file system that cannot tell
        return 0


def _ask_for(file: int, places: Iterable[int], size: int) -> None:
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
    for place in places:
        os.posix_fadvise(file, place, size, os.POSIX_FADV_WILLNEED)
