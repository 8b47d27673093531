"""One tune trial, in a process of Ray Tune's."""

from __future__ import annotations

import tempfile
import traceback
from pathlib import Path
from typing import Any

import torch
from ray import tune

from ..data.store import FrameStore
from ..errors import SensoriumError
from ..training.checkpoint import Checkpoint
from ..training.memory import keep_freed_memory
from ..training.settings import TrainSettings
from ..training.trainer import Trainer
from .scheduler import MUTATED
from .settings import METRIC, SweepSettings


def train(config: dict[str, Any], store: str, settings: SweepSettings) -> None:
    """Train an epoch at a time; each is reported with its checkpoint and the curve so far.

    An error is reported as a result: then the tune trial ends at once, its last good checkpoint is kept, and it is
    not tried again, which Ray Tune does for machines that died; and for what a disk or a network did, which is raised.
    """
    keep_freed_memory()
    torch.set_num_threads(max(1, int(settings.cpus)))
    curve: list[list[float]] = []
    try:
        trainer = _trainer(config["architecture"], config["point"], store, settings)
        while not trainer.finished:
            epoch = trainer.run_epoch()
            curve = [[past.loss, past.oracle_correlation] for past in trainer.epochs]
            report = {"epoch": epoch.number, "loss": epoch.loss, METRIC: epoch.oracle_correlation, "curve": curve}
            with tempfile.TemporaryDirectory() as folder:
                trainer.checkpoint().write(Path(folder))
                tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder))
    except Exception as error:
        if isinstance(error.__cause__, OSError):  # the point is not at fault: --resume is to try it again
            raise
        traceback.print_exc()  # into the worker's log
        tune.report({"epoch": len(curve), "curve": curve, "failure": _told(error)})


def _trainer(architecture: str, point: dict[str, Any], store: str, settings: SweepSettings) -> Trainer:
    training = {"steps": settings.steps, **point["training"], "epochs": settings.epochs, "seed": settings.seed}
    trainer = Trainer(FrameStore.open(store), architecture, point["model"], TrainSettings(**training))
    saved = tune.get_checkpoint()
    if saved is not None:
        with saved.as_directory() as folder:
            trainer.resume(Checkpoint.read(Path(folder)), free=MUTATED if settings.scheduler == "pbt" else ())
    return trainer


def _told(error: Exception) -> dict[str, str]:
    """Plain values, since Ray Tune keeps them in a file."""
    if isinstance(error, SensoriumError):
        return {"kind": type(error).__name__, "what": error.what, "where": error.where, "mend": error.mend}
    return {"kind": type(error).__name__, "what": str(error), "where": "", "mend": ""}
