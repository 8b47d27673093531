"""`train`: a checkpoint folder that is whole at any time, and that training goes on from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small import SMALL
from world import World

from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import ConfigError, DataError
from sensorium_ray.training import checkpoint as checkpoint_module
from sensorium_ray.training.checkpoint import Checkpoint
from sensorium_ray.training.epochs import Epoch
from sensorium_ray.training.job import train
from sensorium_ray.training.settings import TrainSettings
from sensorium_ray.training.trainer import Trainer

NAME = "linear_nonlinear"
SETTINGS = TrainSettings(epochs=3, steps=3, batch=4, mice=2, frames=8, cutmix=0.5, micro_batch=3, fold=1, folds=2)


def _train(world: World, out: Path, settings: TrainSettings = SETTINGS, **options: Any) -> dict[str, Any]:
    return train(world.store, NAME, out, SMALL[NAME], settings, **options)


def _stop_in_epoch(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> None:
    whole = Trainer.run_epoch

    def run_epoch(self: Trainer, *rest: Any) -> Epoch:
        if len(self.epochs) + 1 == number:
            raise error
        return whole(self, *rest)

    monkeypatch.setattr(Trainer, "run_epoch", run_epoch)


def test_a_training_that_is_interrupted_goes_on_as_if_it_had_not_been(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With every piece that changes what a step does."""
    whole = _train(world, tmp_path / "whole", track="tensorboard")
    with monkeypatch.context() as patch:
        _stop_in_epoch(patch, 3, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            _train(world, tmp_path / "cut")
    assert "stopped after epoch 2; run the same command with --resume to go on" in capsys.readouterr().err
    again = _train(world, tmp_path / "cut", resume=True)
    for name in ("loss", "oracle_correlation", "fold_correlation"):
        expected = [epoch[name] for epoch in whole["epochs"]]
        assert [epoch[name] for epoch in again["epochs"]] == pytest.approx(expected, abs=1e-6)
    assert list((tmp_path / "whole" / "tensorboard").iterdir())
    assert _train(world, tmp_path / "cut", resume=True) == again


def test_the_best_epoch_is_kept_and_the_last_gone_on_from(world: World, tmp_path: Path) -> None:
    result = _train(world, tmp_path / "out")
    saved, store = Checkpoint.read(tmp_path / "out"), FrameStore.open(world.store)
    best = max(result["epochs"], key=lambda epoch: epoch["fold_correlation"])
    assert result["best"] == best
    assert saved.provenance["epoch"] == best["number"]
    trainer = Trainer(store, NAME, SMALL[NAME], SETTINGS)
    while len(trainer.epochs) < best["number"]:
        trainer.run_epoch()
    for name, value in trainer._average.state_dict().items():
        assert saved.weights[name].numpy() == pytest.approx(value.numpy(), abs=1e-6)


def test_a_diverged_training_keeps_its_last_good_epoch(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stop_in_epoch(monkeypatch, 2, DataError("training diverged: the loss or its gradient is not finite"))
    with pytest.raises(DataError, match="diverged"):
        _train(world, tmp_path / "out")
    assert [epoch["number"] for epoch in Checkpoint.read(tmp_path / "out").resume["epochs"]] == [1]


def test_a_checkpoint_is_whole_while_the_next_is_written(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(FrameStore.open(world.store), NAME, SMALL[NAME], SETTINGS)
    trainer.run_epoch()
    trainer.checkpoint().write(tmp_path)
    trainer.run_epoch()

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_module, "write_json", fail)
        with pytest.raises(KeyboardInterrupt):
            trainer.checkpoint().write(tmp_path)
    assert len(Checkpoint.read(tmp_path).resume["epochs"]) == 1
    trainer.checkpoint().write(tmp_path)
    assert len(Checkpoint.read(tmp_path).resume["epochs"]) == 2
    assert len(list(tmp_path.iterdir())) == 4


def test_training_ends_when_its_score_has_not_risen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.1, 0.3, 0.2, 0.25, 0.9])
    trainer = Trainer(FrameStore.open(world.store), NAME, SMALL[NAME], replace(SETTINGS, epochs=9, fold=0, patience=2))
    monkeypatch.setattr(trainer, "step", lambda step, batch: 0.0)
    monkeypatch.setattr(trainer, "_scores", lambda: [next(scores)])
    while not trainer.finished:
        trainer.run_epoch()
    assert [epoch.oracle_correlation for epoch in trainer.epochs] == [0.1, 0.3, 0.2, 0.25]
    assert trainer.best == trainer.epochs[1]


def test_a_fold_that_is_left_out_is_scored_and_not_trained_on(world: World) -> None:
    store = FrameStore.open(world.store)
    train_on = {}
    for fold in (1, 2):
        split = Trainer(store, NAME, SMALL[NAME], replace(SETTINGS, fold=fold))._split
        for mouse in store.mice:
            train_on[fold, mouse] = {info.trial for info in split.train[mouse]}
            left_out = {info.trial for info in split.left_out[mouse]}
            assert train_on[fold, mouse] | left_out == {info.trial for info in store[mouse].select("train")}
            assert not train_on[fold, mouse] & left_out
    for mouse in store.mice:
        assert not train_on[1, mouse] & train_on[2, mouse]


def test_what_is_there_is_not_overwritten(world: World, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("")
    with pytest.raises(DataError, match="exists already"):
        _train(world, tmp_path / "out")


def test_a_checkpoint_of_another_architecture_is_not_gone_on_from(world: World, tmp_path: Path) -> None:
    quick = replace(SETTINGS, epochs=1, steps=1, fold=0)
    _train(world, tmp_path / "out", quick)
    with pytest.raises(ConfigError, match="the checkpoint's architecture differs"):
        train(world.store, "factorised3d", tmp_path / "out", SMALL["factorised3d"], quick, resume=True)
    with pytest.raises(ConfigError, match="the checkpoint's config differs"):
        train(world.store, NAME, tmp_path / "out", {**SMALL[NAME], "channels": 2}, quick, resume=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`")
def test_a_compiled_core_learns_the_same(world: World) -> None:
    store = FrameStore.open(world.store)
    quick = replace(SETTINGS, steps=2, fold=0, micro_batch=None, cutmix=0.0)
    losses = [
        Trainer(store, NAME, SMALL[NAME], replace(quick, compile=chosen)).run_epoch().loss for chosen in (False, True)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
