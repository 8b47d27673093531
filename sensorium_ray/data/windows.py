"""How a clip of any length is cut for a network, and its answers put together again, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ConfigError
from .clip import Clip

Run = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""video (batch, frames, height, width), behavior (batch, channels, frames), pupil centre (batch, 2, frames), all
float32, and moment (batch, frames) int64, the place of every frame in its clip -> (batch, neurons, answered frames)."""
Window = tuple[np.ndarray, np.ndarray]
"""The frames of a clip that a network is given, (window frames,) int64, and shares (counted,) float32 of its answers to
the last `counted` of them: a response is the sum of all answers to its frame times their shares."""


class _Cut:
    """What all ways of cutting have in common: windows are asked one at a time, in order.

    A frame of the published DwiseNeuro takes 48 MB, and on a CPU more windows at once are no faster.
    """

    __slots__ = ()

    def windows(self, frames: int) -> Iterator[Window]:
        """The windows of a clip, in order."""
        raise NotImplementedError

    def stream(self, run: Run, clip: Clip) -> Iterator[np.ndarray]:
        """Responses to every frame, some frames at a time, in order: (neurons, some) float32 each."""
        for moments, shares in self.windows(clip.frames):
            yield _ask(run, clip, moments)[:, -len(shares) :]

    def predict(self, run: Run, clip: Clip) -> np.ndarray:
        """Responses to every frame: (neurons, frames) float32."""
        return np.concatenate([*self.stream(run, clip)], axis=1)


@dataclass(frozen=True, slots=True)
class Chunks(_Cut):
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

    def windows(self, frames: int) -> Iterator[Window]:
        """A window a chunk, whose past does not count."""
        start = 0
        while start < frames:
            first = max(0, start - self.past)
            end = min(first + self.past + self.frames, frames)
            yield np.arange(first, end), np.ones(end - start, np.float32)
            start = end


@dataclass(frozen=True, slots=True)
class Overlapping(_Cut):
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
        """Frames of every window over a clip, by the first: (windows, frames) int64, each clip frame in at least one.

        A clip shorter than a window is held at its last frame.
        """
        span = np.arange(self.frames) * self.stride
        rows = []
        for phase in range(min(self.stride, clip_frames)):
            last_start = phase + max(0, (clip_frames - 1 - phase) // self.stride - (self.frames - 1)) * self.stride
            starts = np.arange(phase, last_start, self.hop * self.stride)
            rows += [start + span for start in (*starts, last_start)]
        windows = np.minimum(np.array(rows), clip_frames - 1)
        return windows[np.argsort(windows[:, 0], kind="stable")]

    def windows(self, frames: int) -> Iterator[Window]:
        """The windows over a clip; a frame's answers share it."""
        windows = self.indices(frames)
        share = 1 / np.bincount(windows.ravel(), minlength=frames).astype(np.float32)
        for window in windows:
            yield window, share[window]

    def stream(self, run: Run, clip: Clip) -> Iterator[np.ndarray]:
        """Responses to every frame, those at a time that no window to come has a part in."""
        windows = self.indices(clip.frames)
        done, total = 0, np.zeros(0, np.float32)
        count = np.zeros(int(windows.max(axis=1)[0]) + 1, np.float32)
        for window in windows:
            answer = _ask(run, clip, window)
            total = total if total.size else np.zeros((len(count), len(answer)), np.float32)
            ready = int(window[0]) - done
            if ready:
                yield (total[:ready] / count[:ready, None]).T
                for sums in (total, count):
                    sums[:-ready] = sums[ready:].copy()
                    sums[-ready:] = 0
                done += ready
            np.add.at(total, window - done, answer.T)
            np.add.at(count, window - done, 1)
        left = clip.frames - done
        yield (total[:left] / count[:left, None]).T


@dataclass(frozen=True, slots=True)
class Blocks(_Cut):
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

    def windows(self, frames: int) -> Iterator[Window]:
        """A window a block."""
        block = self.answered(self.frames)
        begins = np.arange(self.offset % block - block, frames, block)
        begins = np.minimum(begins[begins > -block], frames - block)
        done = 0
        for begin in begins.tolist():
            moments = np.arange(begin - self.lost, begin + block)
            yield np.clip(moments, 0, frames - 1), np.ones(begin + block - done, np.float32)
            done = begin + block


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


def together(run: Run, clips: Sequence[Clip]) -> Run:
    """Ask about several clips of one length wherever the first is asked about; their neurons follow each other."""

    def ask(video: np.ndarray, behavior: np.ndarray, pupil_center: np.ndarray, moment: np.ndarray) -> np.ndarray:
        frames = moment[0]
        videos = np.stack([clip.video[frames] for clip in clips])
        states = np.stack([clip.behavior[:, frames] for clip in clips])
        eyes = np.stack([clip.pupil_center[:, frames] for clip in clips])
        answer = run(videos, states, eyes, np.repeat(moment, len(clips), axis=0))
        return answer.reshape(1, -1, answer.shape[-1])

    return ask


def _ask(run: Run, clip: Clip, moments: np.ndarray) -> np.ndarray:
    """Answers to the frames at `moments`, (frames,): (neurons, answered frames)."""
    neighbours = (np.diff(moments) == 1).all()
    taken = slice(moments[0], moments[-1] + 1) if neighbours else moments  # a slice copies no frame
    behavior, pupil_center = (
        np.ascontiguousarray(array[None, :, taken]) for array in (clip.behavior, clip.pupil_center)
    )
    return run(clip.video[None, taken], behavior, pupil_center, moments[None].astype(np.int64))[0]


def _require(cut: Cut, possible: bool, rule: str) -> None:
    if not possible:
        raise ConfigError(f"{cut} is impossible", "window", rule)
