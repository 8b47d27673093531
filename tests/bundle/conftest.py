from __future__ import annotations

from pathlib import Path

import pytest
from small import SMALL
from world import World

from sensorium_ray.bundle.export import export
from sensorium_ray.data.store import FrameStore
from sensorium_ray.training.settings import TrainSettings
from sensorium_ray.training.trainer import Trainer


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, world: World) -> dict[str, Path]:
    """A barely trained checkpoint of every architecture."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, config in SMALL.items():
        trainer = Trainer(FrameStore.open(world.store), name, config, TrainSettings(epochs=1, steps=4, batch=4))
        trainer.run_epoch()
        trainer.checkpoint().write(folder / name)
    return {name: folder / name for name in SMALL}


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory, checkpoints: dict[str, Path]) -> dict[str, Path]:
    """Their bundles, each made when it is first asked for, since an export takes a quarter of a minute."""
    folder = tmp_path_factory.mktemp("bundles")

    class Bundles(dict[str, Path]):
        def __missing__(self, name: str) -> Path:
            export(checkpoints[name], folder / name)
            self[name] = folder / name
            return self[name]

    return Bundles()
