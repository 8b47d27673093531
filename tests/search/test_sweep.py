"""Sweeps: folders that are refused or gone on with, failures that stay failures, and all of it on s3://."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import s3fs
from tiny_store import Tiny
from world import World

from sensorium_ray import storage
from sensorium_ray.bundle.export import export
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.errors import ConfigError, DataError
from sensorium_ray.search import sweep as sweep_module
from sensorium_ray.search.settings import METRIC, SweepSettings
from sensorium_ray.search.sweep import sweep
from sensorium_ray.training.checkpoint import Checkpoint

SMALL = SweepSettings(size="demo", samples=2, epochs=1, steps=2)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"samples": 0}, "samples: is 0; give 1 or more"),
        ({"gpus": -0.5}, "gpus: is -0.5; give 0 or more"),
        ({"hours": 0.0}, "hours: is 0.0; give more than 0"),
        ({"cost": 5.0}, "cost and price go together"),
        ({"search": "grid"}, "search: 'grid' is unknown; choose from random, optuna"),
        ({"search": "optuna", "scheduler": "pbt"}, "choose --search random with pbt"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        SweepSettings(**settings)


def test_an_unknown_space_leaves_no_folder(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'factorised3d'"):
        sweep(tiny.store, ["factorized3d"], tmp_path / "sweep", SMALL)
    assert not (tmp_path / "sweep").exists()


def test_a_ray_client_is_told_where_a_sweep_belongs(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ray job submit"):
        sweep(tiny.store, ["factorised3d"], tmp_path / "sweep", SMALL, address="ray://head:10001")


def test_an_unfinished_sweep_goes_on_only_if_asked_and_only_as_it_was(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_module, "run", killed)
    monkeypatch.setattr(sweep_module.compute, "connect", lambda address: None)
    monkeypatch.setattr(sweep_module.compute, "require", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        sweep(tiny.store, ["factorised3d"], tmp_path, SMALL)
    with pytest.raises(ConfigError, match="holds an unfinished sweep; add --resume to go on with it, or name another"):
        sweep(tiny.store, ["factorised3d"], tmp_path, SMALL)
    with pytest.raises(ConfigError, match="holds an unfinished sweep with other settings"):
        sweep(tiny.store, ["factorised3d"], tmp_path, SweepSettings(size="demo"), resume=True)
    with pytest.raises(ConfigError, match="holds an unfinished sweep with other spaces"):
        sweep(tiny.store, ["linear_nonlinear"], tmp_path, SMALL, resume=True)
    with pytest.raises(KeyboardInterrupt):
        sweep(tiny.store, ["factorised3d"], tmp_path, SMALL, resume=True)


@pytest.mark.parametrize(("asked", "what"), [({"gpus": 1.0}, "1 GPUs"), ({"cpus": 1000.0}, "1000 CPUs")])
def test_more_than_this_machine_has_is_refused_before_anything_waits_for_it(
    tiny: Tiny, ray_session: None, tmp_path: Path, asked: dict[str, float], what: str
) -> None:
    with pytest.raises(ConfigError, match=f"a tune trial: needs {what} at once, and there are .*--address"):
        sweep(tiny.store, ["linear_nonlinear"], tmp_path / "sweep", replace(SMALL, **asked))
    assert not (tmp_path / "sweep").exists()


def test_a_failure_of_every_tune_trial_is_its_error_and_no_score(world: World, tmp_path: Path) -> None:
    space = tmp_path / "linear_nonlinear.py"
    space.write_text('DEMO = {"model": {"channels": 4, "stride": 2}, "training": {"learning_rate": 1e30}}')
    with pytest.raises(DataError, match="training diverged"):
        sweep(world.store, [str(space)], tmp_path / "sweep", replace(SMALL, steps=4))
    assert not (tmp_path / "sweep" / "sweep.json").exists()


@pytest.mark.slow
def test_a_sweep_on_s3_keeps_what_is_good_together(world: World, s3_server: str, tmp_path: Path) -> None:
    bucket = f"bucket-{uuid.uuid4().hex}"
    store, out = f"s3://{bucket}/store", f"s3://{bucket}/lab/sweep"
    files = s3fs.S3FileSystem()
    files.mkdir(bucket)
    files.put(str(world.store), store, recursive=True)
    settings = SweepSettings(size="demo", samples=2, epochs=1, steps=2, scheduler="none", keep=2)
    result = sweep(store, ["linear_nonlinear"], out, settings)
    assert [row["outcome"] for row in result["trials"]] == ["finished", "finished"]
    folder = storage.locate(out)
    assert storage.read_json(folder / "sweep.json") == result
    assert storage.read_bytes(folder / "curves.csv").count(b"\n") == 1 + 2
    best = Checkpoint.read(folder / "best" / "linear_nonlinear")
    assert best.provenance[METRIC] == max(row[METRIC] for row in result["trials"])
    assert sorted(name.partition("-")[0] for name in result["top"]) == ["1", "2"]
    assert storage.names(folder / "top") == result["top"]
    assert sweep(store, ["linear_nonlinear"], out, settings, resume=True) == result
    with pytest.raises(ConfigError, match="holds a finished sweep; name another output"):
        sweep(store, ["linear_nonlinear"], out, settings)
    export(f"{out}/top/{result['top'][0]}", f"s3://{bucket}/bundle")
    assert load_predictor(f"s3://{bucket}/bundle").manifest.provenance["store"] == store
