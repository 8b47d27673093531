"""The subject of an experiment: some neurons of a mouse, and who answers for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import NoReturn

import numpy as np

from ..data.clip import Clip
from ..errors import ConfigError, DataError
from ..progress import track

Respond = Callable[[Iterable[Clip]], Iterator[np.ndarray]]
"""Clips to responses, (neurons, frames) float32 each, in the clips' order, as they come."""
Differentiate = Callable[[Sequence[Clip], Sequence[np.ndarray]], list[tuple[np.ndarray, np.ndarray]]]
"""Clips of one length, and for each what its responses count, (neurons, frames); for each its responses, and the
gradient (frames, height, width) of their sum, so weighted, by the video's grey levels; all float32."""
Track = Callable[[Iterable[np.ndarray], int, str], Iterator[np.ndarray]]
"""Answers as they come, while somebody is told how many of a number there are, and of what."""


def _no_gradients(clips: Sequence[Clip], weights: Sequence[np.ndarray]) -> NoReturn:
    raise ConfigError("tells no gradients", "the subject", "ask a bundle of this project, or its endpoint")


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Some neurons of a mouse as a model has them, a local one or an endpoint's; or a simulated mouse itself.

    Parameters
    ----------
    model, checksum : which one answers; the checksum names it in results.
    mouse : name of the mouse.
    unit_ids : (neurons,) int64, in the order of the answers.
    frame_shape : height and width of a frame, pixels.
    rate : frames per second.
    behavior, pupil_center : (channels,) and (2,) float32, what is shown with a video unless an experiment says
        otherwise: the mouse's means in training.
    respond : answers clips.
    differentiate : answers with gradients; torch has to be there for it.
    track : tells how far an experiment is; as `progress.track` does unless given.
    against : another model of the same neurons, for experiments that compare two; see `beside`.
    grey_levels : mean and standard deviation by which videos are normalised for the model; None: it takes grey levels.
    """

    model: str
    checksum: str
    mouse: str
    unit_ids: np.ndarray
    frame_shape: tuple[int, int]
    rate: float
    behavior: np.ndarray
    pupil_center: np.ndarray
    respond: Respond
    differentiate: Differentiate = _no_gradients
    track: Track = track
    against: Subject | None = None
    grey_levels: tuple[float, float] | None = None

    def beside(self, other: Subject) -> Subject:
        """The same subject with another model of its neurons to compare it with.

        Raises
        ------
        DataError : the other answers for other neurons, or to other frames.
        """
        for what in ("mouse", "frame_shape", "rate"):
            if getattr(self, what) != getattr(other, what):
                raise DataError(f"has another {what} than {self.model}", other.model, "compare models of the same mice")
        if not np.array_equal(self.unit_ids, other.unit_ids):
            raise DataError(f"has other neurons than {self.model}", other.model, "compare models of the same neurons")
        return replace(self, against=other)

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return len(self.unit_ids)

    def ask(self, clips: Iterable[Clip], total: int) -> Iterator[np.ndarray]:
        """Responses to clips, (neurons, frames) float32 each, in order, as they come; `total` is how many there are."""
        return self.track(self.respond(clips), total, "clips")

    def clip(self, video: np.ndarray, behavior: np.ndarray | None = None) -> Clip:
        """A clip of a video (frames, height, width), grey levels; the mouse is in its mean state.

        Parameters
        ----------
        behavior : (channels,) or (channels, frames) in place of the means.
        """
        state = self.behavior if behavior is None else behavior
        return Clip(video, _held(state, len(video)), _held(self.pupil_center, len(video)), self.rate)

    def frames(self, seconds: float) -> int:
        """Frames in a time, one at least."""
        return max(1, round(seconds * self.rate))


def _held(state: np.ndarray, frames: int) -> np.ndarray:
    """A state (channels,) at every frame, or one that is told frame by frame as it is."""
    return np.broadcast_to(state[:, None] if state.ndim == 1 else state, (len(state), frames))


def mean_state(mouse: str, behavior: Sequence[float] | None, pupil_center: Sequence[float] | None) -> list[np.ndarray]:
    """A mouse's means in training as arrays, float32.

    Raises
    ------
    DataError : the model came without them.
    """
    if behavior is None or pupil_center is None:
        what = "does not know the mouse's mean behaviour"
        raise DataError(what, f"the model, of '{mouse}'", "import it with the frame store of its mice")
    return [np.asarray(mean, np.float32) for mean in (behavior, pupil_center)]


def together(clips: Iterable[Clip], most: int, frames: float = math.inf) -> Iterator[list[Clip]]:
    """Neighbouring clips of one length, some at a time, in order.

    Parameters
    ----------
    most : of them at a time.
    frames : of them together, at a time; a clip that has more comes alone.
    """
    for length, alike in groupby(clips, lambda clip: clip.frames):
        while some := list(islice(alike, max(1, int(min(most, frames // length))))):
            yield some


def chosen_neurons(count: int, neurons: Sequence[int] | np.ndarray | None) -> np.ndarray:
    """Indices (n,) int64 of some of a mouse's neurons; None: all.

    Raises
    ------
    DataError : they are no such indices.
    """
    if neurons is None:
        return np.arange(count)
    chosen = np.asarray(neurons)
    whole = chosen.ndim == 1 and len(chosen) and chosen.dtype.kind in "iu"
    if not whole or chosen.min() < 0 or chosen.max() >= count:
        mend = f"give whole numbers from 0 to {count - 1}"
        raise DataError("are not indices of this mouse's neurons", "neurons", mend)
    return chosen.astype(np.int64)
