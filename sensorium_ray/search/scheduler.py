"""ASHA that compares a tune trial with those of its own architecture alone."""

from __future__ import annotations

from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler


class AshaByArchitecture(FIFOScheduler):
    """Runs all architectures at once, so that no machine idles while the last tune trials of one finish.

    A fast learner of another architecture must not stop a slow one that would have overtaken it, so each has
    an ASHA of its own (Li et al. 2020, arXiv 1810.05934).

    Parameters
    ----------
    metric : reported value to maximise.
    epochs : longest training; a quarter of it is never stopped.
    """

    def __init__(self, metric: str, epochs: int) -> None:
        super().__init__()
        self._metric = metric
        self._epochs = epochs
        self._by_architecture: dict[str, ASHAScheduler] = {}

    def _of(self, trial: Trial) -> ASHAScheduler:
        architecture = trial.config["point"]["architecture"]
        if architecture not in self._by_architecture:
            self._by_architecture[architecture] = ASHAScheduler(
                time_attr="epoch",
                metric=self._metric,
                mode="max",
                max_t=self._epochs,
                grace_period=max(1, self._epochs // 4),
                reduction_factor=2,
            )
        return self._by_architecture[architecture]

    def set_search_properties(self, metric: str | None, mode: str | None, **_: Any) -> bool:
        """Accept what the tuner says: metric and mode are known already."""
        return True

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """Hand over to the architecture's ASHA."""
        self._of(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        """Hand over to the architecture's ASHA."""
        return str(self._of(trial).on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> None:
        """Hand over to the architecture's ASHA."""
        self._of(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        """Hand over to the architecture's ASHA."""
        self._of(trial).on_trial_remove(tune_controller, trial)
