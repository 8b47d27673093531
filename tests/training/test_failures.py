"""Memory that runs out, and a loss that is not finite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small import SMALL
from world import World

from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import ConfigError, DataError
from sensorium_ray.training.checkpoint import Checkpoint
from sensorium_ray.training.failures import is_out_of_memory
from sensorium_ray.training.settings import TrainSettings
from sensorium_ray.training.step import StepLoss
from sensorium_ray.training.trainer import Trainer


def _trainer(world: World, **settings: Any) -> Trainer:
    chosen = TrainSettings(**{"epochs": 2, "steps": 3, "batch": 5, "mice": 2, "frames": 8, **settings})
    return Trainer(FrameStore.open(world.store), "linear_nonlinear", SMALL["linear_nonlinear"], chosen)


def _run_out(monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    """Memory holds `largest` windows at once."""
    whole = StepLoss.add_gradient

    def add_gradient(self: StepLoss, encoder: Any, batch: Any, windows: Any, micro_batch: int | None) -> float:
        if (micro_batch or sum(windows.values())) > largest:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, encoder, batch, windows, micro_batch)

    monkeypatch.setattr(StepLoss, "add_gradient", add_gradient)


def test_out_of_memory_halves_the_micro_batch_once_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _run_out(monkeypatch, largest=3)
    trainer = _trainer(world)
    trainer.run_epoch()
    said = "linear_nonlinear: out of memory with 5 windows at once, going on with 3\n"
    assert capsys.readouterr().err == said
    trainer.checkpoint().write(tmp_path)
    saved = Checkpoint.read(tmp_path)
    assert saved.provenance["micro_batch"] == 3
    again = _trainer(world)
    again.resume(saved)
    again.run_epoch()
    assert capsys.readouterr().err == ""


def test_out_of_memory_again_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _run_out(monkeypatch, largest=2)
    with pytest.raises(ConfigError, match="out of memory with 3 windows at once; lower micro_batch"):
        _trainer(world).run_epoch()


def test_a_single_window_cannot_be_halved(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _run_out(monkeypatch, largest=0)
    with pytest.raises(ConfigError, match="out of memory with 1 windows at once"):
        _trainer(world, micro_batch=1).run_epoch()


def test_a_cpu_that_is_out_of_memory_is_known_by_its_words() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("sizes differ"))


def test_a_gradient_that_is_not_finite_leaves_the_weights(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = StepLoss.add_gradient

    def spoilt(self: StepLoss, encoder: Any, *rest: Any) -> float:
        value = whole(self, encoder, *rest)
        next(encoder.parameters()).grad.mul_(torch.nan)
        return value

    monkeypatch.setattr(StepLoss, "add_gradient", spoilt)
    trainer = _trainer(world, clip_norm=0.0)
    before = {name: value.clone() for name, value in trainer.checkpoint().resume["encoder"].items()}
    with pytest.raises(DataError, match="training diverged: the gradient is not finite"):
        trainer.run_epoch()
    parameters = [name for name, _ in trainer.checkpoint().encoder().named_parameters()]
    for name in parameters:
        torch.testing.assert_close(trainer.checkpoint().resume["encoder"][name], before[name])


def test_a_score_that_is_not_finite_is_no_epoch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = _trainer(world)
    monkeypatch.setattr(trainer, "_scores", lambda: [float("nan")])
    with pytest.raises(DataError, match="training diverged: the score is not finite"):
        trainer.run_epoch()
    assert trainer.epochs == []
