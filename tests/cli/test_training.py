"""`sensorium train`: settings from three places, and a result that scripts read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner
from world import World

from sensorium_ray import cli
from sensorium_ray.errors import ConfigError

NAME = "linear_nonlinear"
SMALL = {
    "model": {"channels": 4, "spatial_kernel": 9, "temporal_kernel": 5, "stride": 2},
    "training": {"epochs": 1, "steps": 2, "batch": 2, "frames": 8},
}


@pytest.fixture(autouse=True)
def _leave_the_memory_of_the_tests_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command has a process to itself; these tests share theirs with all others."""
    monkeypatch.setattr("sensorium_ray.training.memory.keep_freed_memory", lambda: None)


def _train(*arguments: object) -> str:
    result = CliRunner().invoke(cli.app, ["train", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_a_training_is_one_command_and_goes_on_with_another(world: World, tmp_path: Path) -> None:
    (tmp_path / "small.json").write_text(json.dumps(SMALL))
    common = (world.store, "--arch", NAME, "--config", tmp_path / "small.json", "--fold", "2/2")
    more = ("--set", "training.epochs=2", "--set", "training.patience=1")
    result = json.loads(_train(*common, *more, "--out", tmp_path / "out", "--json"))
    assert result["best"]["fold_correlation"] is not None
    training = json.loads((tmp_path / "out" / "checkpoint.json").read_text())["provenance"]["training"]
    assert (training["fold"], training["folds"], training["epochs"]) == (2, 2, 2)
    assert training["learning_rate"] == 5e-3, "as published"
    said = _train(*common, *more, "--out", tmp_path / "out", "--resume")
    assert f"{NAME}, epoch {result['best']['number']} of {len(result['epochs'])}, correlation: oracle" in said
    tuned = json.loads(
        _train(
            world.store, "--arch", NAME, "--start", tmp_path / "out", "--out", tmp_path / "tuned", "--json",
            "--set", "training.epochs=1", "--set", "training.steps=1",
        )
    )  # fmt: skip
    assert len(tuned["epochs"]) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--arch", "dwisneuro"), "there is no architecture 'dwisneuro'; did you mean 'dwiseneuro'"),
        (("--arch", NAME, "--set", "training.epoch=3"), "training: has no setting 'epoch'; did you mean 'epochs'"),
        (("--arch", NAME, "--set", "model.chanels=3"), "has no setting 'chanels'; did you mean 'channels'"),
        (("--arch", NAME, "--set", "epochs=3"), "has no setting 'epochs'; begin its name with model. or training."),
        (("--arch", NAME, "--set", "training.epochs"), "'training.epochs' is no setting; give NAME=VALUE"),
        (("--arch", NAME, "--fold", "0/7"), "--fold: is '0/7'; give K/N, such as 1/7"),
        (("--arch", NAME, "--fold", "8/7"), "training: fold: is 8; give 1..7"),
    ],
)
def test_bad_settings_are_one_sentence(world: World, tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _train(world.store, *arguments, "--out", tmp_path / "out")
    assert sentence in str(caught.value)
    assert not (tmp_path / "out").exists()
