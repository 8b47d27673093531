from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_store import MICE, Tiny

from sensorium_ray.benchmark import EvalWindow
from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import ConfigError, DataError, SubmissionError
from sensorium_ray.scoring.actors import PredictorSet
from sensorium_ray.submissions.checking import check_submission
from sensorium_ray.submissions.files import (
    CSV_COLUMNS,
    FILES,
    SCHEMA,
    CsvWriter,
    SubmissionWriter,
    open_submission,
    read_prediction,
    tier_by_name,
)
from sensorium_ray.submissions.submitting import write_submission

EXAMPLES = Path(__file__).parents[2] / ".." / "shared" / "data" / "submission_examples"
WINDOW = EvalWindow(10, 50)
LIVE = FILES["live_test_main"]
FIRST, LAST = 3, 6
"""Trials of live_test_main in the tiny store, both ends included."""


@pytest.fixture(scope="module")
def submitted(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    out = tmp_path_factory.mktemp("submitted") / "out"
    written = write_submission(tiny.ensemble, tiny.store, out, window=WINDOW)
    assert sorted(out.iterdir()) == sorted(written)
    return out


@pytest.fixture
def live(submitted: Path, tmp_path: Path) -> Path:
    """The file of the main track's live tier, by itself."""
    with zipfile.ZipFile(submitted / "submission_main.zip") as archive:
        return Path(archive.extract(LIVE, tmp_path))


def test_the_zips_are_flat_and_hold_the_files_by_their_names(submitted: Path) -> None:
    names = {path.name: sorted(zipfile.ZipFile(path).namelist()) for path in submitted.iterdir()}
    assert names == {
        "submission_main.zip": [
            "predictions_final_main.parquet.brotli",
            "predictions_live_main.parquet.brotli",
        ],
        "submission_bonus_live.zip": ["predictions_live_test_bonus_ood.parquet.brotli"],
        "submission_bonus_final.zip": ["predictions_final_test_bonus_ood.parquet.brotli"],
    }


def test_a_file_is_brotli_without_an_index_or_pandas(live: Path) -> None:
    file = pq.ParquetFile(live)
    assert file.schema_arrow.equals(SCHEMA)
    assert b"pandas" not in (file.schema_arrow.metadata or {})
    columns = [file.metadata.row_group(0).column(i).compression for i in range(file.metadata.num_columns)]
    assert set(columns) == {"BROTLI"}


def test_rows_are_every_trial_in_order_with_the_predictors_answers(tiny: Tiny, submitted: Path, live: Path) -> None:
    rows = pq.read_table(live).to_pylist()
    expected = [(mouse, trial) for mouse in MICE for trial in range(FIRST, LAST + 1)]
    assert [(row["mouse"], row["trial_indices"]) for row in rows] == expected
    store, predictors = FrameStore.open(tiny.store), PredictorSet([tiny.ensemble])
    for mouse, trial in expected:
        answer = predictors.predict(store[mouse].clip(trial), mouse)["both"][:, 10:50]
        assert (read_prediction(submitted / "submission_main.zip", mouse, trial) == answer).all()
    assert rows[0]["neuron_ids"] == MICE["mouse-a"].tolist()


def test_what_is_written_passes_the_check(tiny: Tiny, submitted: Path) -> None:
    for path in submitted.iterdir():
        found = check_submission(path, tiny.store, WINDOW)
        assert not found.faults
        assert not found.warnings
        for summary in found.files:
            assert summary.tier is not None
            assert summary.neurons == {"mouse-a": 4, "mouse-b": 6}
            assert summary.frames == (40, 40)
    alone = check_submission(submitted / "submission_bonus_live.zip", window=WINDOW)
    assert alone.files[0].trials == {"mouse-a": 2, "mouse-b": 2}


def test_one_track_is_written_alone_and_an_unknown_one_refused(tiny: Tiny, tmp_path: Path, ray_session: None) -> None:
    written = write_submission(tiny.good, tiny.store, tmp_path / "out", tracks=["ood"], window=WINDOW)
    assert [path.name for path in written] == ["submission_bonus_live.zip", "submission_bonus_final.zip"]
    with pytest.raises(ConfigError, match="has no track 'bonus'"):
        write_submission(tiny.good, tiny.store, tmp_path / "other", tracks=["bonus"])
    assert not (tmp_path / "other").exists()


def test_an_output_that_exists_is_kept(tiny: Tiny, submitted: Path) -> None:
    with pytest.raises(DataError, match="exists already"):
        write_submission(tiny.good, tiny.store, submitted, window=WINDOW)


def test_a_deflated_zip_is_read_too(tiny: Tiny, submitted: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(submitted / "submission_main.zip") as archive:
        archive.extractall(tmp_path)
    with zipfile.ZipFile(tmp_path / "again.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in tmp_path.glob("*.brotli"):
            archive.write(path, path.name)
    found = check_submission(tmp_path / "again.zip", tiny.store, WINDOW)
    assert len(found.files) == 2
    assert not found.faults


def test_a_zip_that_would_fill_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium_ray.submissions.files._READ_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(LIVE, bytes(1_000_000))
    with pytest.raises(SubmissionError, match="would inflate to 1000000 bytes; zip it without compression"):
        check_submission(tmp_path / "bomb.zip")


def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium_ray.submissions.files._ROW_GROUP_BYTES", 100_000)
    with SubmissionWriter(tmp_path / LIVE) as writer:
        for trial in range(6):
            writer.add("mouse", trial, np.full((30, 250), trial, np.float32), np.arange(30))
    assert pq.ParquetFile(tmp_path / LIVE).num_row_groups == 3
    assert check_submission(tmp_path / LIVE).files[0].trials == {"mouse": 6}


def test_a_row_comes_back_exactly_from_parquet_and_csv(tmp_path: Path) -> None:
    prediction = np.random.default_rng(0).gamma(1.0, 5.0, (30, 1)).astype(np.float32)
    unit_ids = np.arange(30)[::-1]
    with SubmissionWriter(tmp_path / LIVE) as parquet, CsvWriter(tmp_path / FILES["test"]) as text:
        for trial in (4, 9):
            parquet.add("mouse", trial, prediction + trial, unit_ids)
            text.add(trial, f"image {trial}", prediction + trial, unit_ids)
    for name in (LIVE, FILES["test"]):
        with open_submission(tmp_path / name) as files:
            rows = list(files[0])
        assert [row.trial for row in rows] == [4, 9]
        assert (rows[1].prediction() == (prediction + 9).astype(np.float64)).all()
        assert (rows[1].neuron_ids == unit_ids).all()
    assert rows[0].image_id == "image 4"


def test_a_csv_reads_as_the_starter_kit_reads_it(tmp_path: Path) -> None:
    with CsvWriter(tmp_path / "a.csv") as writer:
        writer.add(7, "image", np.array([[0.5], [1.25]], np.float32), np.array([8, 3]))
    with (tmp_path / "a.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == dict(zip(CSV_COLUMNS, ["7", "image", "[0.5, 1.25]", "[8, 3]"], strict=True))


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        *((name, tier) for tier, name in FILES.items()),
        ("predictions_file_live_test_main_main_track.parquet.brotli", "live_test_main"),
        ("predictions_file_final_test_bonus_ood_track.parquet.brotli", "final_test_bonus"),
        ("predictions_final_ood.parquet.brotli", "final_test_bonus"),
        ("submission_file_test.csv", "test"),
        ("answers.parquet", None),
    ],
)
def test_convention_file_names_tell_the_tier(name: str, tier: str | None) -> None:
    assert tier_by_name(name) == tier


def test_the_competitions_own_files_are_read() -> None:
    if not EXAMPLES.is_dir():
        pytest.skip(f"no example submissions at {EXAMPLES}")
    mouse = "dynamic00001-1-1-Video-00000000000000000000000000000001"
    assert read_prediction(EXAMPLES / LIVE, mouse, 1).shape == (40, 250)
    with pytest.raises(SubmissionError, match=f"has no trial 99 of mouse '{mouse}'"):
        read_prediction(EXAMPLES / LIVE, mouse, 99)
