"""From what was sent to the clip that a model takes: other sizes and rates, behaviour that was not given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..data.clip import Clip
from ..data.resampling import Sampling, resample_array
from ..errors import DataError
from .served import Served


def complete(
    sent: Mapping[str, np.ndarray], rate: float, model: Served, mouse: str, sampling: Sampling
) -> tuple[Clip, tuple[str, ...]]:
    """The clip, and in words what was done to it beyond what was sent.

    Parameters
    ----------
    sent : video (frames, height, width) of any size; behavior and pupil_center, or one of them, or neither: (channels,)
        for all of the clip, or (channels, n) with an entry a frame of the video, as sent or as the model takes it.
    rate : of the video, frames per second.
    sampling : how the video gets the model's size and rate.

    Raises
    ------
    DataError : there is no video, or what was sent does not fit together.
    """
    if "video" not in sent:
        raise DataError("is missing", "video", "give (frames, height, width)")
    video, source_frames = resample_array(sent["video"], rate, sampling), len(sent["video"])
    said = [words] if (words := sampling.describe(sent["video"].shape[1:], rate)) else []
    states = {}
    for name, channels in (("behavior", model.manifest.behavior_channels), ("pupil_center", 2)):
        if name in sent:
            states[name] = _fitted(name, sent[name], channels, source_frames, rate, len(video), sampling.rate)
        else:
            mean = model.mean(mouse, name)
            states[name] = np.repeat(mean[:, None], len(video), axis=1)
            numbers = ", ".join(f"{value:.4g}" for value in mean)
            said.append(f"{name} was not given: the mouse's mean in training stands for it ({numbers})")
    return Clip(video, states["behavior"], states["pupil_center"], model.manifest.rate), tuple(said)


def _fitted(
    name: str, given: np.ndarray, channels: int, source_frames: int, rate: float, frames: int, model_rate: float
) -> np.ndarray:
    """One entry a model frame, (channels, frames), interpolated linearly where there is one a source frame."""
    if not np.issubdtype(given.dtype, np.number) or np.iscomplexobj(given):
        raise DataError(f"has dtype {given.dtype}", name, "give real numbers")
    if given.shape == (channels,):
        return np.repeat(given[:, None], frames, axis=1)
    if given.shape == (channels, frames):
        return given
    if given.shape == (channels, source_frames):
        times, source_times = np.arange(frames) / model_rate, np.arange(source_frames) / rate
        return np.stack([np.interp(times, source_times, channel) for channel in given])
    counts = " or ".join(map(str, dict.fromkeys((frames, source_frames))))
    mend = f"give ({channels},), or ({channels}, {counts})"
    raise DataError(f"has shape {given.shape} beside a video of {source_frames} frames", name, mend)
