"""Confidence intervals by bootstrap (Efron 1979) over trials or videos, from the blocks that the statistics keep.

What is drawn with replacement is a trial for `single_trial_correlation` and `poisson_loss`; for the others it is
a video with all its repeats, which with six videos a tier is coarse. Beyond 128 trials, or videos, those whose
running numbers are equal modulo 128 are drawn together. Neurons are not resampled: an interval says how a
score would vary with other trials of the same neurons. These are percentile intervals: of few videos, a metric made
of variances (FEV, FEVE) is biased in them, since a sample that holds a video twice varies less.

A replicate is a weighted sum of additive statistics, so that all of them are one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .definitions import METRICS, Metric
from .parts import Part, Tally
from .statistics import CoMoments
from .trials import TrialStatistics

LEVEL = 0.95
"""Probability that an interval is meant to cover."""

_TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
_NEURONS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Resampled:
    """How a metric of one bundle and mouse varies with the trials.

    Parameters
    ----------
    low, high : (neurons,) float64, 2.5th and 97.5th percentile of the replicates of each neuron.
    means : (replicates,) float64, mean over the neurons that count, of each replicate; pool these over mice,
        replicate by replicate, and take the `interval`.

    All are NaN where there are not two trials, or videos, to draw from.
    """

    low: np.ndarray
    high: np.ndarray
    means: np.ndarray


def bootstrap(
    statistics: TrialStatistics, names: Sequence[str], replicates: int = 200, seed: int = 0
) -> dict[str, Resampled]:
    """Resample the trials of a bundle and mouse.

    Parameters
    ----------
    names : of metrics; one that `statistics` do not allow is not in the answer.
    replicates : how often to draw as many trials, or videos, as there are.
    seed : with the number of trials, or videos, this determines the draws; so all bundles that were scored on
        the same trials get the same draws, and their difference can be resampled, too.
    """
    tallies = {name: statistics.parts.get(METRICS[name].part) for name in names}
    return {
        name: _resample(METRICS[name], tally, replicates, seed) for name, tally in tallies.items() if tally is not None
    }


def interval(means: np.ndarray) -> tuple[float, float]:
    """2.5th and 97.5th percentile of (replicates,); NaN is left out, and NaN where nothing is left."""
    low, high = _percentiles(np.asarray(means, np.float64)[:, None])
    return float(low[0]), float(high[0])


def _resample(metric: Metric, tally: Tally, replicates: int, seed: int) -> Resampled:
    blocks = [tally.blocks[key] for key in sorted(tally.blocks)]
    neurons = blocks[0].moments.mean.shape[1]
    if len(blocks) < 2:
        return Resampled(np.full(neurons, np.nan), np.full(neurons, np.nan), np.full(replicates, np.nan))
    even = np.full(len(blocks), 1 / len(blocks))
    draws = np.random.default_rng(seed).multinomial(len(blocks), even, size=replicates).astype(np.float64)
    low, high = np.empty((2, neurons))
    total, counted = np.zeros((2, replicates))
    for first in range(0, neurons, _NEURONS_AT_ONCE):
        some = slice(first, first + _NEURONS_AT_ONCE)
        values = metric.of(_drawn([_only(block, some) for block in blocks], draws))
        low[some], high[some] = _percentiles(values)
        total += np.nansum(values, axis=1)
        counted += np.count_nonzero(~np.isnan(values), axis=1)
    return Resampled(low, high, total / np.where(counted > 0, counted, np.nan))


def _only(block: Part, some: slice) -> Part:
    moments = block.moments
    some_moments = CoMoments(moments.count, moments.mean[:, some], moments.comoment[:, :, some])
    return Part(some_moments, {name: total[some] if total.ndim else total for name, total in block.sums.items()})


def _drawn(blocks: Sequence[Part], draws: np.ndarray) -> Part:
    """The blocks together, each as often as it was drawn; arrays are (…, replicates, neurons)."""
    sums = {}
    for name in blocks[0].sums:
        stacked = np.stack([block.sums[name] for block in blocks]).astype(np.float64)
        sums[name] = draws @ stacked.reshape(len(blocks), -1)
    return Part(CoMoments.resampled([block.moments for block in blocks], draws), sums)


def _percentiles(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each column of (replicates, neurons) by linear interpolation; NaN is left out."""
    ordered = np.sort(values, axis=0)  # NaN comes last
    last = np.count_nonzero(~np.isnan(values), axis=0) - 1

    def at(tail: float) -> np.ndarray:
        position = tail * np.maximum(last, 0)
        rank = position.astype(np.int64)
        above = np.minimum(rank + 1, len(values) - 1)
        lower, upper = (np.take_along_axis(ordered, index[None], axis=0)[0] for index in (rank, above))
        step = position - rank
        return np.where(step > 0, lower + step * (upper - lower), lower)

    return at(_TAILS[0]), at(_TAILS[1])
