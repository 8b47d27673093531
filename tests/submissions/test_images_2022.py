"""A store of 2022 goes through writing, checking, evaluating and the leaderboard."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.simulate import SCALES_2022, simulate
from sensorium_ray.data.store import FrameStore
from sensorium_ray.data.truth import Truth
from sensorium_ray.errors import DataError
from sensorium_ray.scoring.actors import Row
from sensorium_ray.scoring.table import WHOLE
from sensorium_ray.submissions import submitting
from sensorium_ray.submissions.checking import check_submission
from sensorium_ray.submissions.evaluation import evaluate
from sensorium_ray.submissions.files import FILES
from sensorium_ray.submissions.leaderboard import Leaderboard
from sensorium_ray.submissions.submitting import write_submission


@dataclass(frozen=True)
class World2022:
    mice: Path
    store: Path
    sent: list[Path]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> World2022:
    """Two simulated mice, and their submissions: the true rates stand for a bundle's answers."""
    folder = tmp_path_factory.mktemp("world2022")
    simulate(folder / "mice", replace(SCALES_2022["tiny"], neurons=(5, 6), train=30, calibration=1), seed=0)
    ingest(folder / "mice", folder / "store")
    truth = Truth.open(folder / "mice")

    def answers(items: list[Row], *_: object) -> Iterator[Row]:
        for item in items:
            yield {**item, "prediction": truth.rates(item["mouse"], item["trial"]).tobytes()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submitting, "run_actors", answers)
        patch.setattr(submitting, "check_bundles", lambda *_: {})
        sent = write_submission("no bundle", folder / "store", folder / "sent")
    return World2022(folder / "mice", folder / "store", sent)


def test_a_csv_a_stage_is_written_for_every_mouse_of_a_track(world: World2022) -> None:
    mice = FrameStore.open(world.store).mice
    expected = [Path("sensorium+") / mouse / FILES[tier] for mouse in mice for tier in ("test", "final_test")]
    found = [Path(*path.parts[-3:]) for path in world.sent]
    assert sorted(found) == sorted(expected)
    assert all(path.is_file() for path in world.sent)


def test_every_csv_passes_the_check(world: World2022) -> None:
    for path in world.sent:
        found = check_submission(path, world.store)
        assert not found.faults
        assert not found.warnings
        assert list(found.files[0].trials) == [path.parent.name]


def test_convention_2022_trials_and_images_are_named_as_the_kit_names_them(world: World2022) -> None:
    path = world.sent[0]
    folder = world.mice / path.parent.name / "meta" / "trials"
    names, images = np.load(folder / "trial_idx.npy"), np.load(folder / "frame_image_id.npy")
    tiers = np.load(folder / "tiers.npy")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    of_tier = tiers == {name: tier for tier, name in FILES.items()}[path.name]
    assert [row["trial_indices"] for row in rows] == list(names[of_tier].astype(str))
    assert [row["image_ids"] for row in rows] == list(images[of_tier].astype(str))


def test_the_true_rates_score_what_numpy_says(world: World2022) -> None:
    truth = Truth.open(world.mice)
    path = next(path for path in world.sent if path.name == FILES["test"])
    mouse = path.parent.name
    table = evaluate(path, world.store, truth=world.mice)
    trials = [info.trial for info in FrameStore.open(world.store)[mouse].select("test")]
    recorded = np.concatenate([truth.responses(mouse, trial) for trial in trials], axis=1)
    rates = np.concatenate([truth.rates(mouse, trial) for trial in trials], axis=1)
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num([np.corrcoef(pair)[0, 1] for pair in zip(recorded, rates, strict=True)])
    rows = [row for row in table.table.to_pylist() if row["family"] == WHOLE]
    found = [row["value"] for row in rows if row["metric"] == "single_trial_correlation"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert {row["metric"] for row in rows} >= {"correlation_to_average_pooled", "feve"}
    assert {(row["track"], row["stage"]) for row in rows} == {("sensorium+", "live")}


def test_a_leaderboard_of_2022_keeps_both_stages(world: World2022, tmp_path: Path) -> None:
    board = Leaderboard.create(tmp_path / "board", world.store, world.mice)
    one_mouse = [path for path in world.sent if path.parent == world.sent[0].parent]
    anonymous = tmp_path / "submission.csv"  # as it is called when it comes over HTTP
    receipts = [board.submit(shutil.copyfile(path, anonymous), "a") for path in one_mouse]
    assert [receipt.accepted for receipt in receipts] == [True, True]
    assert [row.team for row in board.standings("sensorium+", "live")] == ["a"]
    assert board.standings("sensorium", "live") == []
    with pytest.raises(DataError, match="are withheld"):
        board.standings("sensorium+", "final")
    board.open_final()
    assert [row.team for row in board.standings("sensorium+", "final")] == ["a"]
