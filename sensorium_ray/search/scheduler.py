"""Schedulers that compare a tune trial with those of its own architecture alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, PopulationBasedTraining, TrialScheduler
from ray.tune.search.sample import Float

from ..errors import ConfigError
from .outcome import curve
from .settings import METRIC, SweepSettings
from .spaces import Space

MUTATED = ("learning_rate", "weight_decay")
"""Training settings that population based training changes."""


class ByArchitecture(TrialScheduler):
    """Runs all architectures at once, so that no machine idles while the last tune trials of one finish.

    A fast learner of another architecture must not stop a slow one that would have overtaken it, so each has a
    scheduler of its own. ASHA does not stop the published point: a sweep shall never do worse than that.

    Parameters
    ----------
    spaces : what is searched.
    settings : of the sweep.
    took : is told of every tune trial, those of an earlier run too.
    exhausted : whether a budget is spent, so that no tune trial shall go on.
    """

    def __init__(
        self,
        spaces: list[Space],
        settings: SweepSettings,
        took: Callable[[Trial], None],
        exhausted: Callable[[], bool],
    ) -> None:
        super().__init__()
        make = {"asha": _asha, "pbt": _pbt, "none": _none}[settings.scheduler]
        self._schedulers = {space.architecture: make(space, settings) for space in spaces}
        self._took, self._exhausted, self._epochs = took, exhausted, settings.epochs

    def set_search_properties(self, metric: str | None, mode: str | None, **_: Any) -> bool:
        """Accept what the tuner says: metric and mode are known already."""
        return True

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """Take in a tune trial with all that it did before the sweep was cut off."""
        self._took(trial)
        own, peers = self._of(trial), _Peers(tune_controller, trial.config["architecture"])
        own.on_trial_add(peers, trial)
        if isinstance(own, ASHAScheduler):
            for epoch, (_, score) in enumerate(curve(trial), 1):
                own.on_trial_result(peers, trial, {"epoch": epoch, METRIC: score})

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        """Hand over to the architecture's scheduler."""
        self._of(trial).on_trial_error(tune_controller, trial)

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        """Stop what failed or has run its epochs; ask the architecture's scheduler about the others."""
        if METRIC not in result or result["epoch"] >= self._epochs:
            return TrialScheduler.STOP
        decision = self._of(trial).on_trial_result(_Peers(tune_controller, trial.config["architecture"]), trial, result)
        spared = trial.config["name"].endswith("-published") and isinstance(self._of(trial), ASHAScheduler)
        return TrialScheduler.CONTINUE if spared else str(decision)

    def on_trial_complete(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> None:
        """Hand over to the architecture's scheduler."""
        self._of(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        """Hand over to the architecture's scheduler."""
        self._of(trial).on_trial_remove(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        """The least trained of those that the architectures' schedulers would run; end all when a budget is spent."""
        if self._exhausted():
            for trial in [*tune_controller.get_live_trials()]:
                if not trial.is_saving:  # its last checkpoint would be lost; it is stopped in a moment
                    tune_controller.stop_trial(trial)
            return None
        chosen = [
            scheduler.choose_trial_to_run(_Peers(tune_controller, architecture))
            for architecture, scheduler in self._schedulers.items()
        ]
        candidates = [trial for trial in chosen if trial is not None]
        return min(candidates, key=lambda trial: (len(curve(trial)), trial.config["number"]), default=None)

    def debug_string(self) -> str:
        """Say nothing: the sweep has its own display."""
        return ""

    def _of(self, trial: Trial) -> TrialScheduler:
        return self._schedulers[trial.config["architecture"]]


class _Peers:
    """The controller as one architecture's scheduler sees it."""

    search_alg = None
    """Population based training wants no points that were learned, and it gets none."""

    def __init__(self, controller: TuneController, architecture: str) -> None:
        self._controller, self._architecture = controller, architecture

    def get_trials(self) -> list[Trial]:
        return [trial for trial in self._controller.get_trials() if trial.config["architecture"] == self._architecture]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._controller, name)


def _asha(space: Space, settings: SweepSettings) -> TrialScheduler:
    """A quarter of the training is never stopped; then half of those that came as far are."""
    return ASHAScheduler(
        time_attr="epoch",
        metric=METRIC,
        mode="max",
        max_t=settings.epochs,
        grace_period=max(1, settings.epochs // 4),
        reduction_factor=2,
    )


def _pbt(space: Space, settings: SweepSettings) -> TrialScheduler:
    """The worst quarter takes over the best quarter's weights, eight times in a training."""
    training = space.settings["training"]
    rng = np.random.default_rng(settings.seed)
    mutated = {
        name: partial(training[name].sample, random_state=rng)
        for name in MUTATED
        if isinstance(training.get(name), Float)
    }
    if not mutated:
        what = f"population based training changes {' and '.join(MUTATED)}, and neither is searched"
        raise ConfigError(what, space.architecture, "give one a range in 'training', or choose another --scheduler")
    return PopulationBasedTraining(
        time_attr="epoch",
        metric=METRIC,
        mode="max",
        perturbation_interval=perturbation_interval(settings),
        hyperparam_mutations={"point": {"training": mutated}},
        log_config=False,
    )


def perturbation_interval(settings: SweepSettings) -> int:
    """Epochs between two chances to take over another's weights."""
    return max(1, settings.epochs // 8)


def _none(space: Space, settings: SweepSettings) -> TrialScheduler:
    return FIFOScheduler()
