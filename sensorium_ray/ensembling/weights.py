"""How an ensemble's weights are chosen: pure maths on the Gram matrix of its members.

Every method returns weights that are not negative and sum to one, so an ensemble is a weighted mean of its members,
and responses stay in their units. To add a method: a function in `methods`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from scipy.optimize import LinearConstraint, minimize
from scipy.optimize import nnls as solve_nnls

from .members import Gram, places, quadratic

Method = Callable[[Gram], np.ndarray]
"""From a Gram matrix to weights, (members,) float64."""

ROUNDS = 50
"""Picks of the greedy method after its start: weights come in steps of about one in fifty."""

BAGS = 20
"""Random halves of the members that the bagged method averages over."""

_NOTHING = 1e-6
"""A smaller weight is rounding of an optimiser's, and counts as 0."""

_TINY = 1e-24


def methods(seed: int) -> dict[str, Method]:
    """All methods by name; `seed` is for the one that draws at random."""
    return {
        "uniform": uniform,
        "greedy": greedy,
        "bagged": partial(bagged, seed=seed),
        "nnls": nnls,
        "correlation": correlation,
    }


def uniform(gram: Gram) -> np.ndarray:
    """The same for all."""
    return np.full(gram.members, 1 / gram.members)


def single(gram: Gram) -> np.ndarray:
    """All for the member that predicts best: what an ensemble is compared with."""
    return np.eye(gram.members)[np.argmax(_Bag(gram).scores())]


def greedy(gram: Gram) -> np.ndarray:
    """Forward selection with replacement (Caruana et al. 2004, "Ensemble selection from libraries of models").

    Starts with the best few members, as many as are best together (sorted initialisation), adds `ROUNDS` times the
    member that makes the mean the best, and keeps the best mean that it came by. A weight is how often its member
    was picked.
    """
    bag, path = _Bag(gram), []
    for member in np.argsort(-bag.scores(), kind="stable"):
        bag.add(int(member))
        path.append((bag.score(), bag.counts.copy()))
    bag = _Bag(gram)
    for member in np.flatnonzero(_best(path)):
        bag.add(int(member))
    for _ in range(ROUNDS):
        bag.add(int(np.argmax(bag.scores())))
        path.append((bag.score(), bag.counts.copy()))
    return as_mean(_best(path).astype(np.float64))


def bagged(gram: Gram, seed: int = 0) -> np.ndarray:
    """Mean of `greedy` weights over random halves of the members (section 2.3 of the same paper).

    A member that won by chance wins only where it was drawn.
    """
    random = np.random.default_rng(seed)
    half = (gram.members + 1) // 2
    weights = np.zeros(gram.members)
    for _ in range(BAGS):
        drawn = np.sort(random.choice(gram.members, half, replace=False))
        weights[drawn] += greedy(gram.chosen(drawn.tolist()))
    return as_mean(weights)


def nnls(gram: Gram) -> np.ndarray:
    """Non-negative least squares: the sum over neurons of the squared error in units of the recorded variance.

    Offsets are left out, since the correlation does not see them. Solved from the normal equations (Lawson and
    Hanson 1974), then scaled to a mean, which the correlation does not see either.
    """
    covariance = gram.between.mean(axis=1)[places(gram.members)]
    values, vectors = np.linalg.eigh(covariance)
    # Equal members leave directions without variance, which say nothing.
    real = values > values.max() * 1e-12
    root = np.sqrt(values[real])
    design = root[:, None] * vectors[:, real].T
    target = vectors[:, real].T @ gram.recorded.mean(axis=1) / root
    return as_mean(solve_nnls(design, target)[0])


def correlation(gram: Gram) -> np.ndarray:
    """Maximises the mean over neurons of the correlation itself, the metric that ranks.

    By sequential least squares on the simplex, started at the mean, at the best member and at `nnls`; these are
    candidates too, so that the result is never worse than any of them.
    """
    simplex = LinearConstraint(np.ones(gram.members), 1, 1)
    starts = [uniform(gram), single(gram), nnls(gram)]
    found = [
        minimize(
            partial(_loss, gram),
            start,
            jac=True,
            method="SLSQP",
            bounds=[(0, 1)] * gram.members,
            constraints=simplex,
        ).x
        for start in starts
    ]
    return max((*map(as_mean, found), *starts), key=gram.correlation)


def forward_order(gram: Gram) -> list[int]:
    """Members in the order in which each makes the mean of those before it the best; the best one first."""
    bag = _Bag(gram)
    order: list[int] = []
    for _ in range(gram.members):
        scores = bag.scores()
        scores[order] = -np.inf
        order.append(int(np.argmax(scores)))
        bag.add(order[-1])
    return order


def per_neuron(gram: Gram, anchor: np.ndarray, ridges: Sequence[float]) -> Iterator[np.ndarray]:
    """Weights of each neuron on its own, held to the weights that all share.

    Minimises w'Cw - 2c'w + ridge · tr(C)/members · |w - g·anchor|² over w ≥ 0, which is non-negative least squares
    with a ridge towards the shared weights; g, one number, scales these as fits best. Solved for all neurons at once
    by coordinate descent (each step exact in one member's weight), from the stiffest ridge to the softest, each
    starting where the one before it ended; then scaled to a mean.

    Parameters
    ----------
    anchor : (members,) shared weights, summing to one.
    ridges : from large to small; 1 holds as strongly as the data do in a direction of the members' mean variance.

    Yields
    ------
    (members, neurons) float64, of each ridge.
    """
    covariance = gram.between[places(gram.members)]
    own = covariance[np.arange(gram.members), np.arange(gram.members)]
    gain = max((anchor @ gram.recorded).sum() / max(quadratic(gram.between, anchor).sum(), _TINY), 0.0)
    centre = np.broadcast_to(gain * anchor[:, None], gram.recorded.shape)
    weights = centre.copy()
    for ridge in ridges:
        stiffness = np.maximum(ridge * own.mean(axis=0), _TINY)
        _descend(covariance, gram.recorded + stiffness * centre, stiffness, weights)
        total = weights.sum(axis=0)
        yield np.where(total > _NOTHING, weights / np.maximum(total, _NOTHING), anchor[:, None])


def as_mean(weights: np.ndarray) -> np.ndarray:
    """Weights, (members,), without negligible ones and summing to one; equal ones if none is positive."""
    weights = np.maximum(weights, 0)
    total = weights.sum()
    weights = np.where(weights > _NOTHING * total, weights, 0)
    return weights / weights.sum() if total > 0 else np.full(len(weights), 1 / len(weights))


class _Bag:
    """Members picked so far, with repeats; one more costs O(members × neurons)."""

    def __init__(self, gram: Gram) -> None:
        neurons = gram.recorded.shape[1]
        self.counts = np.zeros(gram.members, np.int64)
        self._gram = gram
        self._places = places(gram.members)
        self._own = gram.between[self._places.diagonal()]
        self._recorded, self._square = np.zeros(neurons), np.zeros(neurons)
        self._pulled = np.zeros((gram.members, neurons))

    def add(self, member: int) -> None:
        """Pick a member once more."""
        self.counts[member] += 1
        self._recorded += self._gram.recorded[member]
        self._square += 2 * self._pulled[member] + self._own[member]
        self._pulled += self._gram.between[self._places[member]]

    def score(self) -> float:
        """Mean correlation of the mean of what was picked."""
        return float(np.mean(self._recorded / np.sqrt(np.maximum(self._square, _TINY))))

    def scores(self) -> np.ndarray:
        """(members,) float64, what `score` would be with one more of each."""
        square = self._square + 2 * self._pulled + self._own
        return ((self._recorded + self._gram.recorded) / np.sqrt(np.maximum(square, _TINY))).mean(axis=1)


def _best(path: list[tuple[float, np.ndarray]]) -> np.ndarray:
    """Counts of the best score; of equals the first, which has the fewest picks."""
    return max(path, key=lambda step: step[0])[1]


def _loss(gram: Gram, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Minus the mean correlation, and its gradient."""
    square = np.maximum(quadratic(gram.between, weights), _TINY)
    deviation = np.sqrt(square)
    found = weights @ gram.recorded / deviation
    pulled = (gram.between @ (found / square))[places(gram.members)] @ weights
    return -float(found.mean()), (pulled - gram.recorded @ (1 / deviation)) / len(found)


def _descend(
    covariance: np.ndarray, target: np.ndarray, stiffness: np.ndarray, weights: np.ndarray, sweeps: int = 200
) -> None:
    """Improve `weights`, (members, neurons), in place until no neuron's moves by more than 1e-4."""
    for _ in range(sweeps):
        moved = 0.0
        for member, row in enumerate(covariance):
            pull = target[member] - np.einsum("mn,mn->n", row, weights) - stiffness * weights[member]
            better = np.maximum(weights[member] + pull / (row[member] + stiffness), 0)
            moved = max(moved, float(np.abs(better - weights[member]).max()))
            weights[member] = better
        if moved < 1e-4:
            return
