"""Statistics of an ensemble's members: all that weights are fitted on and judged by.

Every weighted mean of the members is a linear map of them, so their Gram matrix, neuron by neuron, says how well
any ensemble would have predicted: the data are read once, however many ensembles are tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..errors import DataError
from ..metrics.statistics import CoMoments, float64_blocks, moments_of

_TINY = 1e-24


@dataclass(frozen=True, slots=True)
class MemberMoments:
    """Means and co-moments of recorded responses and members' predictions, over any number of frames.

    The same numbers as `CoMoments` of these signals, but only one of each pair: that halves what travels and what
    is kept, 36 MB for 32 members and 8,000 neurons.

    Parameters
    ----------
    count : frames seen.
    mean : (signals, neurons) float64; signal 0 is recorded, 1… are the members.
    comoment : (pairs, neurons) float64, the upper triangle of signals × signals row by row, sums over frames of
        products of deviations from the mean.
    """

    count: int
    mean: np.ndarray
    comoment: np.ndarray

    @classmethod
    def of(cls, signals: Sequence[np.ndarray]) -> MemberMoments:
        """Statistics of one stretch of time of `signals`, recorded first, (neurons, frames) each."""
        neurons, count = signals[0].shape
        upper = np.triu_indices(len(signals))
        mean, comoment = np.empty((len(signals), neurons)), np.empty((len(upper[0]), neurons))
        for block, values in float64_blocks(*signals):
            mean[:, block], found = moments_of(values)
            comoment[:, block] = found[upper]
        return cls(count, mean, comoment)

    @classmethod
    def merged(cls, parts: Sequence[MemberMoments]) -> MemberMoments:
        """Statistics of several stretches together (Chan, Golub, LeVeque 1983)."""
        first, *rest = parts
        if not rest:
            return first
        count = sum(part.count for part in parts)
        # Relative to the first mean, so that a constant signal stays exactly constant.
        mean = first.mean + sum(part.count / count * (part.mean - first.mean) for part in rest)
        comoment = first.comoment.copy()
        for part in rest:
            comoment += part.comoment
        for part in parts:
            deviation, end = part.mean - mean, 0
            for signal, row in enumerate(deviation):  # row by row, so that what is added stays in a core's cache
                start, end = end, end + len(deviation) - signal
                comoment[start:end] += part.count * row * deviation[signal:]
        return cls(count, mean, comoment)

    @property
    def members(self) -> int:
        """Number of members."""
        return len(self.mean) - 1

    @property
    def usable(self) -> np.ndarray:
        """(neurons,) bool: the recorded responses vary and nothing is NaN; the others say nothing about weights."""
        return (self.comoment[0] > 0) & np.isfinite(self.comoment).all(axis=0)

    def combined(self, weights: np.ndarray) -> CoMoments:
        """Co-moments of recorded responses (0) and the weighted mean of the members (1).

        Parameters
        ----------
        weights : (members,) or (members, neurons).
        """
        signals = len(self.mean)
        each = weights.reshape(self.members, -1)
        with_recorded = (each * self.comoment[1:signals]).sum(axis=0)
        square = quadratic(self.comoment[signals:], weights)
        return CoMoments(
            self.count,
            np.stack([self.mean[0], (each * self.mean[1:]).sum(axis=0)]),
            np.stack([[self.comoment[0], with_recorded], [with_recorded, square]]),
        )


@dataclass(frozen=True, slots=True)
class Gram:
    """Covariances of members, in units of each neuron's recorded variance: every neuron weighs the same.

    A neuron's correlation between the recorded responses and the members weighted by w is
    w'c / sqrt(w'Cw), with c from `recorded` and C from `between`.

    Parameters
    ----------
    recorded : (members, neurons) float64, with the recorded responses.
    between : (pairs, neurons) float64, upper triangle of members × members row by row.
    """

    recorded: np.ndarray
    between: np.ndarray

    @classmethod
    def of(cls, mice: Iterable[MemberMoments]) -> Gram:
        """All usable neurons of all `mice`.

        Raises
        ------
        DataError : no neuron is usable.
        """
        pieces = []
        for moments in mice:
            found = moments.comoment[1:, moments.usable]
            found /= moments.comoment[0, moments.usable]
            pieces.append(found)
        both = np.concatenate(pieces, axis=1)
        if not both.shape[1]:
            what = "no neuron has recorded responses that vary and finite predictions of every member"
            raise DataError(what, "ensemble", "leave out members that predict NaN")
        members = moments.members
        return cls(both[:members], both[members:])

    @property
    def members(self) -> int:
        """Number of members."""
        return len(self.recorded)

    def correlation(self, weights: np.ndarray) -> float:
        """Mean over neurons of the correlation of the members weighted by `weights`, (members,)."""
        square = quadratic(self.between, weights)
        return float(np.mean(weights @ self.recorded / np.sqrt(np.maximum(square, _TINY))))

    def chosen(self, members: Sequence[int]) -> Gram:
        """The same of some members, in the order given."""
        rows, columns = np.triu_indices(len(members))
        place = places(self.members)[np.ix_(members, members)]
        return Gram(self.recorded[list(members)], self.between[place[rows, columns]])


@cache
def places(members: int) -> np.ndarray:
    """(members, members) int: row of each pair in an upper triangle that is kept row by row."""
    found = np.zeros((members, members), np.int64)
    upper = np.triu_indices(members)
    found[upper] = np.arange(len(upper[0]))
    return np.maximum(found, found.T)


def quadratic(between: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """w'Cw of every neuron, (neurons,), from an upper triangle (pairs, neurons); weights as in `combined`."""
    rows, columns = np.triu_indices(len(weights))
    twice = np.where(rows == columns, 1.0, 2.0)
    if weights.ndim == 1:
        return (twice * weights[rows] * weights[columns]) @ between
    return np.einsum("p,pn,pn,pn->n", twice, weights[rows], weights[columns], between)
