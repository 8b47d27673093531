"""A sweep: Ray Tune with ASHA over one or more architectures; every tune trial leaves a checkpoint."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from ray import tune
from ray.tune.experiment import Trial

from .. import compute, storage
from ..data.store import FrameStore
from ..errors import ConfigError, SensoriumError
from ..progress import ProgressLine
from ..storage import StrPath
from ..training.checkpoint import Checkpoint
from ..training.settings import TrainSettings
from ..training.trainer import Trainer
from ..version import package_version
from .scheduler import AshaByArchitecture
from .spaces import Size, draw, space

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
    store: StrPath, architectures: Sequence[str], out: StrPath, settings: SweepSettings, address: str | None = None
) -> dict[str, Any]:
    """Search each architecture; ASHA compares a tune trial with those of its own architecture alone.

    Writes `out/best/<architecture>` (checkpoint), `out/curves.csv` and, last, `out/sweep.json`. A sweep that
    was cut off goes on where it was when it is run again with the same settings.

    Returns
    -------
    The content of `sweep.json`.

    Raises
    ------
    ConfigError : `out` holds a finished sweep, or one of other settings; a space does not exist.
    SensoriumError : every tune trial of an architecture failed; the first one's sentence.
    """
    store, out = Path(store), Path(out)
    spaces = {name: space(name, settings.size) for name in architectures}
    checksum = FrameStore.open(store).checksum
    request = {"data_checksum": checksum, "architectures": list(architectures), "settings": asdict(settings)}
    _claim(out, request)
    compute.connect(address)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failures are told in the result, once
    with ProgressLine(len(spaces) * settings.trials * settings.epochs, "sweep (epochs)") as line:
        grid = _tuner(store, spaces, out, settings, _Progress(line, settings.epochs)).fit()
    by_architecture = {name: [r for r in grid if _point(r)["architecture"] == name] for name in architectures}
    for name, results in by_architecture.items():
        _keep_best(name, results, out / "best" / name)
    tables = [_table(name, results) for name, results in by_architecture.items()]
    with storage.atomic_path(out / "curves.csv") as partial:
        pd.concat([curves for _, curves in tables]).to_csv(partial, index=False)
    result = {**request, "version": package_version(), "trials": [row for rows, _ in tables for row in rows]}
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


def _tuner(
    store: Path, spaces: dict[str, dict[str, Any]], out: Path, settings: SweepSettings, progress: tune.Callback
) -> tune.Tuner:
    """Tuner over all architectures; one that was cut off is restored."""
    trainable = tune.with_resources(
        tune.with_parameters(_train, store=str(store.resolve()), settings=settings),
        {"cpu": settings.cpus, "gpu": settings.gpus},
    )
    rng = np.random.default_rng(settings.seed)
    points = [
        {"architecture": name, **draw(found, rng)} for _ in range(settings.trials) for name, found in spaces.items()
    ]
    experiments = (out / "tune").resolve()
    run_config = tune.RunConfig(
        name="sweep",
        storage_path=str(experiments),
        verbose=0,
        callbacks=[progress],
        failure_config=tune.FailureConfig(max_failures=1),
        checkpoint_config=tune.CheckpointConfig(
            num_to_keep=1, checkpoint_score_attribute=METRIC, checkpoint_score_order="max"
        ),
    )
    if tune.Tuner.can_restore(str(experiments / "sweep")):
        restored = tune.Tuner.restore(
            str(experiments / "sweep"), trainable, resume_unfinished=True, restart_errored=True
        )
        restored._local_tuner._run_config = run_config  # callbacks are not restored with the rest
        return restored
    return tune.Tuner(
        trainable,
        param_space={"point": tune.grid_search(points)},
        tune_config=tune.TuneConfig(
            scheduler=AshaByArchitecture(METRIC, settings.epochs),
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=run_config,
    )


def _train(config: dict[str, Any], store: str, settings: SweepSettings) -> None:
    """One tune trial: an epoch at a time, each reported with its checkpoint."""
    torch.set_num_threads(max(1, int(settings.cpus)))
    point = config["point"]
    training = {"steps": settings.steps, **point["training"], "epochs": settings.epochs, "seed": settings.seed}
    trainer = Trainer(FrameStore.open(Path(store)), point["architecture"], point["model"], TrainSettings(**training))
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

    def __init__(self, line: ProgressLine, epochs: int) -> None:
        self._line, self._epochs = line, epochs
        self._done: dict[str, int] = {}

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **_: Any
    ) -> None:
        epoch = result["epoch"]
        note = f"{trial.config['point']['architecture']} {result[METRIC]:.3f}"
        self._line.advance(epoch - self._done.get(trial.trial_id, 0), note)
        self._done[trial.trial_id] = epoch

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **_: Any) -> None:
        self._line.advance(self._epochs - self._done.get(trial.trial_id, 0))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **_: Any) -> None:
        self._line.advance(self._epochs - self._done.get(trial.trial_id, 0), "a tune trial failed")


def _point(result: tune.Result) -> dict[str, Any]:
    """Point of the space that a tune trial was of."""
    return dict((result.config or {})["point"])


def _table(name: str, results: list[tune.Result]) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """One row a tune trial, and the curves of all of them."""
    rows, curves = [], []
    for result in results:
        frame = result.metrics_dataframe
        trial = Path(result.path).name
        row: dict[str, Any] = {
            "architecture": name,
            "trial": trial,
            "config": _point(result),
            "epochs": 0,
        }
        if frame is not None and len(frame):
            row |= {"epochs": int(frame["epoch"].max()), METRIC: float(frame[METRIC].max())}
            curves.append(frame[["epoch", "loss", METRIC]].assign(architecture=name, trial=trial))
        if result.error is not None:
            row["error"] = str(compute.original(result.error))
        rows.append(row)
    return rows, pd.concat(curves) if curves else pd.DataFrame()


def _keep_best(name: str, results: list[tune.Result], target: Path) -> None:
    """Copy the best tune trial's best checkpoint.

    Raises
    ------
    SensoriumError : all tune trials failed.
    """
    whole = [result for result in results if result.error is None and result.checkpoint is not None]
    if not whole:
        errors = [result.error for result in results if result.error is not None]
        cause = compute.original(errors[0]) if errors else None
        if isinstance(cause, SensoriumError):
            raise cause
        raise SensoriumError(f"every tune trial failed ({cause})", name, f"see {results[0].path}")
    best = max(whole, key=lambda result: float(result.metrics_dataframe[METRIC].max()))
    checkpoint = best.get_best_checkpoint(METRIC, "max") or best.checkpoint
    storage.remove(target)
    with storage.atomic_path(target) as partial, checkpoint.as_directory() as folder:
        shutil.copytree(folder, partial)
