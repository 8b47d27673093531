"""Rows of an open trial file: some are read without the others."""

from __future__ import annotations

import os
from typing import BinaryIO

import numpy as np


def first_row(file: BinaryIO, dtype: np.dtype, frames: int) -> int:
    """Byte at which the rows begin.

    Parameters
    ----------
    file : at its start.
    dtype, frames : what the file has to hold, a row a frame.

    Raises
    ------
    ValueError : it is no .npy file, or holds something else.
    """
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("the file is not of version 1.0")
    shape, fortran_order, found = np.lib.format.read_array_header_1_0(file)
    if (shape, fortran_order, found) != ((frames,), False, dtype):
        raise ValueError(f"the file holds {shape} of {found}")
    return file.tell()


def read_rows(file: BinaryIO, start: int, stride: int, rows: np.ndarray) -> None:
    """Fill `rows` with every `stride`-th row of the file.

    Parameters
    ----------
    file : opened without a buffer; where it stands neither matters nor changes, so threads may share it.
    start : byte at which the first of the rows begins.
    rows : (frames,) structured, contiguous.

    Raises
    ------
    EOFError : the file ends before the last of them does.
    """
    pieces = [rows] if stride == 1 else [rows[place : place + 1] for place in range(len(rows))]
    places = [start + stride * rows.itemsize * place for place in range(len(pieces))]
    descriptor = file.fileno()
    # A disk is told of all pieces at once and fetches them side by side, and nothing between them.
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
    for place, piece in zip(places, pieces, strict=True):
        os.posix_fadvise(descriptor, place, piece.nbytes, os.POSIX_FADV_WILLNEED)
    for place, piece in zip(places, pieces, strict=True):
        if os.preadv(descriptor, [piece], place) != piece.nbytes:
            raise EOFError("the file ends early")
