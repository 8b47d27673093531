"""Describing: the same of a mouse, published or stored, of either benchmark; what float16 costs, what is absent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fake_mouse import FRAMES, MOUSE, pack, write_mouse
from fake_mouse2022 import MOUSE_2022, write_mouse_2022

from sensorium_ray.cli import data as cli
from sensorium_ray.data.describe import TierSummary, describe, survey
from sensorium_ray.data.ingest import ingest
from sensorium_ray.errors import DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    """Mice in 'videos' and 'images', a zip of the first, and stores of them: 'exact', 'half' and 'still'."""
    folder = tmp_path_factory.mktemp("describe")
    mouse = write_mouse(folder / "videos")
    pack(mouse, folder / f"{MOUSE}.zip")
    image_mouse = write_mouse_2022(folder / "images")
    shutil.rmtree(image_mouse / "data" / "pupil_center")
    ingest(folder / "videos", folder / "exact")
    ingest(folder / "videos", folder / "half", dtype="float16")
    ingest(folder / "images", folder / "still")
    return folder


@pytest.mark.parametrize(("raw", "stored"), [("videos", "exact"), (f"{MOUSE}.zip", "exact"), ("images", "still")])
def test_a_mouse_is_described_alike_wherever_it_lies(folder: Path, raw: str, stored: str) -> None:
    (ours,), (theirs,) = survey(folder / raw), survey(folder / stored)
    for name in ("name", "benchmark", "neurons", "frame_shape", "absent", "tiers"):
        assert getattr(ours.summary, name) == getattr(theirs.summary, name)
    assert (ours.summary.dtype, theirs.summary.dtype) == (None, "float32")
    assert ours.response_means is not None
    np.testing.assert_allclose(ours.response_means, theirs.response_means, rtol=1e-6)
    assert ours.summary.response_mean == pytest.approx(theirs.summary.response_mean)
    assert ours.summary.response_std == pytest.approx(theirs.summary.response_std)
    for info in theirs.trials:
        read, again = ours.read(info.trial), theirs.read(info.trial)
        for name in ("video", "responses", "behavior", "pupil_center"):
            np.testing.assert_array_equal(getattr(read, name), getattr(again, name))


def test_trials_are_counted_by_tier(folder: Path) -> None:
    (mouse,) = describe(folder / "exact")
    assert mouse.tiers[:2] == [
        TierSummary("train", 6, (FRAMES - 1, FRAMES), 6, (1, 1)),
        TierSummary("oracle", 4, (FRAMES, FRAMES), 2, (2, 2)),
    ]


def test_images_are_counted_by_the_tiers_of_2022(folder: Path) -> None:
    (mouse,) = describe(folder / "still")
    assert (mouse.name, mouse.benchmark, mouse.absent) == (MOUSE_2022, "sensorium2022", ("pupil_center",))
    assert [(tier.tier, tier.trials, tier.videos) for tier in mouse.tiers] == [
        ("train", 6, 6),
        ("validation", 2, 2),
        ("test", 4, 2),
        ("final_test", 2, 2),
    ]


def test_what_float16_costs_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.describe(str(folder / "half"))
    printed = capsys.readouterr().out
    assert "float16 costs" in printed
    assert "absent" not in printed
    cli.describe(str(folder / "half"), as_json=True)
    (mouse,) = json.loads(capsys.readouterr().out)
    assert mouse["dtype"] == "float16"
    assert 0 <= mouse["rounding"]["median_correlation_loss"] < 1e-6


def test_absent_fields_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.describe(str(folder / "images"))
    assert "absent, read as zeros: pupil_center" in capsys.readouterr().out


def test_it_draws_as_well(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.describe(str(folder / "still"), plot=tmp_path / "still.png")
    assert f"{MOUSE_2022}: 5 neurons" in capsys.readouterr().out
    assert (tmp_path / "still.png").read_bytes().startswith(b"\x89PNG")


def test_an_unfinished_store_is_called_so(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "exact", tmp_path / "store")
    (tmp_path / "store" / "store.json").unlink()
    with pytest.raises(DataError, match="is no finished frame store"):
        describe(tmp_path / "store")


def test_a_folder_of_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no mouse"):
        describe(tmp_path)
