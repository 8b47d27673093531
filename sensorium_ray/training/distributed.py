"""One training by several workers of Ray Train, each with a share of every batch; see `sharing`.

What differs from one process is the random numbers inside the network, and batch normalisation, which sees a
worker's share.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from threading import Thread
from typing import Any

import ray.train
import torch
from ray.train.torch import TorchTrainer, get_device
from ray.util.queue import Empty, Queue

from .. import compute
from ..errors import SensoriumError
from .epochs import Epoch
from .job import Task
from .memory import keep_freed_memory


def train_on_workers(
    task: Task, workers: int, on_epoch: Callable[[Epoch], None], *, cpus: float = 1, address: str | None = None
) -> None:
    """Train a task, or go on with it, to its end. May be called inside a tune trial.

    Parameters
    ----------
    workers : processes; each has a GPU where the cluster has GPUs.
    on_epoch : called here with every epoch, after its checkpoint is whole in `task.out`.
    cpus : cores a worker.

    Raises
    ------
    SensoriumError : what a worker raised; a worker died; this machine has fewer cores than they need.
    """
    compute.connect(address)
    compute.require("training", address, CPU=workers * cpus)
    told = Queue(actor_options={"num_cpus": 0})
    with tempfile.TemporaryDirectory() as folder:
        trainer = TorchTrainer(
            _work,
            train_loop_config={"task": task, "told": told, "threads": max(1, int(cpus))},
            scaling_config=ray.train.ScalingConfig(
                num_workers=workers,
                use_gpu=ray.cluster_resources().get("GPU", 0) >= workers,
                resources_per_worker={"CPU": cpus},
            ),
            run_config=ray.train.RunConfig(storage_path=folder),
        )
        failures: list[BaseException] = []
        fitting = Thread(target=_fit, args=(trainer, failures), daemon=True)
        fitting.start()
        try:
            _listen(told, fitting, on_epoch)
        finally:
            told.shutdown(force=True)  # workers that are left over end when they have nobody to tell
        if failures:
            raise SensoriumError(f"a worker died ({failures[0]})", task.out, "run it again with --resume")


def _fit(trainer: TorchTrainer, failures: list[BaseException]) -> None:
    try:
        trainer.fit()
    except BaseException as error:
        failures.append(error)


def _listen(told: Queue, fitting: Thread, on_epoch: Callable[[Epoch], None]) -> None:
    """Hand on what workers tell until they are done; what one raised is raised here."""
    while True:
        over = not fitting.is_alive()
        try:
            news = told.get(timeout=0.1 if over else 1.0)
        except Empty:
            if over:
                return
            continue
        if isinstance(news, BaseException):
            raise compute.original(news)
        on_epoch(news)


def _work(config: dict[str, Any]) -> None:
    """What every worker does."""
    task, told = config["task"], config["told"]
    keep_freed_memory()
    torch.set_num_threads(config["threads"])
    try:
        task.run(task.trainer(get_device()), on_epoch=told.put)
    except Exception as error:
        told.put(error)
        raise
