"""Mergeable statistics: what the metrics need of any number of trials, in memory of a fixed size.

Everything accumulates in float64: a neuron whose response and prediction are both constant gives garbage in
float32 (the public references answer anything from -0.6 to 2.2 for it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError

EPSILON = 1e-8
"""Added to each standard deviation by `neuralpredictors.measures.corr`, which the 2023 starter kit calls."""


@dataclass(frozen=True, slots=True)
class CoMoments:
    """Means and co-moments of S signals of every neuron, over any number of frames.

    Two of them merge exactly (Chan, Golub, LeVeque 1983, pairwise update of sums of squares), so any order
    and any partition of the trials give the same numbers up to rounding.

    Parameters
    ----------
    count : frames seen.
    mean : (signals, neurons) float64.
    comoment : (signals, signals, neurons) float64, sums over frames of products of deviations from the mean.
    """

    count: int
    mean: np.ndarray
    comoment: np.ndarray

    @classmethod
    def of(cls, signals: np.ndarray) -> CoMoments:
        """Statistics of one stretch of time.

        Parameters
        ----------
        signals : (signals, neurons, frames), for example recorded and predicted responses; 0 frames are fine.
        """
        number, neurons, count = signals.shape
        if count == 0:
            return cls(0, np.zeros((number, neurons)), np.zeros((number, number, neurons)))
        with np.errstate(invalid="ignore"):
            # Deviations from the first frame, not from 0: the mean of a constant signal is then exact and its
            # co-moments are exactly 0, here and after every merge.
            first = signals[:, :, :1].astype(np.float64)
            deviations = signals - first
            shift = deviations.mean(axis=2, keepdims=True)
            deviations -= shift
            comoment = np.einsum("ant,bnt->abn", deviations, deviations)
        return cls(count, (first + shift)[:, :, 0], comoment)

    def merge(self, other: CoMoments) -> CoMoments:
        """Statistics of both stretches together."""
        if self.count == 0 or other.count == 0:
            return other if self.count == 0 else self
        count = self.count + other.count
        with np.errstate(invalid="ignore"):
            delta = other.mean - self.mean
            mean = self.mean + delta * (other.count / count)
            between = delta[:, None] * delta[None, :] * (self.count * other.count / count)
            return CoMoments(count, mean, self.comoment + other.comoment + between)

    def correlation(self, a: int, b: int, epsilon: float = EPSILON, nan: float = 0.0) -> np.ndarray:
        """Pearson correlation of two signals over time: cov / ((std_a + epsilon)(std_b + epsilon)), ddof 0.

        Parameters
        ----------
        a, b : which signals.
        epsilon : keeps a constant signal's correlation at 0 instead of 0/0.
        nan : value of a neuron with a NaN in either signal.

        Returns
        -------
        (neurons,) float64; a constant signal gives 0.

        Raises
        ------
        DataError : no frame was counted.
        """
        if self.count == 0:
            raise DataError("no frame was counted", "correlation", "choose frames that the trials have")
        with np.errstate(invalid="ignore"):
            std_a, std_b = (np.sqrt(self.comoment[i, i] / self.count) + epsilon for i in (a, b))
            correlation = self.comoment[a, b] / self.count / (std_a * std_b)
        return np.where(np.isnan(correlation), nan, correlation)


class RepeatAverage:
    """Mean over the repeats of one video, of S signals, frame by frame; memory is that of one trial."""

    def __init__(self) -> None:
        self.repeats = 0
        self._sum: np.ndarray | None = None

    def add(self, signals: np.ndarray) -> None:
        """Add one repeat, (signals, neurons, frames); repeats of unequal length are cut to the shortest."""
        self.repeats += 1
        if self._sum is None:
            self._sum = signals.astype(np.float64)
            return
        frames = min(self._sum.shape[2], signals.shape[2])
        self._sum = self._sum[:, :, :frames]
        self._sum += signals[:, :, :frames]

    def correlation(self, a: int, b: int) -> np.ndarray:
        """Correlation over time of the averaged signals `a` and `b`, (neurons,); NaN stays NaN.

        Raises
        ------
        DataError : there is no repeat, or the repeats share no frame.
        """
        if self._sum is None:
            raise DataError("no repeat was added", "correlation to average")
        return CoMoments.of(self._sum / self.repeats).correlation(a, b, nan=np.nan)


@dataclass(frozen=True, slots=True)
class VideoMean:
    """Mean over videos of one value of every neuron, mergeable.

    Parameters
    ----------
    videos : how many videos were added.
    total : (neurons,) float64, sum over the videos.
    """

    videos: int
    total: np.ndarray

    def merge(self, other: VideoMean) -> VideoMean:
        """Both sets of videos together."""
        return VideoMean(self.videos + other.videos, self.total + other.total)

    def mean(self) -> np.ndarray:
        """(neurons,) float64; a neuron with a NaN in any video is 0.

        Raises
        ------
        DataError : no video was added.
        """
        if self.videos == 0:
            raise DataError("no video was repeated", "correlation to average", "score trials that have repeats")
        mean = self.total / self.videos
        return np.where(np.isnan(mean), 0.0, mean)
