"""A sweep: Ray Tune with ASHA over one or more architectures; every tune trial leaves a checkpoint."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import ray
import torch
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import BasicVariantGenerator

from .. import compute, storage
from ..data.store import FrameStore
from ..errors import ConfigError, SensoriumError
from ..progress import ProgressLine
from ..training.checkpoint import Checkpoint
from ..training.trainer import Trainer, TrainSettings
from ..version import package_version
from .spaces import Size, space

METRIC = "oracle_correlation"


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """How to sweep.

    Parameters
    ----------
    size : which variant of the spaces.
    trials : tune trials an architecture.
    epochs, steps : of a tune trial that ASHA does not stop (Li et al. 2020, arXiv 1810.05934).
    seed : of the draws from the spaces and of every training.
    cpus : CPU cores a tune trial; gpus : GPUs a tune trial, fractions too.
    """

    size: Size = "full"
    trials: int = 8
    epochs: int = 20
    steps: int = 100
    seed: int = 0
    cpus: float = 1
    gpus: float = 0

    def __post_init__(self) -> None:
        if min(self.trials, self.epochs, self.steps) < 1:
            raise ConfigError("trials, epochs and steps must be 1 or more", "sweep")


def sweep(
    store: Path, architectures: Sequence[str], out: Path, settings: SweepSettings, address: str | None = None
) -> dict[str, Any]:
    """Search each architecture; ASHA compares a tune trial with those of its own architecture alone.

    Writes `out/best/<architecture>` (checkpoint), `out/curves.csv` and, last, `out/sweep.json`. A sweep that
    was cut off goes on where it was when it is run again with the same settings.

    Returns
    -------
    The content of `sweep.json`.

    Raises
    ------
    DataError : `out` holds a finished sweep, or one of other settings.
    SensoriumError : every tune trial of an architecture failed; the first one's sentence.
    """
    spaces = {name: space(name, settings.size) for name in architectures}
    checksum = FrameStore.open(store).checksum
    request = {"data_checksum": checksum, "architectures": list(architectures), "settings": asdict(settings)}
    _claim(out, request)
    compute.connect(address)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failures are told in the result, once
    with ProgressLine(len(spaces) * settings.trials * settings.epochs, "sweep (epochs)") as line:
        grids = {name: _search(store, name, spaces[name], out, settings, line) for name in architectures}
    tables = {name: _table(name, grid) for name, grid in grids.items()}
    for name, grid in grids.items():
        _keep_best(name, grid, out / "best" / name)
    with storage.atomic_path(out / "curves.csv") as partial:
        pd.concat([curves for _, curves in tables.values()]).to_csv(partial, index=False)
    result = {
        **request,
        "version": package_version(),
        "trials": [row for rows, _ in tables.values() for row in rows],
    }
    storage.write_json(out / "sweep.json", result)
    return result


def _claim(out: Path, request: dict[str, Any]) -> None:
    """Refuse a folder that holds something else; remember what this sweep is of."""
    mend = "name another output or remove it first"
    if (out / "sweep.json").exists():
        raise ConfigError("holds a finished sweep", str(out), mend)
    if not (out / "request.json").exists():
        storage.require_new(out)
        storage.write_json(out / "request.json", request)
    elif storage.read_json(out / "request.json") != request:
        raise ConfigError("holds an unfinished sweep of other data or settings", str(out), mend)


def _search(
    store: Path,
    name: str,
    param_space: dict[str, Any],
    out: Path,
    settings: SweepSettings,
    line: ProgressLine,
) -> tune.ResultGrid:
    trainable = tune.with_resources(
        tune.with_parameters(_train, store=str(store.resolve()), architecture=name, settings=settings),
        {"cpu": settings.cpus, "gpu": settings.gpus},
    )
    experiments = (out / "tune").resolve()
    callbacks = [_Progress(line, name, settings.epochs)]
    if tune.Tuner.can_restore(experiments / name):
        tuner = tune.Tuner.restore(
            str(experiments / name),
            trainable,
            resume_unfinished=True,
            restart_errored=True,
            param_space=param_space,
        )
        tuner._local_tuner._run_config.callbacks = callbacks
        return tuner.fit()
    return tune.Tuner(
        trainable,
        param_space=param_space,
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="max",
            num_samples=settings.trials,
            search_alg=BasicVariantGenerator(random_state=settings.seed),
            scheduler=ASHAScheduler(
                time_attr="epoch",
                max_t=settings.epochs,
                grace_period=max(1, settings.epochs // 4),
                reduction_factor=2,
            ),
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(experiments),
            verbose=0,
            callbacks=callbacks,
            failure_config=tune.FailureConfig(max_failures=1),
            checkpoint_config=tune.CheckpointConfig(
                num_to_keep=1, checkpoint_score_attribute=METRIC, checkpoint_score_order="max"
            ),
        ),
    ).fit()


def _train(config: dict[str, Any], store: str, architecture: str, settings: SweepSettings) -> None:
    """One tune trial: an epoch at a time, each reported with its checkpoint."""
    torch.set_num_threads(max(1, int(settings.cpus)))
    training = {
        "epochs": settings.epochs,
        "steps": settings.steps,
        "seed": settings.seed,
        **config["training"],
    }
    trainer = Trainer(FrameStore.open(Path(store)), architecture, config["model"], TrainSettings(**training))
    saved = tune.get_checkpoint()
    if saved is not None:
        with saved.as_directory() as folder:
            trainer.resume(Checkpoint.read(Path(folder)))
    while not trainer.finished:
        epoch = trainer.run_epoch()
        with tempfile.TemporaryDirectory() as folder:
            trainer.checkpoint().write(Path(folder))
            tune.report(
                {"epoch": epoch.number, "loss": epoch.loss, METRIC: epoch.oracle_correlation},
                checkpoint=tune.Checkpoint.from_directory(folder),
            )


class _Progress(tune.Callback):
    """Counts epochs; those that a stopped or failed tune trial will not run count when it ends."""

    def __init__(self, line: ProgressLine, name: str, epochs: int) -> None:
        self._line, self._name, self._epochs = line, name, epochs
        self._done: dict[str, int] = {}

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **_: Any
    ) -> None:
        epoch = result["epoch"]
        best = max(result[METRIC], *((t.last_result or {}).get(METRIC, 0.0) for t in trials))
        self._line.advance(epoch - self._done.get(trial.trial_id, 0), f"{self._name}, best so far {best:.3f}")
        self._done[trial.trial_id] = epoch

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **_: Any) -> None:
        self._line.advance(self._epochs - self._done.get(trial.trial_id, 0))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **_: Any) -> None:
        self._line.advance(self._epochs - self._done.get(trial.trial_id, 0), f"{self._name}: a tune trial failed")


def _table(name: str, grid: tune.ResultGrid) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """One row a tune trial, and the curves of all of them."""
    rows, curves = [], []
    for result in grid:
        frame = result.metrics_dataframe
        trial = Path(result.path).name
        row: dict[str, Any] = {"architecture": name, "trial": trial, "config": result.config, "epochs": 0}
        if frame is not None and len(frame):
            row |= {"epochs": int(frame["epoch"].max()), METRIC: float(frame[METRIC].max())}
            curves.append(frame[["epoch", "loss", METRIC]].assign(architecture=name, trial=trial))
        if result.error is not None:
            row["error"] = str(_cause(result.error))
        rows.append(row)
    return rows, pd.concat(curves) if curves else pd.DataFrame()


def _keep_best(name: str, grid: tune.ResultGrid, target: Path) -> None:
    """Copy the best tune trial's best checkpoint.

    Raises
    ------
    SensoriumError : all tune trials failed.
    """
    whole = [result for result in grid if result.error is None and result.checkpoint is not None]
    if not whole:
        errors = [result.error for result in grid if result.error is not None]
        cause = _cause(errors[0]) if errors else None
        if isinstance(cause, SensoriumError):
            raise cause
        raise SensoriumError(f"every tune trial failed ({cause})", name, f"see {grid.experiment_path}")
    best = max(whole, key=lambda result: float(result.metrics_dataframe[METRIC].max()))
    checkpoint = best.get_best_checkpoint(METRIC, "max") or best.checkpoint
    storage.remove(target)
    with storage.atomic_path(target) as partial, checkpoint.as_directory() as folder:
        shutil.copytree(folder, partial)


def _cause(error: Exception) -> BaseException:
    """Error inside the one that Ray wrapped around it."""
    cause: BaseException = error
    while isinstance(cause, ray.exceptions.RayTaskError) and getattr(cause, "cause", None) is not None:
        cause = cause.cause
    return cause
