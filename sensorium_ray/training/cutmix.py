"""CutMix (Yun et al. 2019, arXiv 1905.04899): a rectangle of a video is another video's, and so is that share of the
responses.

The 2023 winner pastes the rectangle of its planes of behaviour too. Here behaviour and pupil centre are numbers a
frame: they are mixed by the rectangle's area, which is what the mean over such a plane would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..data.loading import Batch


@dataclass(frozen=True, slots=True)
class Paste:
    """A rectangle that a window gets from another window of its mouse.

    Parameters
    ----------
    window : the window's place in the batch.
    rows, columns : first pixel, and the one after the last.
    """

    window: int
    rows: tuple[int, int]
    columns: tuple[int, int]


def draw_pastes(
    windows: int, probability: float, frame_shape: tuple[int, int], rng: np.random.Generator
) -> list[Paste]:
    """Which windows get a rectangle, and where.

    The kept share of the area is uniform in 0..1 (alpha = 1); the rectangle has the frame's proportions and any
    centre, and is cut at the border (eq. 2).
    """
    if not probability:
        return []
    pastes = []
    for window in np.flatnonzero(rng.random(windows) < probability).tolist():
        side = np.sqrt(1 - rng.random())
        centre = [int(rng.integers(length)) for length in frame_shape]
        sides = [
            (max(0, middle - reach), min(length, middle + reach))
            for middle, length in zip(centre, frame_shape, strict=True)
            for reach in [int(length * side) // 2]
        ]
        pastes.append(Paste(window, *sides))
    return pastes


def mix(batch: Batch, pastes: Sequence[Paste]) -> Batch:
    """Windows with their rectangles pasted.

    Parameters
    ----------
    batch : the windows, and after them one window more for each of `pastes`, which is pasted from. All are of the
        same mouse, so that their neurons are the same.

    Returns
    -------
    The windows alone; each keeps its moments.
    """
    if not pastes:
        return batch
    count = len(batch.video) - len(pastes)
    mixed = {
        name: np.array(getattr(batch, name)[:count]) for name in ("video", "behavior", "pupil_center", "responses")
    }
    height, width = batch.video.shape[2:]
    for number, paste in enumerate(pastes, start=count):
        rows, columns = slice(*paste.rows), slice(*paste.columns)
        mixed["video"][paste.window, :, rows, columns] = batch.video[number, :, rows, columns]
        share = (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
        for name in ("behavior", "pupil_center", "responses"):
            ours, theirs = mixed[name][paste.window], getattr(batch, name)[number]
            ours += np.float32(share) * (theirs - ours)
    return replace(batch, **mixed, moment=batch.moment[:count])
