"""Which trials are trained on, and which are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..data.store import FrameStore, TrialInfo
from ..errors import DataError
from .folds import folds_of
from .settings import TrainSettings

Trials = Mapping[str, Sequence[TrialInfo]]
"""Trials by mouse."""


@dataclass(frozen=True, slots=True)
class Split:
    """Trials of a training.

    Parameters
    ----------
    train : to train on.
    oracle : to score after every epoch.
    left_out : the fold that is left out, to score likewise; empty where none is.
    """

    train: Trials
    oracle: Trials
    left_out: Trials

    @classmethod
    def of(cls, store: FrameStore, settings: TrainSettings) -> Split:
        """Trials of a store.

        Raises
        ------
        DataError : a mouse has none to train on or to score.
        ConfigError : there are fewer videos than folds.
        """
        train, oracle = (_of_tier(store, tier) for tier in ("train", store.benchmark.oracle))
        if not settings.fold:
            return cls(train, oracle, {})
        folds = folds_of(store, settings.folds)
        kept, left_out = (
            {
                mouse: [info for info in found if (folds[mouse][info.trial] == settings.fold) == left]
                for mouse, found in train.items()
            }
            for left in (False, True)
        )
        for mouse, found in (*kept.items(), *left_out.items()):
            if not found:
                what = f"has its training trials all in fold {settings.fold} of {settings.folds}, or none there"
                raise DataError(what, mouse, "take another number of folds")
        return cls(kept, oracle, left_out)


def _of_tier(store: FrameStore, tier: str) -> Trials:
    trials = {mouse: store[mouse].select(tier) for mouse in store.mice}
    for mouse, found in trials.items():
        if not found:
            raise DataError(f"has no trial of tier '{tier}'", mouse, "ingest the whole mouse folder")
    return trials
