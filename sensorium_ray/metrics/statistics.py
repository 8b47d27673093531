"""Co-moments: what every correlation needs of any number of frames, in memory of a fixed size.

Everything accumulates in float64: a neuron whose response and prediction are both constant gives garbage in
float32 (the public references answer anything from -0.6 to 2.2 for it).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DataError

EPSILON = 1e-8
"""Added to each standard deviation by `neuralpredictors.measures.corr`, which the 2023 starter kit calls."""

_BLOCK_VALUES = 2**15
"""Values of a signal that are worked on at a time: 256 KiB in float64, so that a few of them fit a core's cache."""

_CANCELLED = 1e-3
"""A sum of squares that loses more than this much when the mean is taken out has lost digits, too."""


@dataclass(frozen=True, slots=True)
class CoMoments:
    """Means and co-moments of S signals of every neuron, over any number of frames.

    Two of them merge exactly (Chan, Golub, LeVeque 1983, pairwise update of sums of squares), so any order
    and any partition of the trials give the same numbers up to rounding.

    Parameters
    ----------
    count : frames seen; (replicates, 1) where `resampled`.
    mean : (signals, neurons), or (signals, replicates, neurons) where `resampled`; float64.
    comoment : (signals, signals, neurons) or (signals, signals, replicates, neurons), sums over frames of
        products of deviations from the mean; float64. float32 is for what is only resampled.
    """

    count: int | np.ndarray
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
        mean = np.zeros((number, neurons))
        comoment = np.zeros((number, number, neurons))
        if count:
            for block, values in float64_blocks(*signals):
                mean[:, block], comoment[:, :, block] = moments_of(values)
        return cls(count, mean, comoment)

    @classmethod
    def uncounted(cls, count: int, neurons: int) -> CoMoments:
        """Those of no signal at all, which only count frames."""
        return cls(count, np.zeros((0, neurons)), np.zeros((0, 0, neurons)))

    @classmethod
    def resampled(cls, parts: Sequence[CoMoments], draws: np.ndarray) -> CoMoments:
        """Statistics of `parts` together, each as often as it was drawn.

        Parameters
        ----------
        parts : with at least one frame each.
        draws : (replicates, parts), how often each part counts.

        Returns
        -------
        one with `replicates` as an axis before the neurons.
        """
        counts = np.array([part.count for part in parts], np.float64)
        # About the first part's mean, so that a large mean does not swallow a small variance, and a constant
        # signal stays exactly constant.
        shift = parts[0].mean.astype(np.float64)
        mean = np.stack([part.mean for part in parts]) - shift
        comoment = np.stack([part.comoment for part in parts]).astype(np.float64)
        comoment += counts[:, None, None, None] * mean[:, :, None] * mean[:, None]
        total = (draws @ counts)[:, None]
        with np.errstate(invalid="ignore"):
            mean = np.moveaxis(np.tensordot(draws * counts, mean, 1), 0, 1) / total
            comoment = np.moveaxis(np.tensordot(draws, comoment, 1), 0, 2)
            comoment -= mean[:, None] * mean[None] * total
        return cls(total, mean + shift[:, None], comoment)

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
        (neurons,) float64, or (replicates, neurons) where resampled; a constant signal gives 0.

        Raises
        ------
        DataError : no frame was counted.
        """
        if np.any(self.count == 0):
            raise DataError("no frame was counted", "correlation", "choose frames that the trials have")
        with np.errstate(invalid="ignore"):
            variance = (np.maximum(self.comoment[i, i] / self.count, 0.0) for i in (a, b))
            std_a, std_b = (np.sqrt(value) + epsilon for value in variance)
            correlation = self.comoment[a, b] / self.count / (std_a * std_b)
        return np.where(np.isnan(correlation), nan, correlation)


def float64_blocks(*signals: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Signals of some neurons at a time, so that they stay in a core's cache.

    Parameters
    ----------
    signals : (neurons, frames) each.

    Yields
    ------
    the neurons' slice, and (signals, neurons, frames) float64, which may be overwritten and is by the next ones.
    """
    neurons, frames = signals[0].shape
    rows = max(1, _BLOCK_VALUES // max(1, frames))
    buffer = np.empty((len(signals), min(rows, neurons), frames))
    for first in range(0, neurons, rows):
        block = slice(first, min(first + rows, neurons))
        values = buffer[:, : block.stop - first]
        for value, signal in zip(values, signals, strict=True):
            value[...] = signal[block]
        yield block, values


def moments_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (signals, neurons) and co-moments (signals, signals, neurons) of (signals, neurons, frames) float64.

    Sums of products less the products of sums, which is one pass; where that cancels, the deviations are
    taken first, which is exact: a constant signal's mean is then the constant and its co-moments are 0.
    """
    count = values.shape[2]
    with np.errstate(invalid="ignore", over="ignore"):
        sums = sums_over_frames(values)
        products = _products(values)
        comoment = products - sums[:, None] * sums[None] / count
        mean = sums / count
        squares, left = (np.einsum("aan->an", each) for each in (products, comoment))
        poor = (left < _CANCELLED * squares).any(axis=0)
        if poor.any():
            # From the first frame, not from 0: what is constant then deviates by exactly 0.
            first = values[:, poor, :1]
            deviations = values[:, poor] - first
            shift = deviations.mean(axis=2, keepdims=True)
            comoment[:, :, poor] = _products(deviations - shift)
            mean[:, poor] = (first + shift)[:, :, 0]
    return mean, comoment


def sums_over_frames(values: np.ndarray) -> np.ndarray:
    """Sum over the last axis; one dot product a row, whose last digit no number of threads changes."""
    return np.vecdot(values, np.ones(values.shape[-1]))


def _products(values: np.ndarray) -> np.ndarray:
    """Sums over frames of the products of each pair of signals, (signals, signals, neurons)."""
    return np.vecdot(values[:, None], values[None])
