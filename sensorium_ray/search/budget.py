"""What a sweep has used of its hours and dollars."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

from ray import tune
from ray.tune.experiment import Trial

from .settings import SweepSettings


class Budget(tune.Callback):
    """Counts the hours that a sweep runs, over all its runs, and what its tune trials cost.

    A tune trial costs the hours that it reported times the price; what it did after its last report, and what was
    lost when a machine died, is not in it.
    """

    def __init__(self, settings: SweepSettings) -> None:
        self._settings = settings
        self._before = 0.0
        self._started = time.monotonic()
        self.cost = 0.0

    @property
    def hours(self) -> float:
        """Hours so far."""
        return (self._before + time.monotonic() - self._started) / 3600

    def spent(self) -> Literal["hours", "cost"] | None:
        """Which of the two is used up, if one is."""
        if self._settings.hours is not None and self.hours >= self._settings.hours:
            return "hours"
        if self._settings.cost is not None and self.cost >= self._settings.cost:
            return "cost"
        return None

    def on_step_begin(self, iteration: int, trials: Sequence[Trial], **_: Any) -> None:
        """Add up; Ray Tune calls this several times a second."""
        if self._settings.price is not None:
            seconds = sum(trial.last_result.get("time_total_s", 0.0) for trial in trials)
            self.cost = seconds / 3600 * self._settings.price

    def get_state(self) -> dict[str, float]:
        """What Ray Tune keeps for the next run."""
        return {"seconds": self.hours * 3600}

    def set_state(self, state: dict[str, float]) -> None:
        """Go on from an earlier run."""
        self._before = state["seconds"]
