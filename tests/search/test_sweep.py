"""Sweeps: what a space must be, failures that stay failures, and a sweep that is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from world import World

from sensorium_ray.errors import ConfigError
from sensorium_ray.search import sweep as sweep_module
from sensorium_ray.search.spaces import draw, space
from sensorium_ray.search.sweep import METRIC, SweepSettings, sweep
from sensorium_ray.storage import read_json

SENSORIUM = (sys.executable, "-c", "from sensorium_ray.cli import main; main()")


def test_a_draw_repeats_itself_and_stays_in_the_space() -> None:
    found = space("factorised3d")
    first, again, other = (draw(found, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert 1e-3 <= first["training"]["learning_rate"] <= 1e-2


def test_an_unknown_space_is_answered_with_the_known(tmp_path: Path, world: World) -> None:
    with pytest.raises(ConfigError, match="there is no architecture 'factorized3d'; did you mean 'factorised3d'"):
        sweep(world.store, ["factorized3d"], tmp_path / "sweep", SweepSettings())
    assert not (tmp_path / "sweep").exists()


def test_a_failure_of_every_tune_trial_is_its_error_and_no_score(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impossible = {"model": {"channels": (8, 8), "spatial_kernels": (9,)}, "training": {}}
    monkeypatch.setattr(sweep_module, "space", lambda name, size: impossible)
    with pytest.raises(ConfigError, match="differ in length"):
        sweep(world.store, ["factorised3d"], tmp_path / "sweep", SweepSettings(trials=1, epochs=1, steps=1))
    assert not (tmp_path / "sweep" / "sweep.json").exists()


@pytest.mark.slow
def test_a_killed_sweep_goes_on_and_ends_as_one_that_was_not(world: World, tmp_path: Path) -> None:
    options = ["--size", "demo", "--trials", "1", "--epochs", "4", "--steps", "20", "--out"]

    def start(out: Path) -> subprocess.Popen[bytes]:
        command = [*SENSORIUM, "sweep", str(world.store), "factorised3d", *options, str(out)]
        return subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)

    assert start(tmp_path / "whole").wait(300) == 0
    killed = start(tmp_path / "killed")
    deadline = time.monotonic() + 120
    while not list((tmp_path / "killed").glob("tune/sweep/*/checkpoint_*/checkpoint.json")):
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "sweep.json").exists()
    assert start(tmp_path / "killed").wait(300) == 0
    expected, found = (read_json(tmp_path / name / "sweep.json")["trials"] for name in ("whole", "killed"))
    assert [row["epochs"] for row in found] == [4]
    assert found[0][METRIC] == pytest.approx(expected[0][METRIC], abs=1e-6)
