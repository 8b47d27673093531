"""A clip: what a neuron's response is predicted from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..benchmark import FRAME_RATE
from ..errors import DataError


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
                    f"has shape {array.shape} beside a video of {self.frames} frames", name, "give (channels, frames)"
                )
        for name in ("video", "behavior", "pupil_center"):
            array = getattr(self, name)
            if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
                raise DataError(f"has dtype {array.dtype}", name, "give real numbers")
            if not np.isfinite(array).all():
                raise DataError("holds NaN or infinite values", name, "cut the clip to its valid frames")
            object.__setattr__(self, name, np.ascontiguousarray(array, dtype=np.float32))

    @property
    def frames(self) -> int:
        """Number of frames."""
        return int(self.video.shape[0])
