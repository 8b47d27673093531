"""Tune trials that do not train: their scores follow from their points, their checkpoints are a number."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune

from sensorium_ray.search.budget import Budget
from sensorium_ray.search.outcome import rows
from sensorium_ray.search.settings import METRIC, SweepSettings
from sensorium_ray.search.spaces import Space
from sensorium_ray.search.tuner import run

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # Ray's processes do not know this folder


def space(architecture: str = "linear_nonlinear", published: float | None = None) -> Space:
    """One with a learning rate that is best at 1, the higher the better."""
    rate = tune.uniform(0.0, 1.0)
    point = None if published is None else {"model": {}, "training": {"learning_rate": published}}
    return Space(architecture, {"model": {}, "training": {"learning_rate": rate}}, point)


def rate(config: dict[str, Any]) -> float:
    return float(config["point"]["training"]["learning_rate"])


def train(
    config: dict[str, Any], epochs: int, log: str = "", pause: float = 0.0, fail: str = "", die: str = ""
) -> None:
    """Add the learning rate to the score at every epoch, and say so in a file of `log`."""
    if die == config["name"]:
        os._exit(1)
    curve: list[list[float]] = []
    saved = tune.get_checkpoint()
    if saved is not None:
        with saved.as_directory() as folder:
            curve = json.loads((Path(folder) / "checkpoint.json").read_text())
    while len(curve) < epochs:
        if log:
            with (Path(log) / f"{config['name']}.log").open("a") as file:
                file.write(f"{len(curve) + 1}\n")
        time.sleep(pause)
        if fail == config["name"] and len(curve) == 1:
            failure = {"kind": "DataError", "what": "training diverged", "where": "stub", "mend": "lower it"}
            tune.report({"epoch": 1, "curve": curve, "failure": failure})
            return
        curve = [*curve, [0.0, (curve[-1][1] if curve else 0.0) + rate(config)]]
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "checkpoint.json").write_text(json.dumps(curve))
            report = {"epoch": len(curve), "loss": 0.0, METRIC: curve[-1][1], "curve": curve}
            tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder))


def sweep(out: Path, spaces: list[Space], settings: SweepSettings, **arguments: Any) -> list[dict[str, Any]]:
    """Rows of a sweep of such tune trials."""
    return sweep_with(Budget(settings), out, spaces, settings, **arguments)


def sweep_with(
    budget: Budget, out: Path, spaces: list[Space], settings: SweepSettings, **arguments: Any
) -> list[dict[str, Any]]:
    """The same with a budget of your own."""
    trainable = tune.with_parameters(train, epochs=settings.epochs, **arguments)
    return rows(run(trainable, spaces, out, settings, budget), settings.epochs)
