"""Results come back from files as they were."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sensorium_ray.errors import ConfigError, DataError
from sensorium_ray.results import ENDINGS, fits, load_result, save_result


def result() -> xr.Dataset:
    """One with every kind of variable that experiments return, of all dimensions, some or none."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 2, 4)).astype(np.float32)
    values[1, 0, 2] = np.nan
    found = xr.Dataset(
        {
            "response": (("neuron", "family", "frame"), values, {"units": "a. u."}),
            "kind": ("neuron", np.array(["low", "", "bänd"])),
            "suppressed": ("neuron", np.array([True, False, True])),
            "similarity": (("family", "other_family"), rng.normal(size=(2, 2))),
            "turned": (("frame", "neuron"), rng.normal(size=(4, 3))),
            "alone": ((), 7.5),
        },
        {
            "unit_id": ("neuron", np.array([9, 7, 2**40])),
            "family": np.array(["movie", "images"]),
            "other_family": np.array(["movie", "images"]),
            "time": ("frame", np.arange(4) / 30),
        },
    )
    return found.assign_attrs(experiment="families", settings=json.dumps({"seeds": 2, "parameters": []}), mouse="")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_result_survives(tmp_path: Path, ending: str) -> None:
    before = result()
    save_result(before, tmp_path / f"result{ending}")
    after = load_result(tmp_path / f"result{ending}")
    xr.testing.assert_identical(after, before)
    assert {name: after[name].dtype.kind for name in after.variables} == {
        name: before[name].dtype.kind for name in before.variables
    }
    assert after["response"].dtype == np.float32
    assert [path.name for path in tmp_path.iterdir()] == [f"result{ending}"]


def test_parquet_is_a_table_of_a_row_a_neuron_and_condition(tmp_path: Path) -> None:
    found = result()[["response", "suppressed"]]
    save_result(found, tmp_path / "result.parquet")
    table = pd.read_parquet(tmp_path / "result.parquet")
    assert len(table) == 3 * 2 * 4
    row = table[(table["unit_id"] == 7) & (table["family"] == "images") & (table["frame"] == 3)]
    assert row["response"].item() == found["response"].values[1, 1, 3]
    assert not row["suppressed"].item()
    assert row["neuron"].item() == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_no_result_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"result{ending}"
    with pytest.raises(DataError, match="file is missing; name a file that an experiment wrote"):
        load_result(path)
    save_result(result(), path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="is not a readable result"):
        load_result(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is not a readable result"):
        load_result(path)


def test_another_table_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"response": [1.0]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="is not a readable result"):
        load_result(tmp_path / "other.parquet")


@pytest.mark.parametrize("name", ["result.csv", "result"])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    for action in (lambda: save_result(result(), tmp_path / name), lambda: load_result(tmp_path / name)):
        with pytest.raises(ConfigError, match=r"let it end with \.nc or \.parquet"):
            action()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failed_writing_leaves_what_was_there(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"result{ending}"
    save_result(result(), path)
    whole = path.read_bytes()
    with pytest.raises((TypeError, ValueError)):
        save_result(result().assign_attrs(experiment=object()), path)
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_too_large_for_a_table_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    large = xr.Dataset({"image": (("neuron", "y", "x"), np.broadcast_to(np.float32(0), (300, 200, 200)))})
    assert not fits(large, ".parquet")
    assert fits(large, ".nc")
    with pytest.raises(ConfigError, match=r"12,000,000 rows.*let it end with \.nc"):
        save_result(large, tmp_path / "large.parquet")
    assert not list(tmp_path.iterdir())
