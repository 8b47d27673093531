"""Windows: a clip is cut into them to predict it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from .clip import Clip

Run = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""video (batch, frames, height, width), behavior (batch, channels, frames) and pupil centre (batch, 2, frames) ->
(batch, neurons, frames)."""

_CHUNK = 100
"""Frames answered in one call, so that an hour of video needs no more memory than a few seconds of it."""
_BATCH = 8
"""Windows answered in one call."""


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """Windows that a network was trained on and is asked in.

    Parameters
    ----------
    frames : frames of a window.
    stride : frames of the clip between two frames of a window.
    hop : windows start `hop * stride` clip frames apart (and at each of the `stride` phases); where windows
        overlap their answers are averaged.
    """

    frames: int
    stride: int = 1
    hop: int = 1

    def __post_init__(self) -> None:
        if min(self.frames, self.stride, self.hop) < 1 or self.hop > self.frames:
            raise ConfigError(
                f"{self} is impossible", "window", "frames, stride and hop are 1 or more, hop at most frames"
            )

    def indices(self, clip_frames: int) -> np.ndarray:
        """Frames of every window over a clip: (windows, frames) int64, each clip frame in at least one.

        A clip shorter than a window is held at its last frame.
        """
        span = np.arange(self.frames) * self.stride
        rows = []
        for phase in range(min(self.stride, clip_frames)):
            last_start = phase + max(0, (clip_frames - 1 - phase) // self.stride - (self.frames - 1)) * self.stride
            starts = np.arange(phase, last_start, self.hop * self.stride)
            rows += [start + span for start in (*starts, last_start)]
        return np.minimum(np.array(rows), clip_frames - 1)


def predict_clip(run: Run, clip: Clip, receptive_field: int, window: WindowSpec | None) -> np.ndarray:
    """Responses to every frame of a clip, in bounded memory.

    Parameters
    ----------
    run : the network; it answers for every frame it is given, holding the first one for the past.
    receptive_field : frames of the past that an answer depends on, its own included.
    window : the network's windows; None: chunks that overlap by the receptive field, which is exact.

    Returns
    -------
    (neurons, frames) float32.
    """
    if window is None:
        return _in_chunks(run, clip, receptive_field - 1)
    return _in_windows(run, clip, window.indices(clip.frames))


def _in_chunks(run: Run, clip: Clip, past: int) -> np.ndarray:
    answers = []
    for start in range(0, clip.frames, _CHUNK):
        first = max(0, start - past)
        frames = slice(first, min(start + _CHUNK, clip.frames))
        answer = run(clip.video[None, frames], clip.behavior[None, :, frames], clip.pupil_center[None, :, frames])
        answers.append(answer[0, :, start - first :])
    return np.concatenate(answers, axis=1)


def _in_windows(run: Run, clip: Clip, indices: np.ndarray) -> np.ndarray:
    total: np.ndarray | None = None
    count = np.zeros(clip.frames, np.float32)
    for start in range(0, len(indices), _BATCH):
        batch = indices[start : start + _BATCH]
        answers = run(
            clip.video[batch],
            np.ascontiguousarray(clip.behavior[:, batch].swapaxes(0, 1)),
            np.ascontiguousarray(clip.pupil_center[:, batch].swapaxes(0, 1)),
        )
        if total is None:
            total = np.zeros((answers.shape[1], clip.frames), np.float32)
        for answer, frames in zip(answers, batch, strict=True):
            np.add.at(total.T, frames, answer.T)
            np.add.at(count, frames, 1)
    assert total is not None  # a clip has at least one frame, hence one window
    return total / count
