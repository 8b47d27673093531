"""Reading published .npy arrays: never unpickled, every fault in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import DataError

_MAGIC = b"\x93NUMPY"
_AGAIN = "copy or download it again"


def read_npy(path: Path) -> np.ndarray:
    """Read one array.

    Raises
    ------
    DataError : the file is missing, empty, cut off, not .npy at all, or holds pickled objects.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except FileNotFoundError as error:
        raise DataError("file is missing", str(path), _AGAIN) from error
    except OSError as error:
        raise DataError(f"may not be read ({error.strerror})", str(path), "mend its permissions") from error
    if not magic:
        raise DataError("file is empty", str(path), _AGAIN)
    if magic != _MAGIC:
        raise DataError("is not an npy file", str(path), "save it again with numpy.save")
    try:
        return np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged header makes numpy raise almost anything
        if "Object arrays" in str(error):
            what = "holds pickled Python objects, which are never loaded"
            raise DataError(what, str(path), "save it again as plain numbers") from error
        raise DataError("is cut off or damaged", str(path), _AGAIN) from error


def require_real(array: np.ndarray, path: Path) -> None:
    """Refuse text, truth values, complex numbers and infinities.

    Raises
    ------
    DataError : the values are no finite real numbers (NaN passes).
    """
    if array.dtype.kind not in "iuf":
        raise DataError(f"has dtype {array.dtype}", str(path), "save it again as real numbers")
    if np.isinf(array).any():
        raise DataError("holds infinite values", str(path), "mend them or set the trial's tier to 'none'")


def valid_frames(array: np.ndarray, path: Path) -> int:
    """Number of frames before the NaN tail that fills a published array.

    Parameters
    ----------
    array : (..., frames).
    path : the file that it came from, for the error.

    Raises
    ------
    DataError : no frame is valid, or a finite value follows a NaN, so that the NaN is no tail.
    """
    by_frame = np.isnan(array).reshape(-1, array.shape[-1])
    with_nan = np.flatnonzero(by_frame.any(axis=0))
    if with_nan.size == 0:
        return array.shape[-1]
    first_nan = int(with_nan[0])
    later = np.flatnonzero(~by_frame[:, first_nan + 1 :].all(axis=0))
    mend = "mend the file or set the trial's tier to 'none'"
    if later.size:
        last = first_nan + 1 + int(later[-1])
        what = f"NaN at frame {first_nan} lies inside the valid part, which lasts to frame {last}"
        raise DataError(what, str(path), mend)
    if first_nan == 0:
        raise DataError("holds no valid frame, only NaN", str(path), mend)
    return first_nan
