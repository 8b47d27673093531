"""Ray Tune, as a sweep uses it: what is kept where, what is tried again, what goes on after everything died."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import ResumeConfig
from ray.tune.experiment import Trial

from .. import storage
from .budget import Budget
from .files import file_system
from .live import Live
from .outcome import ended
from .points import Points
from .scheduler import ByArchitecture, perturbation_interval
from .settings import METRIC, SweepSettings
from .spaces import Space

_NAME = "sweep"
_DEATHS = 8
"""How often the processes of a tune trial may die; those on machines that were taken back with notice do not count."""


def run(
    train: Callable[[dict[str, Any]], None], spaces: list[Space], out: Path, settings: SweepSettings, budget: Budget
) -> list[Trial]:
    """Run what is not finished of a sweep below `out / 'tune'`.

    Parameters
    ----------
    train : one tune trial; given its 'name', 'architecture' and 'point', it reports `METRIC`, 'epoch' and 'curve', a
        list of loss and score of every epoch so far, or a 'failure'.
    out : folder on disk or s3://.

    Returns
    -------
    All tune trials, in the order in which their points were given out.

    Raises
    ------
    KeyboardInterrupt : the sweep was interrupted; it can go on later.
    """
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failures are told in the result, once
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # the reports carry the whole curve
    # A model that waits for results should not be asked far ahead; otherwise a cluster sees at once how far to grow.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = "1" if settings.search == "optuna" else "200"
    points = Points(spaces, settings, exhausted=lambda: budget.spent() is not None)
    scheduler = ByArchitecture(spaces, settings, points.took, exhausted=lambda: budget.spent() is not None)
    files, folder = file_system(out / "tune")
    begun = any(name.startswith("experiment_state-") for name in storage.names(out / "tune" / _NAME))
    with Live(points.total, settings, budget) as live, _seeded(settings.seed):
        trials = tune.run(
            tune.with_resources(train, {"cpu": settings.cpus, "gpu": settings.gpus}),
            name=_NAME,
            storage_path=folder,
            storage_filesystem=files,
            num_samples=-1,  # `points` says when all are given out
            search_alg=points,
            scheduler=scheduler,
            callbacks=[budget, live],
            checkpoint_config=_checkpoints(settings),
            max_failures=_DEATHS,
            raise_on_failed_trial=False,
            reuse_actors=True,
            trial_dirname_creator=_name,
            resume_config=_RESUME if begun else None,
            verbose=0,
        ).trials
    if budget.spent() is None and (len(trials) < points.total or not all(map(ended, trials))):
        raise KeyboardInterrupt
    order = [space.architecture for space in spaces]
    return sorted(trials, key=lambda trial: (trial.config["number"], order.index(trial.config["architecture"])))


_RESUME = ResumeConfig(
    finished=ResumeConfig.ResumeType.SKIP,
    unfinished=ResumeConfig.ResumeType.RESUME,
    errored=ResumeConfig.ResumeType.RESUME,
)


def _name(trial: Trial) -> str:
    return str(trial.config["name"])


def _checkpoints(settings: SweepSettings) -> tune.CheckpointConfig:
    """The best one and the last one; more where others take them over, which may be some epochs later."""
    kept = 2 * (perturbation_interval(settings) + 2) if settings.scheduler == "pbt" else 1
    return tune.CheckpointConfig(num_to_keep=kept, checkpoint_score_attribute=METRIC, checkpoint_score_order="max")


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the generator that population based training draws from, and leave it as it was."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
