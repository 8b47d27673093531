"""From what was sent to the clip that a model takes: other sizes and rates, behaviour that was not given."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from ..data.clip import Clip
from ..data.decoding import decode
from ..data.resampling import Sampling, frames_of, resample, resample_array
from ..data.video import Limits
from ..errors import DataError
from .bodies import MEBIBYTE
from .served import Served

LIMITS = Limits(seconds=7200.0)
"""Of a video that is sent; an hour of a mouse of 8,000 neurons is an answer of 3.5 GB."""

_IN_MEMORY = 32 * MEBIBYTE
"""Of frames as a model takes them, bytes; more go to the disk."""


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """A video in a model's size and rate.

    Parameters
    ----------
    frames : (frames, height, width) float32, grey levels 0..255.
    rate : frames per second.
    source_frames, source_rate : of the video as it was sent.
    said : in words, what was done to it.
    """

    frames: np.ndarray
    rate: float
    source_frames: int
    source_rate: float
    said: tuple[str, ...]

    @classmethod
    def of_array(cls, video: np.ndarray, rate: float, sampling: Sampling) -> Film:
        """From an array (frames, height, width) of a rate.

        Raises
        ------
        DataError : it is no video, or longer than `LIMITS`, as few frames at a low rate are.
        """
        source = frames_of(video, rate)
        seconds = len(video) / rate
        if seconds > LIMITS.seconds:
            raise DataError(f"is longer than {LIMITS.seconds:g} s", "video", "cut it, or say its true rate")
        if 4 * seconds * sampling.rate * math.prod(sampling.shape) <= _IN_MEMORY:
            frames = resample_array(video, rate, sampling)
        else:
            frames = _on_disk(resample(source, sampling), sampling.shape)
        return cls(frames, sampling.rate, len(video), rate, _said(sampling.describe(video.shape[1:], rate)))

    @classmethod
    async def of_file(cls, file: BinaryIO, sampling: Sampling) -> Film:
        """From a file on the disk, such as an mp4.

        Raises
        ------
        DataError : it is no video, damaged, or beyond `LIMITS`.
        """
        video = await decode(file, sampling, LIMITS)
        said = _said(sampling.describe(video.shape, video.rate))
        return cls(video.frames, sampling.rate, video.source_frames, video.rate, said)


def _on_disk(frames: Iterable[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """All frames, (frames, height, width) float32, in a file without a name."""
    with tempfile.TemporaryFile() as file:
        for frame in frames:
            file.write(frame.tobytes())
        file.flush()
        return np.memmap(file, np.float32, mode="r").reshape(-1, *shape)


def complete(film: Film, sent: Mapping[str, np.ndarray], model: Served, mouse: str) -> tuple[Clip, tuple[str, ...]]:
    """The clip, and in words what was done to it beyond what was sent.

    Parameters
    ----------
    sent : behavior and pupil_center, or one of them, or neither: (channels,) for all of the clip, or (channels, n) with
        an entry a frame, of the video as it was sent or as the model takes it.

    Raises
    ------
    DataError : what was sent does not fit the film, or is missing and the model does not know the mouse's mean.
    """
    states, said = {}, list(film.said)
    for name, channels in (("behavior", model.manifest.behavior_channels), ("pupil_center", 2)):
        if name in sent:
            states[name] = _fitted(name, sent[name], channels, film)
            continue
        mean = model.mean(mouse, name)
        states[name] = np.repeat(mean[:, None], len(film.frames), axis=1)
        numbers = ", ".join(f"{value:.4g}" for value in mean)
        said.append(f"{name} was not given: the mouse's mean in training stands for it ({numbers})")
    return Clip(film.frames, states["behavior"], states["pupil_center"], film.rate), tuple(said)


def _fitted(name: str, given: np.ndarray, channels: int, film: Film) -> np.ndarray:
    """One entry a model frame, (channels, frames), interpolated linearly where there is one a source frame."""
    frames = len(film.frames)
    if not np.issubdtype(given.dtype, np.number) or np.iscomplexobj(given):
        raise DataError(f"has dtype {given.dtype}", name, "give real numbers")
    if given.shape == (channels,):
        return np.repeat(given[:, None], frames, axis=1)
    if given.shape == (channels, frames):
        return given
    if given.shape == (channels, film.source_frames):
        times, source_times = np.arange(frames) / film.rate, np.arange(film.source_frames) / film.source_rate
        return np.stack([np.interp(times, source_times, channel) for channel in given])
    counts = " or ".join(map(str, dict.fromkeys((frames, film.source_frames))))
    mend = f"give ({channels},), or ({channels}, {counts})"
    raise DataError(f"has shape {given.shape} beside a video of {film.source_frames} frames", name, mend)


def _said(words: str | None) -> tuple[str, ...]:
    return () if words is None else (words,)
