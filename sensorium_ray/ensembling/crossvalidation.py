"""Ensembles judged on videos that their weights were not fitted on.

The folds are groups of videos, the same for all mice: whatever is chosen for a fold, a weight, the best member, the
order of the members or a ridge, is chosen on the other folds. What a fold's weights make of its own videos is kept as
statistics; merged over the folds they give the score, the same pooled correlation that the benchmark ranks by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, reduce
from itertools import islice
from typing import Literal, TypeVar, get_args

import numpy as np

from ..errors import DataError
from ..metrics.statistics import CoMoments
from ..progress import ProgressLine
from .members import Gram, MemberMoments
from .weights import Method, forward_order, greedy, per_neuron, uniform

MAX_FOLDS = 6
"""As many as a mouse of 2023 has oracle movies."""

RIDGES = (10.0, 1.0, 0.1, 0.01)
"""Ridges that per-neuron weights are tried with, in units of `weights.per_neuron`."""

Per = Literal["all", "mouse", "neuron"]
"""Who shares weights: all mice, all neurons of a mouse, or nobody."""

PERS: tuple[Per, ...] = get_args(Per)

Fold = Mapping[str, MemberMoments]
"""Statistics of one group of videos by mouse."""

Weights = dict[str, np.ndarray]
"""(members,) or (members, neurons) float64 by mouse."""

Judged = list[dict[str, CoMoments]]
"""Of each fold and mouse: co-moments of recorded responses (0) and the ensemble that did not see the fold (1)."""

Key = TypeVar("Key")


class Seen:
    """Folds that weights may be chosen on."""

    def __init__(self, folds: Sequence[Fold]) -> None:
        self.folds = folds
        self.mice = _mice(folds)

    def of(self, mouse: str) -> MemberMoments:
        """A mouse's statistics."""
        return MemberMoments.merged([fold[mouse] for fold in self.folds if mouse in fold])

    @cached_property
    def gram(self) -> Gram:
        """That of all mice."""
        return Gram.of(self.of(mouse) for mouse in self.mice)


Fit = Callable[[Seen], Weights]
"""From folds to the weights of their mice."""


def split_videos(videos: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Fold of every video, 0 to at most `MAX_FOLDS` - 1; a video that two mice saw is in one fold.

    Parameters
    ----------
    videos : content ids that each mouse saw.

    Raises
    ------
    DataError : a mouse's videos are all in one fold, so that none would be left to choose on.
    """
    folds: dict[str, int] = {}
    sizes = np.zeros(MAX_FOLDS, np.int64)
    for mouse, seen in videos.items():
        own = np.bincount([folds[video] for video in set(seen) if video in folds], minlength=MAX_FOLDS)
        for video in sorted(set(seen) - set(folds)):
            # Where the mouse has fewest, so that each fold leaves it as much as can be; then where all have fewest.
            fold = int(np.lexsort((sizes, own))[0])
            folds[video] = fold
            own[fold] += 1
            sizes[fold] += 1
        if (own > 0).sum() < 2:
            what = "has oracle videos in one group only, so that none is left to choose weights on"
            raise DataError(what, mouse, "give it two or more oracle videos, or leave it out")
    return folds


def fitting(method: Method, per: Per) -> Fit:
    """A method whose weights all mice share, or all neurons of a mouse, or nobody.

    Per-neuron weights are `weights.per_neuron`'s, held to those that all share; each mouse's ridge is the one of
    `RIDGES` that predicts best on folds left out in turn of those that are given.
    """

    def of_all(seen: Seen) -> Weights:
        return dict.fromkeys(seen.mice, method(seen.gram))

    def of_mouse(seen: Seen) -> Weights:
        return {mouse: method(Gram.of([seen.of(mouse)])) for mouse in seen.mice}

    def of_neurons(seen: Seen) -> Weights:
        return {mouse: _of_neurons(mouse, seen.folds, anchor) for mouse, anchor in of_all(seen).items()}

    return {"all": of_all, "mouse": of_mouse, "neuron": of_neurons}[per]


def judge(fits: Mapping[Key, Fit], folds: Sequence[Fold]) -> dict[Key, Judged]:
    """What each of `fits` makes of every fold when it is given the others."""
    judged: dict[Key, Judged] = {key: [] for key in fits}
    with ProgressLine(len(folds) * len(fits), "weights") as line:
        for fold, seen in _left_out(folds):
            for key, fit in fits.items():
                judged[key].append(_predicted(fold, fit(seen)))
                line.advance()
    return judged


def score(judged: Judged) -> float:
    """Single-trial correlation of all folds together, mean over the neurons of all mice."""
    return float(np.mean(np.concatenate([merged.correlation(0, 1) for merged in _merged(judged).values()])))


def growth(folds: Sequence[Fold]) -> tuple[list[int], list[tuple[float, float]]]:
    """How the score grows with the number of members, with weights that all mice share.

    Returns
    -------
    Members in greedy order (`weights.forward_order` on all folds), and for 1, 2, … members the score of their mean
    and of their `greedy` weights. These are judged like everything else: each fold has an order and weights of its
    own, from the other folds.
    """

    members = next(iter(folds[0].values())).members
    line = ProgressLine(len(folds) * members, "growth")

    def steps(seen: Seen) -> Iterator[Weights]:
        order = forward_order(seen.gram)
        for size in range(1, members + 1):
            few = seen.gram.chosen(order[:size])
            for method in (uniform, greedy):
                weights = np.zeros(members)
                weights[order[:size]] = method(few)
                yield dict.fromkeys(seen.mice, weights)
            line.advance()

    with line:
        scores = _scores(steps, folds)
    return forward_order(Seen(folds).gram), list(zip(scores[::2], scores[1::2], strict=True))


def _of_neurons(mouse: str, folds: Sequence[Fold], anchor: np.ndarray) -> np.ndarray:
    """(members, neurons) weights of one mouse."""

    def path(seen: Seen) -> Iterator[Weights]:
        moments = seen.of(mouse)
        for found in per_neuron(Gram.of([moments]), anchor, RIDGES):
            weights = np.repeat(anchor[:, None], len(moments.usable), axis=1)
            weights[:, moments.usable] = found
            yield {mouse: weights}

    own = [{mouse: fold[mouse]} for fold in folds if mouse in fold]
    # With one fold there is nothing to choose on: the stiffest.
    best = int(np.argmax(_scores(path, own))) if len(own) > 1 else 0
    return next(islice(path(Seen(own)), best, None))[mouse]


def _scores(candidates: Callable[[Seen], Iterable[Weights]], folds: Sequence[Fold]) -> list[float]:
    """Score of each of the `candidates`, whose statistics are merged as they come."""
    merged: dict[int, dict[str, CoMoments]] = {}
    for fold, seen in _left_out(folds):
        for number, weights in enumerate(candidates(seen)):
            found = _predicted(fold, weights)
            merged[number] = _merged([merged[number], found]) if number in merged else found
    return [score([found]) for found in merged.values()]


def _left_out(folds: Sequence[Fold]) -> Iterator[tuple[Fold, Seen]]:
    """Each fold with the others."""
    for number, fold in enumerate(folds):
        yield fold, Seen([*folds[:number], *folds[number + 1 :]])


def _predicted(fold: Fold, weights: Weights) -> dict[str, CoMoments]:
    return {mouse: moments.combined(weights[mouse]) for mouse, moments in fold.items()}


def _mice(folds: Iterable[Mapping[str, object]]) -> list[str]:
    return sorted({mouse for fold in folds for mouse in fold})


def _merged(judged: Judged) -> dict[str, CoMoments]:
    return {
        mouse: reduce(CoMoments.merge, [fold[mouse] for fold in judged if mouse in fold]) for mouse in _mice(judged)
    }
