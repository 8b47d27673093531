"""`sensorium experiment`: what it lists, what it refuses before any work, and that a bundle and an endpoint agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from serving.endpoints import answering
from typer.testing import CliRunner, Result

from sensorium_ray import results
from sensorium_ray.bundle.manifest import Manifest
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.cli import app
from sensorium_ray.insilico import find, opening
from sensorium_ray.results import load_result
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.catalogue import Catalogue
from sensorium_ray.serving.laboratory import Laboratory
from sensorium_ray.serving.predictors import Predictors

BUNDLE = PRETRAINED / "linear_nonlinear"
SETTINGS = ("directions=4", "spatial_frequencies=[0.05]", "temporal_frequencies=[2.0]", "seconds=0.5")
SMALL = [word for setting in SETTINGS for word in ("--set", setting)]


@pytest.fixture(scope="module")
def mouse() -> str:
    return Manifest.read(BUNDLE).mice[1].name


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    models = Catalogue(BUNDLE)
    predictors = Predictors(models)
    made = Laboratory(tmp_path_factory.mktemp("runs"), models, predictors)
    with answering(make_app(models, predictors.predict, laboratory=made)) as url:
        yield url
    made.close()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["experiment", *map(str, arguments)])


def refusal(*arguments: object) -> str:
    ended = run(*arguments)
    assert ended.exception is not None, ended.output
    return str(ended.exception)


def test_the_experiments_are_listed_with_what_they_find_out() -> None:
    lines = run().stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == find.names()
    assert lines[find.names().index("direction_tuning")].endswith("tuning by drifting gratings.")
    assert list(json.loads(run("--json").stdout)) == find.names()


@pytest.mark.parametrize("name", find.names())
def test_every_setting_is_told_with_its_usual_value_and_its_meaning(name: str) -> None:
    told = json.loads(run(name, "--json").stdout)
    assert told
    assert all(setting["about"] for setting in told.values())
    assert all(f"  {setting}=" in run(name).stdout for setting in told)


def test_a_bundle_and_an_endpoint_agree(mouse: str, url: str, tmp_path: Path) -> None:
    asked = ("--mouse", mouse, "--neurons", "0,5,7", *SMALL)
    here = run("direction_tuning", BUNDLE, *asked, "--out", tmp_path / "here.nc", "--plot", tmp_path / "here.svg")
    there = run("direction_tuning", url, *asked, "--out", tmp_path / "there.parquet", "--plot", tmp_path / "there.png")
    assert (here.exit_code, there.exit_code) == (0, 0), (here.output, there.output)
    found = load_result(tmp_path / "here.nc")
    assert found.sizes["neuron"] == 3
    xr.testing.assert_allclose(load_result(tmp_path / "there.parquet"), found)
    assert (tmp_path / "there.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "here.svg").read_text()
    assert "osi: median" in here.stdout
    assert here.stdout.splitlines()[:-2] == there.stdout.splitlines()[:-2]


def test_a_script_reads_what_was_found(mouse: str) -> None:
    told = json.loads(run("direction_tuning", BUNDLE, "--mouse", mouse, "--neurons", "5", *SMALL, "--json").stdout)
    assert (told["experiment"], told["mouse"], told["neurons"], told["out"]) == ("direction_tuning", mouse, 1, None)
    low, median, high = told["values"]["osi"]
    assert 0 <= low == median == high <= 1


def test_what_is_too_large_for_a_table_is_not_lost(mouse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "MOST_ROWS", 1)
    ended = run("direction_tuning", BUNDLE, "--mouse", mouse, "--neurons", "5", *SMALL, "--out", tmp_path / "a.parquet")
    assert "note: this is too large for a table: a.parquet.nc has it as netCDF" in ended.stderr
    assert load_result(tmp_path / "a.parquet.nc").sizes["neuron"] == 1
    assert ended.stdout.splitlines()[-1] == str(tmp_path / "a.parquet.nc")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["direction_tunin", "TARGET"], "there is no experiment 'direction_tunin'; did you mean 'direction_tuning'?"),
        (["direction_tunin"], "did you mean 'direction_tuning'?"),
        (["direction_tuning", "TARGET", "--set", "direction=3"], "did you mean 'directions'?"),
        (["direction_tuning", "TARGET", "--set", "directions"], "--set: 'directions' is no setting"),
        (["direction_tuning", "TARGET", "--out", "a.csv"], "--out: 'a.csv' is of another kind; name a file that ends"),
        (["direction_tuning", "TARGET", "--plot", "a.nc"], "--plot: 'a.nc' is of another kind; name a file that ends"),
        (["direction_tuning", "TARGET", "--out", "THERE"], "exists already; name another output or remove it first"),
        (["direction_tuning", "TARGET", "--neurons", "0,x"], "--neurons: are '0,x'; give whole numbers"),
        (["direction_tuning", "TARGET", "--model", "best"], "--model: is given for a bundle"),
        (["direction_tuning", "http://127.0.0.1:9", "--address", "auto"], "--address: is given for an endpoint"),
        (["direction_tuning", "http://127.0.0.1:9", "--grey-levels", "113/60"], "--grey-levels: is given for an endp"),
        (["direction_tuning", "TARGET", "--grey-levels", "113"], "--grey-levels: is '113'; give MEAN/STD"),
    ],
)
def test_what_is_wrong_is_refused_before_any_work(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(opening, "open_subject", never)
    (tmp_path / "there.nc").touch()
    names = {"TARGET": str(BUNDLE), "THERE": str(tmp_path / "there.nc")}
    assert told in refusal(*(names.get(argument, argument) for argument in arguments))


def test_an_endpoint_refuses_with_its_own_sentence(url: str, mouse: str) -> None:
    assert "mouse: is missing; name one of" in refusal("direction_tuning", url)
    told = refusal("direction_tuning", url, "--mouse", mouse, "--set", "direction=1")
    assert "direction_tuning: has no setting 'direction'" in told
    assert "no endpoint answers" in refusal("direction_tuning", "http://127.0.0.1:9")
