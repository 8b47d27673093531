"""How a clip of any length is cut for a network, and its answers put together again, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ConfigError
from .clip import Clip

Run = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""video (batch, frames, height, width), behavior (batch, channels, frames), pupil centre (batch, 2, frames), all
float32, and moment (batch, frames) int64, the place of every frame in its clip -> (batch, neurons, answered frames)."""

_FRAMES = 16
"""Frames of windows answered in one call; at least one window is. A frame of the published DwiseNeuro takes 48 MB, and
on a CPU more windows at once are no faster."""


@dataclass(frozen=True, slots=True)
class Chunks:
    """For a network that answers every frame of what it is given, of any length.

    Parameters
    ----------
    frames : new frames a chunk; the first has `past` more.
    past : frames before a later chunk that are given with it, and whose answers are those of the chunk before. With
        the receptive field's it is exact; a recurrent or attending network reaches back without end, and is exact as
        long as a clip is one chunk, which it is up to `frames + past` frames.
    """

    frames: int = 100
    past: int = 0

    def __post_init__(self) -> None:
        _require(self, self.frames >= 1 and self.past >= 0, "frames are 1 or more, past is 0 or more")

    def answered(self, frames: int) -> int:
        """How many frames a network answers of those that it is given: all."""
        return frames

    def predict(self, run: Run, clip: Clip) -> np.ndarray:
        """Responses to every frame: (neurons, frames) float32."""
        answers, start = [], 0
        while start < clip.frames:
            first = max(0, start - self.past)
            end = min(first + self.past + self.frames, clip.frames)
            answers.append(_ask(run, clip, np.arange(first, end)[None])[0, :, start - first :])
            start = end
        return np.concatenate(answers, axis=1)


@dataclass(frozen=True, slots=True)
class Overlapping:
    """For a network of windows of one length, whose answers are averaged where windows overlap.

    Parameters
    ----------
    frames : frames of a window.
    stride : frames of the clip between two frames of a window.
    hop : windows start `hop * stride` clip frames apart (and at each of the `stride` phases).
    """

    frames: int
    stride: int = 1
    hop: int = 1

    def __post_init__(self) -> None:
        possible = min(self.frames, self.stride, self.hop) >= 1 and self.hop <= self.frames
        _require(self, possible, "frames, stride and hop are 1 or more, hop at most frames")

    def answered(self, frames: int) -> int:
        """How many frames a network answers of those that it is given: all."""
        return frames

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

    def predict(self, run: Run, clip: Clip) -> np.ndarray:
        """Responses to every frame: (neurons, frames) float32."""
        total: np.ndarray | None = None
        count = np.zeros(clip.frames, np.float32)
        for batch, answers in _batches(run, clip, self.indices(clip.frames)):
            if total is None:
                total = np.zeros((answers.shape[1], clip.frames), np.float32)
            for answer, frames in zip(answers, batch, strict=True):
                np.add.at(total.T, frames, answer.T)
                np.add.at(count, frames, 1)
        assert total is not None  # a clip has at least one frame, hence one window
        return total / count


@dataclass(frozen=True, slots=True)
class Blocks:
    """For a network of windows of one length that answers only their last frames; each frame is answered once.

    Parameters
    ----------
    frames : frames of a window.
    lost : frames at a window's front that it does not answer.
    offset : a frame at which a block of answers begins; the others follow it, and go before it, without gaps. The
        first frame is held for what lies before the clip; the last window ends with the clip.
    """

    frames: int
    lost: int
    offset: int = 0

    def __post_init__(self) -> None:
        _require(self, 0 <= self.lost < self.frames and self.offset >= 0, "0 <= lost < frames, offset is 0 or more")

    def answered(self, frames: int) -> int:
        """How many frames a network answers of those that it is given."""
        return frames - self.lost

    def predict(self, run: Run, clip: Clip) -> np.ndarray:
        """Responses to every frame: (neurons, frames) float32."""
        block = self.answered(self.frames)
        begins = np.arange(self.offset % block - block, clip.frames, block)
        begins = np.minimum(begins[begins > -block], clip.frames - block)
        windows = begins[:, None] + np.arange(-self.lost, block)
        answers = (answer for _, some in _batches(run, clip, np.clip(windows, 0, clip.frames - 1)) for answer in some)
        parts, done = [], 0
        for begin, answer in zip(begins.tolist(), answers, strict=True):
            parts.append(answer[:, done - begin :])
            done = begin + block
        return np.concatenate(parts, axis=1)


Cut = Chunks | Overlapping | Blocks
"""How a network's clips are cut."""

CUTS: dict[str, type[Chunks] | type[Overlapping] | type[Blocks]] = {
    "chunks": Chunks,
    "overlapping": Overlapping,
    "blocks": Blocks,
}
"""By the names that manifests use."""


def with_windows(cut: Cut, frames: int, hop: int) -> Overlapping:
    """Windows of another length, or another distance: the further apart the faster, the closer the more are averaged.

    Raises
    ------
    ConfigError : there are no windows that overlap, or they would leave frames out.
    """
    if not isinstance(cut, Overlapping):
        raise ConfigError("has no overlapping windows", "the network", "choose windows for DwiseNeuro alone")
    return replace(cut, frames=frames, hop=hop)


def _batches(run: Run, clip: Clip, windows: np.ndarray) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Some windows' moments (batch, frames), and the network's answers to them."""
    size = max(1, _FRAMES // windows.shape[1])
    for start in range(0, len(windows), size):
        batch = windows[start : start + size]
        yield batch, _ask(run, clip, batch)


def _ask(run: Run, clip: Clip, moments: np.ndarray) -> np.ndarray:
    """Answers to the frames at `moments`, (batch, frames)."""
    behavior, pupil_center = (
        np.ascontiguousarray(array[:, moments].swapaxes(0, 1)) for array in (clip.behavior, clip.pupil_center)
    )
    return run(clip.video[moments], behavior, pupil_center, moments.astype(np.int64))


def _require(cut: Cut, possible: bool, rule: str) -> None:
    if not possible:
        raise ConfigError(f"{cut} is impossible", "window", rule)
