"""Reading published .npy arrays: never unpickled, every fault in one sentence."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..storage import StrPath, is_remote, read_bytes

AGAIN = "copy or download it again"
"""How a file that did not arrive whole is mended."""
_MAGIC = b"\x93NUMPY"


def read_npy(path: Path) -> np.ndarray:
    """Read one array, from a disk or s3://.

    Raises
    ------
    DataError : the file is missing, empty, cut off, not .npy at all, or holds pickled objects.
    """
    try:
        if is_remote(path):
            return parse_npy(read_bytes(path), str(path))
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except FileNotFoundError as error:
        raise DataError("file is missing", str(path), AGAIN) from error
    except OSError as error:
        raise DataError(f"may not be read ({error.strerror})", str(path), "mend its permissions") from error
    return _load(path, magic, str(path))


def parse_npy(data: bytes, where: str) -> np.ndarray:
    """Read one array from the bytes of a file; `where` is what an error calls it.

    Raises
    ------
    DataError : as `read_npy`.
    """
    return _load(BytesIO(data), data[: len(_MAGIC)], where)


def _load(source: Path | BytesIO, magic: bytes, where: str) -> np.ndarray:
    if not magic:
        raise DataError("file is empty", where, AGAIN)
    if magic != _MAGIC:
        raise DataError("is not an npy file", where, "save it again with numpy.save")
    try:
        return np.load(source, allow_pickle=False)
    except Exception as error:  # a damaged header makes numpy raise almost anything
        if "Object arrays" in str(error):
            what = "holds pickled Python objects, which are never loaded"
            raise DataError(what, where, "save it again as plain numbers") from error
        raise DataError("is cut off or damaged", where, AGAIN) from error


def require_real(array: np.ndarray, where: StrPath) -> None:
    """Refuse text, truth values, complex numbers and infinities.

    Raises
    ------
    DataError : the values are no finite real numbers (NaN passes).
    """
    if array.dtype.kind not in "iuf":
        raise DataError(f"has dtype {array.dtype}", str(where), "save it again as real numbers")
    if np.isinf(array).any():
        raise DataError("holds infinite values", str(where), "mend them or set the trial's tier to 'none'")


def valid_frames(array: np.ndarray, where: StrPath) -> int:
    """Number of frames before the NaN tail that fills a published array.

    Parameters
    ----------
    array : (..., frames).
    where : the file that it came from, for the error.

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
        raise DataError(what, str(where), mend)
    if first_nan == 0:
        raise DataError("holds no valid frame, only NaN", str(where), mend)
    return first_nan
