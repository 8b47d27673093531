"""What a step is trained on: windows of one mouse or of several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..data.loading import Batch, Draw, Read, Readable, draw_windows
from ..data.rows import Window
from ..data.store import MouseData, TrialInfo
from .cutmix import Paste, draw_pastes, mix

MixedBatch = Mapping[str, Batch]
"""Windows by mouse."""


def windows_by_mouse(mice: Sequence[str], step: int, count: int, batch: int) -> dict[str, int]:
    """How many of a step's `batch` windows are whose: `count` mice in turn, as evenly as it goes."""
    chosen = [mice[(step + place) % len(mice)] for place in range(min(count, len(mice), batch))]
    fewest, more = divmod(batch, len(chosen))
    return {mouse: fewest + (place < more) for place, mouse in enumerate(chosen)}


@dataclass(frozen=True, slots=True)
class MouseDraw(Readable[Batch]):
    """Windows of one mouse before they are read.

    Parameters
    ----------
    draw : the windows, and after them those that are pasted from.
    pastes : see `cutmix.mix`.
    """

    draw: Draw
    pastes: tuple[Paste, ...]

    @classmethod
    def at_random(
        cls,
        mouse: MouseData,
        trials: Sequence[TrialInfo],
        windows: int,
        frames: int,
        stride: int,
        cutmix: float,
        rng: np.random.Generator,
    ) -> MouseDraw:
        """Draw windows, and what is pasted into some of them."""
        pastes = draw_pastes(windows, cutmix, mouse.frame_shape, rng)
        return cls(draw_windows(mouse, trials, windows + len(pastes), frames, stride, rng), tuple(pastes))

    def only(self, windows: Sequence[int]) -> MouseDraw:
        """Some of the windows, with what is pasted into them."""
        count = len(self.draw.places) - len(self.pastes)
        kept = [(number, paste) for number, paste in enumerate(self.pastes, start=count) if paste.window in windows]
        places = [self.draw.places[place] for place in (*windows, *(number for number, _ in kept))]
        pastes = tuple(replace(paste, window=windows.index(paste.window)) for _, paste in kept)
        return MouseDraw(replace(self.draw, places=places), pastes)

    @property
    def nbytes(self) -> int:
        """See `Readable`."""
        return self.draw.nbytes

    def read_into(self, memory: np.ndarray, read: Read) -> Batch:
        """Read the windows' own frames and paste; see `Readable`."""
        return mix(self.draw.read_into(memory, read), self.pastes)


@dataclass(frozen=True, slots=True)
class StepDraw(Readable[MixedBatch]):
    """A step's windows before they are read."""

    by_mouse: Mapping[str, MouseDraw]

    def share(self, worker: int, workers: int) -> StepDraw:
        """One worker's windows: every `workers`-th, counted through all mice."""
        shared, first = {}, 0
        for mouse, draw in self.by_mouse.items():
            count = len(draw.draw.places) - len(draw.pastes)
            mine = [place for place in range(count) if (first + place) % workers == worker]
            if mine:
                shared[mouse] = draw.only(mine)
            first += count
        return StepDraw(shared)

    @property
    def nbytes(self) -> int:
        """See `Readable`."""
        return sum(draw.nbytes for draw in self.by_mouse.values())

    def read_into(self, memory: np.ndarray, read: Read) -> MixedBatch:
        """Read them all, one mouse's rows behind the other's; see `Readable`."""
        batch, first = {}, 0
        for mouse, draw in self.by_mouse.items():
            batch[mouse] = draw.read_into(memory[first : first + draw.nbytes], partial(_read_behind, read, first))
            first += draw.nbytes
        return batch


def _read_behind(read: Read, first: int, windows: list[Window]) -> None:
    read([window._replace(offset=first + window.offset) for window in windows])


def micro_batches(batch: MixedBatch, size: int) -> Iterator[MixedBatch]:
    """A batch in parts of `size` windows, in order; the last may be smaller."""
    part: dict[str, Batch] = {}
    room = size
    for mouse, windows in batch.items():
        done, count = 0, len(windows.video)
        while done < count:
            taken = min(room, count - done)
            part[mouse] = _cut(windows, slice(done, done + taken))
            done, room = done + taken, room - taken
            if not room:
                yield part
                part, room = {}, size
    if part:
        yield part


def _cut(batch: Batch, windows: slice) -> Batch:
    arrays = ("video", "behavior", "pupil_center", "responses", "moment")
    return Batch(**{name: getattr(batch, name)[windows] for name in arrays})
