"""How much better one ensemble predicts than another, with a bootstrap confidence interval over videos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..metrics.bootstrap import interval
from ..metrics.statistics import CoMoments
from .crossvalidation import Judged, score

REPLICATES = 1000

_AT_ONCE = 100
"""Replicates of all neurons of a mouse that are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference of mean correlations and the ends of its bootstrap confidence interval."""

    value: float
    low: float
    high: float


def gain(judged: Judged, baseline: Judged, seed: int) -> Interval:
    """How much better one is than the other, with a `LEVEL` bootstrap interval over folds.

    A replicate draws as many groups of videos as there are, with replacement, the same for all mice; the ends are
    percentiles of `REPLICATES`. Six movies make a coarse interval: it says how much hangs on which movies were
    shown, not on which mice or neurons were recorded.
    """
    draws = np.random.default_rng(seed).multinomial(len(judged), np.full(len(judged), 1 / len(judged)), REPLICATES)
    differences = replicates(judged, draws) - replicates(baseline, draws)
    return Interval(score(judged) - score(baseline), *interval(differences))


def replicates(judged: Judged, draws: np.ndarray) -> np.ndarray:
    """`score` where each fold counts as often as it was drawn.

    Parameters
    ----------
    draws : (replicates, folds) int.

    Returns
    -------
    (replicates,) float64; a mouse that saw no drawn video does not count in a replicate.
    """
    total, neurons = np.zeros(len(draws)), np.zeros(len(draws))
    for mouse in sorted({mouse for fold in judged for mouse in fold}):
        own = np.flatnonzero([mouse in fold for fold in judged])
        parts = [judged[number][mouse] for number in own]
        for some in np.array_split(np.arange(len(draws)), -(-len(draws) // _AT_ONCE)):
            seen = some[draws[np.ix_(some, own)].any(axis=1)]
            found = CoMoments.resampled(parts, draws[np.ix_(seen, own)]).correlation(0, 1)
            total[seen] += found.sum(axis=1)
            neurons[seen] += found.shape[1]
    return total / neurons
