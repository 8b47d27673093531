"""One training by two workers of Ray Train."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ray import cloudpickle
from torch import nn
from world import World

from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import ConfigError, DataError
from sensorium_ray.training import distributed
from sensorium_ray.training.checkpoint import Checkpoint
from sensorium_ray.training.job import Task, train
from sensorium_ray.training.settings import TrainSettings
from sensorium_ray.training.trainer import Epoch, Trainer

NAME = "linear_nonlinear"
MODEL = {"channels": 4, "spatial_kernel": 9, "temporal_kernel": 5, "stride": 2}
SETTINGS = TrainSettings(epochs=2, steps=3, batch=5, mice=2, frames=8, cutmix=0.5)


class _Still(Task):
    """A training whose network stays in evaluation mode, in which workers differ from one process in nothing."""

    def trainer(self, device: object = None) -> Trainer:
        nn.Module.train = lambda module, mode=True: module  # type: ignore[assignment,method-assign]
        made = Task.trainer(self, device)  # type: ignore[arg-type]
        made._encoder.requires_grad_(True)
        for module in made._encoder.modules():
            module.training = False
        return made


def test_more_workers_than_windows_are_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a batch of 5 cannot be shared by 6"):
        train(world.store, NAME, tmp_path / "out", MODEL, SETTINGS, workers=6)


@pytest.mark.slow
def test_two_workers_train_as_one_does(world: World, tmp_path: Path, ray_session: None) -> None:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests
    out = tmp_path / "two"
    task = _Still(str(world.store), NAME, MODEL, SETTINGS, str(out))
    two: list[Epoch] = []
    distributed.train_on_workers(task, 2, two.append)
    alone = Trainer(FrameStore.open(world.store), NAME, MODEL, SETTINGS)
    alone._encoder.train = lambda mode=True: None  # type: ignore[assignment,method-assign]
    alone._encoder.eval()
    one = [alone.run_epoch() for _ in range(2)]
    assert [epoch.loss for epoch in two] == pytest.approx([epoch.loss for epoch in one], rel=1e-5)
    expected = [epoch.oracle_correlation for epoch in one]
    assert [epoch.oracle_correlation for epoch in two] == pytest.approx(expected, abs=1e-4)
    assert len(Checkpoint.read(out).resume["epochs"]) == 2


@pytest.mark.slow
def test_the_command_goes_on_with_two_workers_and_tells_what_one_raised(world: World, tmp_path: Path) -> None:
    short = replace(SETTINGS, steps=1)
    first = train(world.store, NAME, tmp_path / "out", MODEL, short, workers=2)
    assert [epoch["number"] for epoch in first["epochs"]] == [1, 2]
    assert train(world.store, NAME, tmp_path / "out", MODEL, short, workers=2, resume=True) == first
    with pytest.raises(DataError, match="diverged"):
        train(world.store, NAME, tmp_path / "wild", MODEL, replace(short, learning_rate=1e30, warmup=0.0), workers=2)
