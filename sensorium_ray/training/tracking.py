"""Where curves are kept beside the checkpoint: TensorBoard, MLflow or Weights & Biases."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol, get_args

from ..errors import ConfigError

Service = Literal["tensorboard", "mlflow", "wandb"]


class Tracker(Protocol):
    """Takes the numbers of every epoch."""

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """Keep an epoch's numbers."""

    def close(self) -> None:
        """Send what is not sent yet."""


def open_tracker(service: str, out: Path, settings: Mapping[str, Any], epoch: int = 0) -> Tracker:
    """Begin to track a training.

    Parameters
    ----------
    service : 'tensorboard' writes to `out/tensorboard`; 'mlflow' and 'wandb' to where their environment variables
        say, as for every program that uses them.
    out : the training's folder, whose name is the run's.
    settings : plain values, by name.
    epoch : epochs that are done before; what TensorBoard has of later ones is hidden.

    Raises
    ------
    ConfigError : there is no such service, or it is not installed.
    """
    if service not in _OPEN:
        raise ConfigError(f"'{service}' is unknown", "track", f"known: {', '.join(get_args(Service))}")
    module, opened = _OPEN[service]
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"{service} is not installed", "track", f"pip install {service}") from error
    return opened(found, out, settings, epoch)


class TensorBoard:
    """Event files, which `tensorboard --logdir` shows."""

    def __init__(self, tensorboardx: ModuleType, out: Path, settings: Mapping[str, Any], epoch: int) -> None:
        self._writer = tensorboardx.SummaryWriter(str(out / "tensorboard"), purge_step=epoch + 1)
        self._writer.add_text("settings", "\n".join(f"    {name}: {value}" for name, value in settings.items()))

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """Keep an epoch's numbers."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


class MLflow:
    """A run of MLflow's current experiment."""

    def __init__(self, mlflow: ModuleType, out: Path, settings: Mapping[str, Any], epoch: int) -> None:
        self._mlflow = mlflow
        mlflow.start_run(run_name=out.name)
        mlflow.log_params(dict(settings))

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """Keep an epoch's numbers."""
        self._mlflow.log_metrics(dict(values), step=epoch)

    def close(self) -> None:
        """End the run."""
        self._mlflow.end_run()


class Wandb:
    """A run of the project 'sensorium' at Weights & Biases."""

    def __init__(self, wandb: ModuleType, out: Path, settings: Mapping[str, Any], epoch: int) -> None:
        self._run = wandb.init(project="sensorium", name=out.name, dir=str(out), config=dict(settings))

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """Keep an epoch's numbers."""
        self._run.log(dict(values), step=epoch)

    def close(self) -> None:
        """End the run."""
        self._run.finish()


_OPEN: dict[str, tuple[str, Callable[[ModuleType, Path, Mapping[str, Any], int], Tracker]]] = {
    "tensorboard": ("tensorboardX", TensorBoard),
    "mlflow": ("mlflow", MLflow),
    "wandb": ("wandb", Wandb),
}
"""Module and class by service."""
