"""A clip: what a neuron's response is predicted from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..benchmark import FRAME_RATE
from ..errors import DataError
from ..storage import read_npz

CLIP_ARRAYS = ("video", "behavior", "pupil_center")
"""What a clip is made of, by the names that files and requests use."""
_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Clip:
    """Video with behaviour, in the units of the published data; a still image is a clip of one frame.

    Parameters
    ----------
    video : (frames, height, width) float32, grey levels 0..255.
    behavior : (channels, frames) float32; 2023: pupil dilation in pixels, running speed in cm/s.
    pupil_center : (2, frames) float32, horizontal and vertical, pixels of the eye camera.
    rate : frames per second.

    Raises
    ------
    DataError : an axis disagrees with the video's frames, or a value is not finite.
    """

    video: np.ndarray
    behavior: np.ndarray
    pupil_center: np.ndarray
    rate: float = FRAME_RATE

    def __post_init__(self) -> None:
        if self.video.ndim != 3 or self.video.shape[0] == 0:
            raise DataError(f"has shape {self.video.shape}", "video", "give (frames, height, width)")
        for name in ("behavior", "pupil_center"):
            array = getattr(self, name)
            if array.ndim != 2 or array.shape[1] != self.frames:
                raise DataError(
                    f"has shape {array.shape} beside a video of {self.frames} frames",
                    name,
                    "give (channels, frames)",
                )
        for name in CLIP_ARRAYS:
            array = getattr(self, name)
            if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
                raise DataError(f"has dtype {array.dtype}", name, "give real numbers")
            with np.errstate(over="ignore"):
                array = np.ascontiguousarray(array, dtype=np.float32)
            if not _is_finite(array):
                raise DataError("holds NaN or infinite values", name, "cut the clip to its valid frames")
            object.__setattr__(self, name, array)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return int(self.video.shape[0])


def _is_finite(array: np.ndarray) -> bool:
    """Whether all values are finite; some rows at a time, since a long video lies on the disk."""
    return all(np.isfinite(array[start : start + _ROWS]).all() for start in range(0, len(array), _ROWS))


def clip_of(arrays: Mapping[str, np.ndarray]) -> Clip:
    """Clip of named arrays: video (frames, height, width), behavior and pupil_center (channels, frames).

    Raises
    ------
    DataError : an array is missing, or they do not make a clip.
    """
    missing = [name for name in CLIP_ARRAYS if not isinstance(arrays.get(name), np.ndarray)]
    if missing:
        raise DataError(f"{' and '.join(missing)} missing", "clip", f"give {', '.join(CLIP_ARRAYS)}")
    return Clip(arrays["video"], arrays["behavior"], arrays["pupil_center"])


def is_trial(path: Path) -> bool:
    """Whether a file is a trial of a frame store, an npy whose rows have fields."""
    try:
        return path.suffix == ".npy" and np.load(path, mmap_mode="r", allow_pickle=False).dtype.names is not None
    except (ValueError, OSError, EOFError):
        return False


def read_clip(path: Path) -> Clip:
    """Read a clip: an `.npz` with the three arrays, or a trial file of a frame store (`trials/N.npy`).

    Raises
    ------
    DataError : the file is missing, is neither, or holds no valid clip.
    """
    if path.suffix == ".npz":
        arrays = read_npz(path)
    elif path.suffix == ".npy":
        arrays = _read_trial(path)
    else:
        raise DataError("is not a clip", str(path), "give an .npz, or a trial file (.npy) of a frame store")
    try:
        return clip_of(arrays)
    except DataError as error:
        raise DataError(str(error), str(path)) from error


def _read_trial(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a trial file, which holds one row a frame; mapped, so that its responses are not read."""
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError("file is missing", str(path)) from error
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"is not a readable npy file ({error})", str(path)) from error
    fields = rows.dtype.names or ()
    return {name: rows[name] if name == "video" else rows[name].T for name in CLIP_ARRAYS if name in fields}
