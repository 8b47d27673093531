"""Published mice of Sensorium 2023: videos, with time last and a NaN tail.

Layout and shapes: Turishcheva et al. 2023 (arXiv 2305.19654) and the public starter kit's loader.
"""

from __future__ import annotations

import numpy as np

from ..benchmark import SENSORIUM_2023
from ..errors import DataError
from .mouse import RawMouse, RawTrial, require_grey
from .npy import require_real, valid_frames

_AXES = {
    "videos": ("height", "width", "frames"),
    "responses": ("neurons", "frames"),
    "behavior": ("channels", "frames"),
    "pupil_center": ("channels", "frames"),
}


class VideoMouse(RawMouse):
    """A mouse `dynamic…-Video-…`."""

    benchmark = SENSORIUM_2023
    stimulus = "videos"

    def read(self, trial: int) -> RawTrial:
        """Read and check one trial.

        Raises
        ------
        DataError : as in `RawMouse.read`; NaN may only be a tail, and leave a frame.
        """
        arrays = {field: self._load(field, trial) for field in self.fields}
        for field, array in arrays.items():
            self._check_axes(field, trial, array)
        self._check_frames(trial, arrays)
        for field, array in arrays.items():
            require_real(array, self.where(field, trial))
        frames = min(valid_frames(array, self.where(field, trial)) for field, array in arrays.items())
        arrays = {field: array[..., :frames].astype(np.float32) for field, array in arrays.items()}
        require_grey(arrays["videos"], self.where("videos", trial))
        return RawTrial(
            np.ascontiguousarray(arrays["videos"].transpose(2, 0, 1)),
            arrays["responses"],
            arrays["behavior"],
            arrays["pupil_center"],
        )

    def shape(self) -> tuple[int, int, int]:
        """Height, width and frames of the first trial's video, its NaN tail included."""
        trial = self.trials[0]
        video = self._load("videos", trial)
        self._check_axes("videos", trial, video)
        height, width, frames = video.shape
        return height, width, frames

    def _check_axes(self, field: str, trial: int, array: np.ndarray) -> None:
        """Check the number of axes, and that the first one is as long as it has to be."""
        axes, where = _AXES[field], self.where(field, trial)
        if array.ndim != len(axes) or array.size == 0:
            raise DataError(f"has shape {array.shape}", where, _give(axes))
        size = {"responses": self.neurons, "behavior": 2, "pupil_center": 2}.get(field, array.shape[0])
        if array.shape[0] == size:
            return
        if array.shape[1] == size:
            raise _turned(axes, where)
        beside = f", meta/neurons/unit_ids.npy {size}" if field == "responses" else f" instead of {size}"
        raise DataError(f"holds {array.shape[0]} {axes[0]}{beside}", where, _give(axes))

    def _check_frames(self, trial: int, arrays: dict[str, np.ndarray]) -> None:
        frames = arrays["responses"].shape[1]
        for field, array in arrays.items():
            if array.shape[-1] == frames:
                continue
            if array.ndim == 3 and array.shape[0] == frames:
                raise _turned(_AXES[field], self.where(field, trial))
            what = f"holds {array.shape[-1]} frames, the responses of the trial {frames}"
            raise DataError(what, self.where(field, trial), "give all arrays of a trial the same frames")


def _give(axes: tuple[str, ...]) -> str:
    return f"give ({', '.join(axes)})"


def _turned(axes: tuple[str, ...], where: str) -> DataError:
    found = (axes[-1], *axes[:-1])
    return DataError(f"axes look like ({', '.join(found)})", where, f"published files are ({', '.join(axes)})")
