"""What the epochs of a training came to, which of them is kept, and when they are enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .settings import TrainSettings


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch came to.

    Parameters
    ----------
    number : from 1 on.
    loss : mean training loss.
    oracle_correlation : single-trial correlation on the oracle tier.
    fold_correlation : the same on the fold that is left out; None where none is.
    """

    number: int
    loss: float
    oracle_correlation: float
    fold_correlation: float | None = None

    @property
    def score(self) -> float:
        """What the best epoch has most of: correlation on the fold where one is left out, else on the oracle tier."""
        return self.oracle_correlation if self.fold_correlation is None else self.fold_correlation


def best_of(epochs: Sequence[Epoch]) -> Epoch | None:
    """The first epoch of the highest score; None where there is none."""
    return max(epochs, key=lambda epoch: (epoch.score, -epoch.number), default=None)


def are_enough(epochs: Sequence[Epoch], settings: TrainSettings) -> bool:
    """Whether the schedule has run out, or the score has not risen for as long as `patience` says."""
    best = best_of(epochs)
    stale = len(epochs) - (best.number if best else 0)
    return len(epochs) >= settings.epochs or 0 < settings.patience <= stale
