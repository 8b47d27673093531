"""Means and variances that can be merged: computed a trial at a time, pooled in the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and summed squared deviation of some signals, float64.

    Deviations rather than squares are summed, so that a constant signal has a standard deviation of exactly 0
    (Chan, Golub & LeVeque 1983).

    Parameters
    ----------
    count : samples.
    mean, deviation : (signals,)
    """

    count: int
    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, samples: np.ndarray) -> Moments:
        """Moments of (samples, signals)."""
        samples = samples.astype(np.float64)
        mean = samples.mean(axis=0)
        return cls(len(samples), mean, ((samples - mean) ** 2).sum(axis=0))

    def merge(self, other: Moments) -> Moments:
        """Moments of both sets of samples together."""
        count = self.count + other.count
        step = other.mean - self.mean
        deviation = self.deviation + other.deviation + step**2 * (self.count * other.count / count)
        return Moments(count, self.mean + step * (other.count / count), deviation)

    @property
    def std(self) -> np.ndarray:
        """(signals,) standard deviation, ddof 0."""
        return np.sqrt(self.deviation / self.count)


@dataclass(frozen=True, slots=True)
class FrameMoments:
    """Moments of all that belongs to a frame."""

    video: Moments
    behavior: Moments
    pupil: Moments
    response: Moments

    @classmethod
    def of(cls, rows: np.ndarray) -> FrameMoments:
        """Moments of the rows of a trial file; the video's are over pixels too."""
        return cls(
            Moments.of(rows["video"].reshape(-1, 1)),
            Moments.of(rows["behavior"]),
            Moments.of(rows["pupil_center"]),
            Moments.of(rows["responses"]),
        )

    @classmethod
    def pooled(cls, parts: Iterable[FrameMoments]) -> FrameMoments:
        """All of `parts` together; their order decides the last bits."""
        first, *rest = parts
        for part in rest:
            first = cls(
                first.video.merge(part.video),
                first.behavior.merge(part.behavior),
                first.pupil.merge(part.pupil),
                first.response.merge(part.response),
            )
        return first
