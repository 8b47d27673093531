from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_mouse import save

from sensorium_ray.data.truth import Truth
from sensorium_ray.errors import DataError

RESPONSES = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, np.nan]])


@pytest.fixture
def mice(tmp_path: Path) -> Path:
    folder = tmp_path / "truth" / "a"
    save(folder / "responses" / "7.npy", RESPONSES)
    save(folder / "rates" / "7.npy", RESPONSES.astype(np.float32) / 2)
    save(folder / "rates" / "3.npy", RESPONSES.astype(np.float32))
    (folder / "trials.csv").write_text("trial,tier,family,video\n3,oracle,movie,0\n7,live_test_bonus,images,1\n")
    (tmp_path / "truth" / "truth.json").write_text("{}")
    return tmp_path


def test_reads_valid_frames(mice: Path) -> None:
    truth = Truth.open(mice)
    assert truth.mice == ["a"]
    assert truth.family("a", 3) == "movie"
    assert truth.family("a", 7) == "images"
    assert truth.responses("a", 7).tolist() == [[1, 2], [3, 4]]
    assert truth.responses("a", 7).dtype == np.float32
    assert truth.rates("a", 7).tolist() == [[0.5, 1], [1.5, 2]]
    assert truth.has_responses("a", 7)
    assert truth.has_rates("a", 3)
    assert not truth.has_responses("a", 3)
    assert Truth.open(mice / "truth").mice == ["a"]


def test_unknown_names(mice: Path) -> None:
    truth = Truth.open(mice)
    with pytest.raises(DataError, match="knows no mouse 'b'; known are a"):
        truth.family("b", 3)
    with pytest.raises(DataError, match="has no trial 4"):
        truth.family("a", 4)
    with pytest.raises(DataError, match=r"responses/3\.npy: file is missing"):
        truth.responses("a", 3)


def test_faults(mice: Path) -> None:
    save(mice / "truth" / "a" / "rates" / "3.npy", np.arange(4))
    with pytest.raises(DataError, match=r"rates/3\.npy: has shape \(4,\)"):
        Truth.open(mice).rates("a", 3)
    (mice / "truth" / "a" / "trials.csv").write_text("x\n1\n")
    with pytest.raises(DataError, match="is not a table of trial,tier,family,video"):
        Truth.open(mice).family("a", 3)
    (mice / "truth" / "truth.json").unlink()
    with pytest.raises(DataError, match=r"truth: is unfinished: truth\.json is missing"):
        Truth.open(mice)
    with pytest.raises(DataError, match="has no truth folder"):
        Truth.open(mice / "nowhere")
