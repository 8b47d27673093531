"""Training: it learns, it repeats itself, and it goes on as if it had never stopped."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small import SMALL
from world import World

from sensorium_ray.bundle.export import export
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.loading import sample_windows
from sensorium_ray.data.simulate import SCALES_2022, simulate
from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import BundleError, ConfigError, DataError
from sensorium_ray.training.checkpoint import Checkpoint
from sensorium_ray.training.losses import poisson_loss
from sensorium_ray.training.settings import TrainSettings
from sensorium_ray.training.trainer import Trainer


def _trainer(world: World, name: str = "factorised3d", **settings: float) -> Trainer:
    fast = {"epochs": 3, "steps": 6, "batch": 4, "frames": 16, **settings}
    return Trainer(FrameStore.open(world.store), name, SMALL[name], TrainSettings(**fast))  # type: ignore[arg-type]


def _loss_on_fixed_windows(trainer: Trainer, store: FrameStore) -> float:
    """Poisson loss of the trained network on the same 16 training windows every time."""
    checkpoint = trainer.checkpoint()
    encoder, mouse = checkpoint.encoder().eval(), store[store.mice[0]]
    batch = sample_windows(mouse, mouse.select("train"), 16, 24, 1, np.random.default_rng(0))
    neurons = torch.tensor(checkpoint.population.neuron_range(mouse.name))
    inputs = [torch.from_numpy(array) for array in (batch.video, batch.behavior, batch.pupil_center)]
    moment = torch.from_numpy(batch.moment)
    with torch.no_grad():
        predicted = encoder(*inputs, torch.zeros(16, dtype=torch.int64), neurons, moment)
        frames = predicted.shape[2]
        scale = encoder.response_units(neurons, moment, frames)
        recorded = torch.from_numpy(batch.responses)[:, :, -frames:]
        return poisson_loss(predicted / scale, recorded / scale).item()


@pytest.mark.parametrize("name", sorted(SMALL))
def test_training_lowers_the_loss(world: World, name: str) -> None:
    trainer = _trainer(world, name, steps=30, batch=8, learning_rate=5e-3)
    store = FrameStore.open(world.store)
    before = _loss_on_fixed_windows(trainer, store)
    for _ in range(3):
        trainer.run_epoch()
    assert _loss_on_fixed_windows(trainer, store) < before
    assert trainer.finished


def test_going_on_from_a_checkpoint_gives_the_losses_of_never_having_stopped(world: World, tmp_path: Path) -> None:
    whole = _trainer(world)
    expected = [whole.run_epoch() for _ in range(3)]
    first = _trainer(world)
    first.run_epoch()
    first.checkpoint().write(tmp_path / "checkpoint")
    second = _trainer(world)
    second.resume(Checkpoint.read(tmp_path / "checkpoint"))
    second.run_epoch()
    second.run_epoch()
    assert [epoch.loss for epoch in second.epochs] == pytest.approx([epoch.loss for epoch in expected], abs=1e-6)
    assert second.epochs[-1].oracle_correlation == pytest.approx(expected[-1].oracle_correlation, abs=1e-6)


def test_another_seed_is_another_training(world: World) -> None:
    losses = {_trainer(world, seed=seed).run_epoch().loss for seed in (0, 0, 1)}
    assert len(losses) == 2


def test_a_checkpoint_of_other_settings_is_refused(world: World, tmp_path: Path) -> None:
    _trainer(world).checkpoint().write(tmp_path / "checkpoint")
    with pytest.raises(ConfigError, match="training differs"):
        _trainer(world, seed=1).resume(Checkpoint.read(tmp_path / "checkpoint"))


def test_a_cut_off_checkpoint_is_refused(world: World, tmp_path: Path) -> None:
    _trainer(world).checkpoint().write(tmp_path / "checkpoint")
    (weights,) = (tmp_path / "checkpoint").glob("weights-*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BundleError, match="is not a whole checkpoint"):
        Checkpoint.read(tmp_path / "checkpoint")


def test_a_diverged_training_is_an_error_and_no_score(world: World) -> None:
    trainer = _trainer(world, learning_rate=1e30, warmup=0.0)
    with pytest.raises(DataError, match="diverged"):
        trainer.run_epoch()


def test_the_poisson_loss_is_least_where_the_prediction_is_the_mean() -> None:
    recorded = torch.tensor([0.0, 0.0, 3.0, 1.0])
    guesses = torch.linspace(0.1, 3, 200)
    losses = torch.stack([poisson_loss(guess.expand(4), recorded) for guess in guesses])
    assert guesses[losses.argmin()].item() == pytest.approx(1.0, abs=0.02)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    """A frame store of 2022: trials of one frame, three behaviour channels, tier 'validation'."""
    folder = tmp_path_factory.mktemp("images")
    small = replace(SCALES_2022["tiny"], neurons=(7, 5), train=10, validation=6, tested=1, calibration=1)
    simulate(folder / "mice", small, seed=0)
    ingest(folder / "mice", folder / "store")
    return folder / "store"


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_model_of_still_images_is_trained_scored_and_exported(images: Path, name: str, tmp_path: Path) -> None:
    store = FrameStore.open(images)
    trainer = Trainer(store, name, SMALL[name], TrainSettings(epochs=1, steps=4, batch=4))
    epoch = trainer.run_epoch()
    assert np.isfinite([epoch.loss, epoch.oracle_correlation]).all()
    trainer.checkpoint().write(tmp_path / "checkpoint")
    manifest = export(tmp_path / "checkpoint", tmp_path / "bundle")
    assert manifest.behavior_channels == 3
    mouse = store[store.mice[1]]
    answer = load_predictor(tmp_path / "bundle").predict(mouse.clip(mouse.trials[0].trial), mouse.name)
    assert answer.shape == (5, 1)


def test_an_epoch_reads_the_windows_that_its_seed_draws(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they are read: in turn over the mice, from the epoch's own random numbers."""
    trainer, store, used = _trainer(world), FrameStore.open(world.store), []
    monkeypatch.setattr(trainer, "step", lambda step, batch: used.append((step, copy.deepcopy(batch))) or 0.0)
    trainer.run_epoch()
    rng = np.random.default_rng((0, 0))
    rng.integers(2**62)
    assert [step for step, _ in used] == list(range(6))
    for (_, by_mouse), expected in zip(used, store.mice * 3, strict=True):
        ((name, batch),) = by_mouse.items()
        assert name == expected
        mouse = store[name]
        again = sample_windows(mouse, mouse.select("train"), 4, batch.video.shape[1], 1, rng)
        np.testing.assert_array_equal(batch.responses, again.responses)
