"""Where the rows of a trial file begin."""

from __future__ import annotations

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
