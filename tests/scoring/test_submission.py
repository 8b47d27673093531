from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_store import MICE, Tiny

from sensorium_ray.benchmark import EvalWindow
from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import DataError, SubmissionError
from sensorium_ray.scoring.job import PredictorSet
from sensorium_ray.scoring.submission import (
    FILES,
    SCHEMA,
    SubmissionWriter,
    check_submission,
    read_prediction,
    write_submission,
)

EXAMPLES = Path(__file__).parents[2] / ".." / "shared" / "data" / "submission_examples"
WINDOW = EvalWindow(10, 50)
LIVE = FILES["live_test_main"]
FIRST, LAST = 3, 6
"""Trials of live_test_main in the tiny store, both ends included."""


@pytest.fixture(scope="module")
def submitted(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    out = tmp_path_factory.mktemp("submitted") / "out"
    written = write_submission(tiny.store, tiny.ensemble, out, window=WINDOW)
    assert sorted(out.iterdir()) == sorted(written)
    return out


@pytest.fixture
def live(submitted: Path, tmp_path: Path) -> Path:
    """The file of the main track's live tier, by itself."""
    with zipfile.ZipFile(submitted / "submission_main.zip") as archive:
        return Path(archive.extract(LIVE, tmp_path))


def rewrite(path: Path, change: Callable[[list[dict]], object]) -> None:
    """Write a file again after `change` has changed its rows, a list of dicts."""
    rows = pq.read_table(path).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)


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
        for summary in check_submission(path, tiny.store, WINDOW):
            assert summary.tier is not None
            assert summary.neurons == {"mouse-a": 4, "mouse-b": 6}
            assert summary.frames == (40, 40)
    assert check_submission(submitted / "submission_bonus_live.zip")[0].trials == {"mouse-a": 2, "mouse-b": 2}


def test_a_deflated_zip_passes_too(tiny: Tiny, submitted: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(submitted / "submission_main.zip") as archive:
        archive.extractall(tmp_path)
    with zipfile.ZipFile(tmp_path / "again.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in tmp_path.glob("*.brotli"):
            archive.write(path, path.name)
    assert len(check_submission(tmp_path / "again.zip", tiny.store, WINDOW)) == 2


def set_value(row: dict, neuron: int, frame: int, value: float | None) -> None:
    row["prediction"][neuron][frame] = value


FAULTS: dict[str, tuple[Callable[[list[dict]], object], str]] = {
    "twice": (
        lambda rows: rows.append(rows[0]),
        "row 9: repeats trial 3 of mouse 'mouse-a'; write each trial once",
    ),
    "missing": (
        lambda rows: rows.pop(),
        "1 trials of live_test_main are missing, the first is trial 6 of mouse 'mouse-b'",
    ),
    "empty": (lambda rows: rows.clear(), "holds no trial"),
    "mouse": (
        lambda rows: rows[1].update(mouse="mouse-c"),
        "row 2: mouse 'mouse-c' is unknown; the store holds mouse-a",
    ),
    "trial": (lambda rows: rows[1].update(trial_indices=99), "row 2: mouse 'mouse-a' has no trial 99"),
    "tier": (
        lambda rows: rows[1].update(trial_indices=0),
        "row 2: trial 0 of mouse 'mouse-a' is of tier oracle",
    ),
    "order": (
        lambda rows: rows[2]["neuron_ids"].reverse(),
        "row 3: neuron_ids of mouse 'mouse-a' differ from meta",
    ),
    "ids": (lambda rows: rows[2]["neuron_ids"].pop(), "row 3: 3 neuron ids name 4 predicted neurons"),
    "nan": (lambda rows: set_value(rows[3], 1, 2, float("nan")), "row 4: neuron 1, frame 2 is nan"),
    "infinite": (lambda rows: set_value(rows[3], 1, 2, float("inf")), "row 4: neuron 1, frame 2 is inf"),
    "null": (lambda rows: set_value(rows[3], 1, 2, None), "row 4: neuron 1, frame 2 is nan"),
    "ragged": (
        lambda rows: rows[4]["prediction"][0].pop(),
        r"row 5: neurons have unequal numbers of frames \(39 and 40\)",
    ),
    "no neuron": (lambda rows: rows[4].update(prediction=[]), "row 5: holds no prediction"),
    "nobody": (lambda rows: rows[4].update(mouse=None), "row 5: has no mouse or no trial"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_one_sentence(tiny: Tiny, live: Path, fault: str) -> None:
    change, sentence = FAULTS[fault]
    rewrite(live, change)
    with pytest.raises(SubmissionError, match=sentence) as caught:
        check_submission(live, tiny.store, WINDOW)
    assert LIVE in caught.value.where


def test_another_frame_rule_is_named(tiny: Tiny, live: Path) -> None:
    with pytest.raises(SubmissionError, match=r"40 frames; frames 10\.\.48 of it are 39"):
        check_submission(live, tiny.store, EvalWindow(10, 49))
    with pytest.raises(SubmissionError, match=r"40 frames; frames 10\.\.48 of it are at most 39"):
        check_submission(live, window=EvalWindow(10, 49))


@pytest.mark.parametrize(
    ("column", "array", "sentence"),
    [
        ("trial_indices", pa.array(["3.npy"] * 8), "column trial_indices is of type string; write int64"),
        (
            "neuron_ids",
            pa.array([[1.0]] * 8),
            "column neuron_ids is of type list<.*double>; write list<int64> or",
        ),
        (
            "index",
            pa.array([0] * 8),
            "has the columns mouse, trial_indices, prediction, neuron_ids, index; write",
        ),
    ],
)
def test_a_foreign_schema_is_refused(live: Path, column: str, array: pa.Array, sentence: str) -> None:
    table = pq.read_table(live)
    place = table.schema.get_field_index(column)
    changed = table.append_column(column, array) if place < 0 else table.set_column(place, column, array)
    pq.write_table(changed, live)
    with pytest.raises(SubmissionError, match=sentence):
        check_submission(live)


def test_a_zip_must_be_flat_and_whole(live: Path) -> None:
    for name in (f"folder/{LIVE}", LIVE):
        path = live.with_name("wrong.zip")
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(live, name)
        with pytest.raises(SubmissionError, match="a flat zip holds predictions_final_main"):
            check_submission(path)


def test_what_is_no_submission_is_refused(tmp_path: Path) -> None:
    for name in ("nothing.zip", "nothing.parquet.brotli"):
        (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises(SubmissionError, match="is not a readable"):
            check_submission(tmp_path / name)
    with pytest.raises(SubmissionError, match="is no file"):
        check_submission(tmp_path / "absent.zip")


def test_an_output_that_exists_is_kept(tiny: Tiny, submitted: Path) -> None:
    with pytest.raises(DataError, match="exists already"):
        write_submission(tiny.store, tiny.good, submitted, window=WINDOW)


def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium_ray.scoring.submission._ROW_GROUP_BYTES", 100_000)
    with SubmissionWriter(tmp_path / LIVE) as writer:
        for trial in range(6):
            writer.add("mouse", trial, np.full((30, 250), trial, np.float32), np.arange(30))
    assert pq.ParquetFile(tmp_path / LIVE).num_row_groups == 3
    assert check_submission(tmp_path / LIVE)[0].trials == {"mouse": 6}


def test_the_competitions_own_files_pass() -> None:
    if not EXAMPLES.is_dir():
        pytest.skip(f"no example submissions at {EXAMPLES}")
    main, bonus = (EXAMPLES / FILES[tier] for tier in ("live_test_main", "final_test_bonus"))
    for path in (main, bonus):
        (summary,) = check_submission(path)
        assert list(summary.trials.values()) == [2, 2]
        assert list(summary.neurons.values()) == [40, 50]
    prediction = read_prediction(main, "dynamic00001-1-1-Video-00000000000000000000000000000001", 1)
    assert prediction.shape == (40, 250)
