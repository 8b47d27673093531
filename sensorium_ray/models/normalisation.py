"""Normalisations: how inputs and responses are scaled by what the training trials were like, by name.

raw : everything as recorded; the 2023 winner's way.
pooled : video and pupil centre z-scored, behaviour divided by its standard deviation without subtracting the mean
    (which keeps a mouse at rest at 0), responses divided by each neuron's. All statistics are pooled over frames (and
    pixels), so that a clip of any length and from any moment is treated alike. ViV1T's way since 2025.
published : the same with the statistics that come with the data, which for videos are a number a pixel and time
    point, counted from the trial's first frame; the starter kits' way and Dynamic-V1FM's.
extremes : ViV1T's way in 2023. Behaviour and pupil centre go from 0 at the least to 1 at the greatest value of their
    time point. The video becomes (video - mean) / (std - mean) of its pixel and time point, which its authors'
    code computes where minimum and maximum were meant, and which its weights are trained for.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ConfigError, DataError
from ..metrics.normalisation import time_precision
from .population import MouseSpec, Population

Normalisation = Literal["raw", "pooled", "published", "extremes"]

PUBLISHED: dict[str, tuple[str, ...]] = {
    "raw": (),
    "pooled": (),
    "published": ("video/mean", "video/std", "behavior/std", "pupil_center/mean", "pupil_center/std", "responses/std"),
    "extremes": (
        "video/mean", "video/std", "behavior/min", "behavior/max",
        "pupil_center/min", "pupil_center/max", "responses/std",
    ),
}  # fmt: skip
"""Published statistics that each normalisation needs; see `Population.from_store`."""


class Normaliser(nn.Module):
    """Scale inputs and responses, looked up by mouse and, where statistics have a time, by moment.

    Parameters
    ----------
    kind : see the module.

    Attributes
    ----------
    video_mean, video_scale : (mice, moments, height, width), 1 where all share it.
    behavior_mean, behavior_scale, pupil_mean, pupil_scale : (mice, channels, moments).
    response_scale : (neurons, moments).

    Raises
    ------
    ConfigError : there is no such normalisation.
    DataError : a mouse came without the published statistics that it needs.
    """

    video_mean: Tensor
    video_scale: Tensor
    behavior_mean: Tensor
    behavior_scale: Tensor
    pupil_mean: Tensor
    pupil_scale: Tensor
    response_scale: Tensor

    def __init__(self, population: Population, kind: Normalisation) -> None:
        super().__init__()
        if kind not in get_args(Normalisation):
            known = ", ".join(get_args(Normalisation))
            raise ConfigError(f"there is no normalisation '{kind}'", "normalisation", f"known: {known}")
        tables = [_TABLES[kind](mouse) for mouse in population.mice]
        for name in ("video", "behavior", "pupil"):
            self.register_buffer(f"{name}_mean", _stacked([table[f"{name}_mean"] for table in tables]))
            self.register_buffer(f"{name}_scale", _stacked([_nonzero(table[f"{name}_scale"]) for table in tables]))
        scales = _same_length([_nonzero(table["response_scale"]) for table in tables], axis=1)
        self.register_buffer("response_scale", _tensor(np.concatenate(scales)))

    def forward(
        self, video: Tensor, behavior: Tensor, pupil_center: Tensor, mouse: Tensor, moment: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scaled (video, behavior, pupil centre), same shapes; see `Encoder.forward`."""
        return (
            (video - self._at(self.video_mean, mouse, moment)) / self._at(self.video_scale, mouse, moment),
            (behavior - self._rows_at(self.behavior_mean, mouse, moment))
            / self._rows_at(self.behavior_scale, mouse, moment),
            (pupil_center - self._rows_at(self.pupil_mean, mouse, moment))
            / self._rows_at(self.pupil_scale, mouse, moment),
        )

    def responses_at(self, neurons: Tensor, moment: Tensor) -> Tensor:
        """Units of normalised responses: (batch, n, frames), or 1 for an axis along which they do not change."""
        if self.response_scale.shape[1] == 1:
            return self.response_scale[neurons][None]
        return self.response_scale[neurons[None, :, None], self._last(self.response_scale, moment)[:, None]]

    def _at(self, table: Tensor, mouse: Tensor, moment: Tensor) -> Tensor:
        """(batch, frames or 1, height or 1, width or 1)."""
        if table.shape[1] == 1:
            return table[mouse]
        return table[mouse[:, None], self._last(table, moment)]

    def _rows_at(self, table: Tensor, mouse: Tensor, moment: Tensor) -> Tensor:
        """(batch, channels, frames or 1)."""
        if table.shape[2] == 1:
            return table[mouse]
        return table.transpose(1, 2)[mouse[:, None], self._last(table.transpose(1, 2), moment)].transpose(1, 2)

    @staticmethod
    def _last(table: Tensor, moment: Tensor) -> Tensor:
        """What comes after the published time points is treated like the last of them."""
        return moment.clamp(max=table.shape[1] - 1)


def _raw(mouse: MouseSpec) -> dict[str, np.ndarray]:
    channels, neurons = len(mouse.statistics.behavior_std), mouse.neurons
    return {
        "video_mean": np.zeros((1, 1, 1)),
        "video_scale": np.ones((1, 1, 1)),
        "behavior_mean": np.zeros((channels, 1)),
        "behavior_scale": np.ones((channels, 1)),
        "pupil_mean": np.zeros((2, 1)),
        "pupil_scale": np.ones((2, 1)),
        "response_scale": np.ones((neurons, 1)),
    }


def _pooled(mouse: MouseSpec) -> dict[str, np.ndarray]:
    found = mouse.statistics
    return {
        "video_mean": found.video_mean.reshape(1, 1, 1),
        "video_scale": found.video_std.reshape(1, 1, 1),
        "behavior_mean": np.zeros((len(found.behavior_std), 1)),
        "behavior_scale": found.behavior_std[:, None],
        "pupil_mean": found.pupil_mean[:, None],
        "pupil_scale": found.pupil_std[:, None],
        "response_scale": found.response_std[:, None],
    }


def _published(mouse: MouseSpec) -> dict[str, np.ndarray]:
    behavior = _rows(mouse, "behavior/std")
    return {
        "video_mean": _video(mouse, "video/mean"),
        "video_scale": _video(mouse, "video/std"),
        "behavior_mean": np.zeros_like(behavior),
        "behavior_scale": behavior,
        "pupil_mean": _rows(mouse, "pupil_center/mean"),
        "pupil_scale": _rows(mouse, "pupil_center/std"),
        "response_scale": 1 / time_precision(_rows(mouse, "responses/std")),
    }


def _extremes(mouse: MouseSpec) -> dict[str, np.ndarray]:
    mean, std = _video(mouse, "video/mean"), _video(mouse, "video/std")
    scaled = {"video_mean": mean, "video_scale": std - mean}
    for name, field in (("behavior", "behavior"), ("pupil", "pupil_center")):
        low, high = (_rows(mouse, f"{field}/{which}") for which in ("min", "max"))
        scaled |= {f"{name}_mean": low, f"{name}_scale": high - low}
    return {**scaled, "response_scale": 1 / time_precision(_rows(mouse, "responses/std"))}


_TABLES = {"raw": _raw, "pooled": _pooled, "published": _published, "extremes": _extremes}


def _video(mouse: MouseSpec, name: str) -> np.ndarray:
    """(moments, height, width); of 2022 it is one number, (1, 1, 1)."""
    array = _statistic(mouse, name)
    if array.size == 1:
        return _known(mouse, name, array.reshape(1, 1, 1))
    if array.ndim != 3:
        raise _misshapen(mouse, name, array, "one number, or (height, width, frames)")
    return _known(mouse, name, array).transpose(2, 0, 1)


def _rows(mouse: MouseSpec, name: str) -> np.ndarray:
    """(channels or neurons, moments); of 2022 it is a number a row, which counts for every moment."""
    array, statistics = _statistic(mouse, name), mouse.statistics
    channels = {"behavior": len(statistics.behavior_std), "pupil_center": len(statistics.pupil_std)}
    rows = channels.get(name.split("/", maxsplit=1)[0], mouse.neurons)
    if array.size != rows and (array.ndim != 2 or len(array) != rows):
        raise _misshapen(mouse, name, array, f"({rows},) or ({rows}, frames)")
    return _known(mouse, name, array.reshape(rows, -1))


def _statistic(mouse: MouseSpec, name: str) -> np.ndarray:
    if name not in mouse.published:
        raise DataError(f"came without the published statistic {name}", mouse.name, "choose normalisation 'pooled'")
    return np.asarray(mouse.published[name], np.float64)


def _known(mouse: MouseSpec, name: str, array: np.ndarray) -> np.ndarray:
    """A statistic whose time is last, up to where no training trial was long enough (NaN)."""
    known = np.flatnonzero(np.isfinite(array.reshape(-1, array.shape[-1])).all(axis=0))
    if not len(known):
        raise DataError(f"has NaN at every time point of the published statistic {name}", mouse.name)
    return array[..., : known[-1] + 1]


def _misshapen(mouse: MouseSpec, name: str, array: np.ndarray, wanted: str) -> DataError:
    what = f"has shape {array.shape} in the published statistic {name}, which should be {wanted}"
    return DataError(what, mouse.name, "mend meta/statistics or choose normalisation 'pooled'")


def _same_length(arrays: list[np.ndarray], axis: int) -> list[np.ndarray]:
    """Arrays as long as the longest along an axis: the last entry is held."""
    length = max(array.shape[axis] for array in arrays)
    return [array.take(np.minimum(np.arange(length), array.shape[axis] - 1), axis) for array in arrays]


def _stacked(arrays: list[np.ndarray]) -> Tensor:
    """(mice, …) float32; the axis of time, the only one that mice may differ in, is made the same."""
    axis = 0 if arrays[0].ndim == 3 else 1
    return _tensor(np.stack(_same_length(arrays, axis)))


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def _nonzero(scale: np.ndarray) -> np.ndarray:
    """Something to divide by: a silent neuron or a still mouse has no spread, and keeps its units."""
    return np.where(np.abs(scale) > 1e-6, scale, 1.0)
