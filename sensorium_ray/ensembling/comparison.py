"""All ways to weight the same members, judged on the same folds, and the report of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ..metrics.bootstrap import LEVEL
from .crossvalidation import PERS, Fold, Per, Seen, Weights, fitting, growth, judge, score
from .gain import REPLICATES, gain
from .weights import methods, single

BEST_MEMBER: tuple[str, Per] = ("single", "all")


class Comparison:
    """Every method, with weights shared by all mice and, step by step, by fewer, down to `per`; and the best member.

    Parameters
    ----------
    folds : statistics of the members.
    per : the finest sharing that is judged.
    seed : of the bagged method and of the bootstrap.
    """

    def __init__(self, folds: Sequence[Fold], per: Per, seed: int) -> None:
        self._seed = seed
        self._folds, self._all = folds, Seen(folds)
        cells = {(name, some): method for some in PERS[: PERS.index(per) + 1] for name, method in methods(seed).items()}
        self._fits = {(name, some): fitting(method, some) for (name, some), method in cells.items()}
        self._best_member = fitting(single, "all")
        self._judged = judge({BEST_MEMBER: self._best_member, **self._fits}, folds)
        self.scores = {cell: score(self._judged[cell]) for cell in self._fits}

    def best(self) -> tuple[str, Per]:
        """Method and sharing with the highest score; of equals the coarsest, then the simplest."""
        return max(self.scores, key=self.scores.__getitem__)

    def weights(self, method: str, per: Per, mice: Sequence[str]) -> list[float] | Weights:
        """Fitted on all folds: those that all share, or by mouse.

        Parameters
        ----------
        mice : all that the ensemble answers for; one without statistics gets the weights that all share.
        """
        shared = next(iter(self._fits[method, "all"](self._all).values()))
        if per == "all":
            return shared.tolist()
        found = self._fits[method, per](self._all)
        return {mouse: found.get(mouse, shared) for mouse in mice}

    def report(self, method: str, per: Per, names: Sequence[str]) -> dict[str, Any]:
        """What `ensembling.learn_ensemble` tells of a choice, plain values; `names` are the members'."""
        by_sharing: dict[str, dict[str, float]] = {}
        for (name, some), found in self.scores.items():
            by_sharing.setdefault(some, {})[name] = found
        best_member = next(iter(self._best_member(self._all).values()))
        baseline = self._judged[BEST_MEMBER]
        order, curve = growth(self._folds)
        return {
            "method": method,
            "per": per,
            "seed": self._seed,
            "best_member": {"name": names[int(np.argmax(best_member))], "score": score(baseline)},
            "scores": by_sharing,
            "gain": {
                **asdict(gain(self._judged[method, per], baseline, self._seed)),
                "level": LEVEL,
                "replicates": REPLICATES,
            },
            "growth": [
                {"members": number, "added": names[member], "mean": mean, "greedy": greedy}
                for number, (member, (mean, greedy)) in enumerate(zip(order, curve, strict=True), 1)
            ],
        }
