from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from paper_store import MOUSE, OTHER, PLUS, rows_of, store_of_2022, store_of_2023, write_rows

from sensorium_ray.benchmark import SENSORIUM_2023, EvalWindow
from sensorium_ray.errors import SubmissionError
from sensorium_ray.submissions import checking
from sensorium_ray.submissions.checking import Check, check_submission
from sensorium_ray.submissions.files import CSV_COLUMNS, FILES, SCHEMA, CsvWriter

EXAMPLES = Path(__file__).parents[2] / ".." / "shared" / "data" / "submission_examples"
LIVE, FINAL = FILES["live_test_main"], FILES["final_test_main"]
RULE, WINNER = SENSORIUM_2023.window, EvalWindow(50, 299)
STORE, STORE_2022 = store_of_2023(), store_of_2022()

Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _stores(monkeypatch: pytest.MonkeyPatch) -> None:
    stores = {"2023": STORE, "2022": STORE_2022}
    monkeypatch.setattr(checking.FrameStore, "open", lambda path: stores[path])


def live_rows(window: EvalWindow = RULE) -> Rows:
    return rows_of(STORE, "live_test_main", window)


def check(folder: Path, rows: Rows, name: str = LIVE, window: EvalWindow | None = None, **written: Any) -> Check:
    """Check rows as a bare file against the store."""
    return check_submission(write_rows(folder / name, rows, **written), "2023", window)


def kinds(found: Check) -> list[str]:
    return [finding.kind for finding in (*found.faults, *found.warnings)]


def lengths(frames: Callable[[int], int]) -> Rows:
    """Rows whose prediction of a trial of T frames has `frames(T)`."""
    rows = rows_of(STORE, "live_test_main", EvalWindow(0, None))
    for row in rows:
        row["prediction"] = [[1.0] * frames(len(neuron)) for neuron in row["prediction"]]
    return rows


def test_a_faultless_file_passes_and_is_summed_up(tmp_path: Path) -> None:
    found = check(tmp_path, live_rows())
    assert not found.faults
    assert not found.warnings
    (summary,) = found.files
    assert summary.tier == "live_test_main"
    assert summary.trials == {MOUSE: 4, OTHER: 4}
    assert summary.neurons == {MOUSE: 4, OTHER: 6}
    assert summary.frames == (249, 250)


# -- the starter kit's conventions, one by one


def test_convention_trial_indices_are_n_of_n_npy(tmp_path: Path) -> None:
    rows = live_rows()
    for row in rows:
        row["trial_indices"] += 1
    found = check(tmp_path, rows)
    assert kinds(found) == ["trial-shifted"]
    assert "all trial indices are above those of a tier by 1" in str(found.faults[0])
    assert "2 instead of 3" in found.faults[0].mend


def test_convention_trial_indices_are_not_numbered_through_within_the_tier(tmp_path: Path) -> None:
    rows = live_rows()
    for row, number in zip(rows, [0, 1, 2, 3] * 2, strict=True):
        row["trial_indices"] = number
    found = check(tmp_path, rows)
    assert kinds(found) == ["trial-counted", "trial-counted"]
    assert "numbered through, 0 to 3; write N of N.npy: 2, 9, 17, 20" in str(found.faults[0])


def test_convention_trial_indices_as_1_npy_text_of_the_readme(tmp_path: Path) -> None:
    rows = live_rows()
    for row in rows:
        row["trial_indices"] = f"{row['trial_indices']}.npy"
    schema = SCHEMA.set(1, pa.field("trial_indices", pa.large_string()))
    found = check(tmp_path, rows, schema=schema)
    assert kinds(found) == ["trial-text"]
    assert "as in '1.npy'; write int64, N of the published N.npy" in str(found.faults[0])
    assert found.files[0].trials == {MOUSE: 4, OTHER: 4}


def test_convention_neuron_ids_as_uint32_and_mouse_as_large_string_pass(tmp_path: Path) -> None:
    schema = SCHEMA.set(0, pa.field("mouse", pa.large_string()))
    schema = schema.set(3, pa.field("neuron_ids", pa.list_(pa.uint32())))
    assert kinds(check(tmp_path, live_rows(), schema=schema)) == []


def test_convention_large_lists_pass(tmp_path: Path) -> None:
    large = pa.field("prediction", pa.large_list(pa.large_list(pa.float64())))
    assert kinds(check(tmp_path, live_rows(), schema=SCHEMA.set(2, large))) == []


def test_convention_predictions_are_double(tmp_path: Path) -> None:
    single = pa.field("prediction", pa.list_(pa.list_(pa.float32())))
    found = check(tmp_path, live_rows(), schema=SCHEMA.set(2, single))
    assert kinds(found) == ["type"]
    assert not found.faults


def test_convention_no_index_column(tmp_path: Path) -> None:
    rows = [{**row, "__index_level_0__": number} for number, row in enumerate(live_rows())]
    found = check(tmp_path, rows, schema=SCHEMA.append(pa.field("__index_level_0__", pa.int64())))
    assert kinds(found) == ["index-column"]
    assert "write it with index=False" in found.faults[0].mend


def test_convention_neurons_by_frames(tmp_path: Path) -> None:
    rows = live_rows()
    for row in rows:
        row["prediction"] = np.transpose(row["prediction"]).tolist()
    found = check(tmp_path, rows)
    assert set(kinds(found)) == {"transposed"}
    assert "a list of frames for every neuron" in found.faults[0].mend


def test_convention_brotli(tmp_path: Path) -> None:
    found = check(tmp_path, live_rows(), compression="snappy")
    assert kinds(found) == ["compression"]
    assert not found.faults


def test_convention_the_first_50_frames_are_cut(tmp_path: Path) -> None:
    found = check(tmp_path, lengths(lambda frames: frames))
    assert set(kinds(found)) == {"frames"}
    assert "the whole trial is given, 300 frames; cut what is not in 50..299" in str(found.faults[0])


def test_convention_249_frames_are_the_winners(tmp_path: Path) -> None:
    rows = live_rows(WINNER)
    assert kinds(check(tmp_path, rows, window=WINNER)) == []
    found = check(tmp_path, rows)
    assert "249 frames are those of the rule 50..298 (the winner's, without the last frame)" in str(found.faults[0])
    assert "or 51..299 (without the first frame that counts)" in str(found.faults[0])
    assert "or name the rule with --frames" in found.faults[0].mend
    assert 17 not in found.faults[0].trials, "a trial of 299 frames has 249 that count"


def test_convention_training_crop_of_80_frames(tmp_path: Path) -> None:
    found = check(tmp_path, lengths(lambda _: 30))
    assert "30 frames, as of a training crop (or of 80 of which 50 were cut)" in str(found.faults[0])
    assert "predict whole trials of 300" in found.faults[0].mend


def test_convention_a_model_that_loses_frames_is_cut_from_its_end(tmp_path: Path) -> None:
    found = check(tmp_path, lengths(lambda frames: frames - 18))
    assert "282 frames, as of a model that answers nothing for the first 18 of 300" in str(found.faults[0])
    assert "the last 250 of what it answers" in found.faults[0].mend


def test_convention_nothing_of_the_nan_padding_is_predicted(tmp_path: Path) -> None:
    found = check(tmp_path, lengths(lambda _: 324))
    assert "324 frames are given of a trial of 300" in str(found.faults[0])


def test_convention_one_frame_too_few(tmp_path: Path) -> None:
    found = check(tmp_path, lengths(lambda frames: frames - 52), window=WINNER)
    assert "248 frames, one too few; give the 249 frames 50..298 of it" in str(found.faults[0])


def test_convention_the_kits_own_file_names_were_refused(tmp_path: Path) -> None:
    archive = tmp_path / "mine.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for tier, name in (
            ("live_test_main", "predictions_file_live_test_main_main_track.parquet.brotli"),
            ("final_test_main", "predictions_file_final_test_main_main_track.parquet.brotli"),
        ):
            file.write(write_rows(tmp_path / name, rows_of(STORE, tier, RULE)), name)
    found = check_submission(archive, "2023")
    assert [str(fault) for fault in found.faults] == [
        "fault: mine.zip: predictions_file_live_test_main_main_track.parquet.brotli is not the name that the "
        f"server looks for; name it {LIVE}",
        "fault: mine.zip: predictions_file_final_test_main_main_track.parquet.brotli is not the name that the "
        f"server looks for; name it {FINAL}",
    ]


def test_convention_all_mice_are_in_one_file(tmp_path: Path) -> None:
    found = check(tmp_path, [row for row in live_rows() if row["mouse"] == MOUSE])
    assert kinds(found) == ["missing-mouse"]
    assert found.faults[0].mouse == OTHER
    assert "with its 4 trials of live_test_main" in found.faults[0].what


def test_convention_rows_may_come_in_any_order(tmp_path: Path) -> None:
    found = check(tmp_path, live_rows()[::-1])
    assert kinds(found) == ["unsorted"]
    assert not found.faults


# -- zips


def zipped(folder: Path, *files: tuple[str, str]) -> Path:
    """A zip of tiers by the names that they are to have."""
    path = folder / "mine.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for tier, name in files:
            written = write_rows(folder / "one.parquet", rows_of(STORE, tier, RULE))
            archive.write(written, name)
    return path


@pytest.mark.parametrize(
    ("files", "kind", "sentence"),
    [
        ([("live_test_main", LIVE)], "file-missing", f"lacks {FINAL}"),
        (
            [("live_test_main", f"x/{LIVE}"), ("final_test_main", f"x/{FINAL}")],
            "folder",
            "lies in a folder of the zip; zip the files, not the folder",
        ),
        ([("live_test_main", LIVE), ("live_test_bonus", FILES["live_test_bonus"])], "mixed", "make a zip of each: "),
        ([("live_test_bonus", FILES["live_test_bonus"]), ("final_test_bonus", FILES["final_test_bonus"])], "mixed", ""),
        ([("live_test_main", "answers.parquet")], "name", "holds answers.parquet; name its files predictions_live"),
        ([], "empty", "holds no file"),
        ([("live_test_main", FINAL), ("final_test_main", LIVE)], "mixed-up", f"name it {LIVE}"),
        ([("live_test_bonus", LIVE), ("final_test_main", FINAL)], "mixed-up", "most of its trials are of live_test_b"),
    ],
)
def test_a_zip_that_is_packed_wrongly(tmp_path: Path, files: list[tuple[str, str]], kind: str, sentence: str) -> None:
    found = check_submission(zipped(tmp_path, *files), "2023")
    assert set(kinds(found)) == {kind}
    assert any(sentence in str(fault) for fault in found.faults)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_file_twice(tmp_path: Path) -> None:
    path = zipped(tmp_path, ("live_test_main", LIVE), ("live_test_main", LIVE), ("final_test_main", FINAL))
    assert "twice" in kinds(check_submission(path, "2023"))


def test_what_a_mac_hides_in_a_zip_is_passed_over(tmp_path: Path) -> None:
    path = zipped(tmp_path, ("live_test_main", LIVE), ("final_test_main", FINAL))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"__MACOSX/._{LIVE}", b"nothing")
        archive.writestr(".DS_Store", b"nothing")
    assert kinds(check_submission(path, "2023")) == []


# -- rows


def change(number: int, **fields: Any) -> Callable[[Rows], None]:
    return lambda rows: rows[number].update(fields)


def set_value(row: dict[str, Any], neuron: int, frame: int, value: float | None) -> None:
    row["prediction"][neuron][frame] = value


FAULTS: dict[str, tuple[Callable[[Rows], object], str]] = {
    "duplicate-trial": (
        lambda rows: rows.insert(1, rows[0]),
        "row 2, trial 2: the trial has a row already; write each trial once",
    ),
    "missing-trial": (lambda rows: rows.pop(), "trial 20: missing, of tier live_test_main; predict every trial"),
    "unknown-mouse": (
        lambda rows: rows.append({**rows[0], "mouse": "mouse1"}),
        "'mouse1', row 9: the mouse is unknown",
    ),
    "unknown-trial": (
        lambda rows: rows.append({**rows[-1], "trial_indices": 99}),
        "row 9, trial 99: the mouse has no such trial",
    ),
    "other-tier": (
        lambda rows: rows.append({**rows[-1], "trial_indices": 30}),
        "of tier final_test_main in a file of live_test_main",
    ),
    "neuron-order": (
        change(2, neuron_ids=[1, 3, 5, 7]),
        "row 3: the neurons are right but in another order; reorder prediction and ids",
    ),
    "neuron-ids": (change(2, neuron_ids=[3, 1, 7, 99]), "1 missing (5), 1 unknown (99); give all 4 neurons in"),
    "neuron-counted": (change(2, neuron_ids=[0, 1, 2, 3]), "neuron ids are numbered through, 0 to 3; write unit ids"),
    "not-finite": (
        lambda rows: set_value(rows[3], 1, 2, float("nan")),
        "row 4, trial 20: numbers are missing or infinite (1 of them in row 4, neuron 1 (id 1), frame 2 is nan)",
    ),
    "prediction": (
        lambda rows: rows[4]["prediction"][0].pop(),
        "row 5: neurons have unequal numbers of frames (249 and 250); give neurons x frames",
    ),
    "unnamed": (lambda rows: rows.append({**rows[0], "mouse": None}), "row 9: the mouse or the trial is missing"),
    "empty": (lambda rows: rows.clear(), "holds no trial"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_told_with_its_place_and_how_to_mend_it(tmp_path: Path, kind: str) -> None:
    damage, sentence = FAULTS[kind]
    rows = live_rows()
    damage(rows)
    found = check(tmp_path, rows)
    told = {fault.kind: str(fault) for fault in found.faults}
    assert sentence in told[kind]
    assert told[kind].startswith(f"fault: {LIVE}")
    assert set(told) - {kind} <= {"missing-trial"}, "a row that cannot be read leaves its trial missing"


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), None])
def test_infinite_and_missing_numbers_are_told(tmp_path: Path, value: float | None) -> None:
    rows = live_rows()
    set_value(rows[0], 0, 0, value)
    assert kinds(check(tmp_path, rows)) == ["not-finite"]


def test_everything_is_told_in_one_go_and_equal_faults_together(tmp_path: Path) -> None:
    rows = live_rows()
    del rows[7]
    for row in rows:
        set_value(row, 1, 2, float("nan"))
    rows[0]["neuron_ids"] = [1, 3, 5, 7]
    rows[5]["prediction"] = [neuron[:-1] for neuron in rows[5]["prediction"]]
    rows.append(rows[1])
    found = check(tmp_path, rows)
    assert sorted(kinds(found)) == [
        "duplicate-trial",
        "frames",
        "missing-trial",
        "neuron-order",
        "not-finite",
        "not-finite",
        "unsorted",
    ]
    told = next(str(fault) for fault in found.faults if fault.kind == "not-finite")
    assert f"mouse '{MOUSE}', rows 1, 2, 3, 4, 8, trials 2, 9, 17, 20, 9: numbers are missing" in told
    assert "(the first: 1 of them in row 1, neuron 1 (id 3), frame 2 is nan)" in told.replace("(id 1)", "(id 3)")


def test_many_places_are_counted(tmp_path: Path) -> None:
    rows = live_rows()
    rows += [rows[0]] * 12
    (fault,) = check(tmp_path, rows).faults
    assert "12 rows (9, 10, 11, 12, 13, …), 12 trials (2, 2, 2, 2, 2, …)" in str(fault)
    assert len(fault.rows) == 12


@pytest.mark.parametrize(
    ("column", "kind", "sentence"),
    [
        ("trial_indices", pa.float64(), "column trial_indices is of type double; write int64"),
        ("neuron_ids", pa.list_(pa.string()), "list<int64> or list<uint32>"),
        ("prediction", pa.list_(pa.float64()), "write list<list<double>>, neurons x frames"),
    ],
)
def test_a_column_of_a_wrong_type(tmp_path: Path, column: str, kind: pa.DataType, sentence: str) -> None:
    schema = SCHEMA.set(SCHEMA.get_field_index(column), pa.field(column, kind))
    found = check(tmp_path, [{**live_rows()[0], column: None}], schema=schema)
    assert kinds(found) == ["type"]
    assert sentence in str(found.faults[0])


def test_a_missing_and_a_foreign_column(tmp_path: Path) -> None:
    rows = [{**row, "session": 1} for row in live_rows()]
    schema = SCHEMA.remove(3).append(pa.field("session", pa.int64()))
    assert kinds(check(tmp_path, rows, schema=schema)) == ["column-missing", "column-extra"]


def test_without_a_store_rows_are_checked_against_each_other(tmp_path: Path) -> None:
    rows = live_rows()
    rows[1]["neuron_ids"] = [1, 3, 5, 7]
    found = check_submission(write_rows(tmp_path / LIVE, rows))
    assert kinds(found) == ["neuron-order"]
    assert "this mouse's first row" in found.faults[0].mend
    found = check_submission(write_rows(tmp_path / LIVE, live_rows()[:2]), window=WINNER)
    assert kinds(found) == ["frames"]
    assert "50..299 (the instructions')" in found.faults[0].what
    found = check_submission(write_rows(tmp_path / LIVE, lengths(lambda _: 30)))
    assert set(kinds(found)) == {"frames"}
    assert not found.faults, "it may be that all trials are short"


@pytest.mark.parametrize("name", ["nothing.zip", "nothing.parquet.brotli"])
def test_only_what_cannot_be_read_at_all_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(SubmissionError, match="is not a readable"):
        check_submission(tmp_path / name)
    with pytest.raises(SubmissionError, match="is no file"):
        check_submission(tmp_path / f"absent-{name}")


def test_the_first_fault_as_an_error_says_how_many_more_there_are(tmp_path: Path) -> None:
    found = check(tmp_path, [row for row in live_rows()[1:] if row["mouse"] == MOUSE])
    with pytest.raises(SubmissionError, match=r"trial 2: missing, of tier live_test_main.*tells 1 more"):
        found.require_faultless()
    check(tmp_path, live_rows()).require_faultless()


def test_a_check_is_plain_values(tmp_path: Path) -> None:
    found = json.loads(json.dumps(check(tmp_path, live_rows()[1:]).as_json()))
    assert found["fine"] is False
    assert found["faults"][0]["kind"] == "missing-trial"
    assert found["faults"][0]["trials"] == [2]


# -- 2022


def write_csv_file(path: Path, tier: str, trials: dict[int, np.ndarray] | None = None) -> Path:
    mouse = STORE_2022[PLUS]
    with CsvWriter(path) as writer:
        for info in sorted(mouse.select(tier), key=lambda info: info.trial):
            prediction = np.ones((mouse.neurons, 1)) if trials is None else trials[info.trial]
            writer.add(info.trial, info.video, prediction, mouse.unit_ids)
    return path


def edit_csv(path: Path, damage: Callable[[list[list[str]]], object]) -> Path:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    damage(rows)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_convention_2022_one_csv_a_stage_and_its_neurons_tell_the_mouse(tmp_path: Path) -> None:
    for tier in ("test", "final_test"):
        found = check_submission(write_csv_file(tmp_path / FILES[tier], tier), "2022")
        assert kinds(found) == []
        assert found.files[0].tier == tier
        assert found.files[0].trials == {PLUS: 6}
        assert found.files[0].frames == (1, 1)


def test_convention_2022_columns_and_lists_as_python_text(tmp_path: Path) -> None:
    path = write_csv_file(tmp_path / FILES["test"], "test")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert rows[0]["prediction"] == "[1.0, 1.0, 1.0, 1.0]"
    assert rows[0]["neuron_ids"] == "[1, 4, 3, 8]"


def test_convention_2022_no_index_column(tmp_path: Path) -> None:
    def add_index(rows: list[list[str]]) -> None:
        for number, row in enumerate(rows):
            row.insert(0, str(number - 1) if number else "")

    found = check_submission(edit_csv(write_csv_file(tmp_path / FILES["test"], "test"), add_index), "2022")
    assert kinds(found) == ["index-column"]


def set_cell(number: int, column: str, text: str) -> Callable[[list[list[str]]], object]:
    def damage(rows: list[list[str]]) -> None:
        rows[number][CSV_COLUMNS.index(column)] = text

    return damage


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (set_cell(1, "prediction", "[1.0, nan, 1.0, inf]"), ["not-finite"]),
        (set_cell(1, "prediction", "__import__('os')"), ["prediction", "missing-trial"]),
        (set_cell(1, "prediction", "[]"), ["prediction", "missing-trial"]),
        (set_cell(1, "prediction", "[1.0]"), ["neuron-count"]),
        (set_cell(1, "neuron_ids", "[4, 1, 3, 8]"), ["neuron-order"]),
        (set_cell(1, "image_ids", "image test 2"), ["image-ids"]),
        (set_cell(1, "trial_indices", "a3f9"), ["trial-name", "missing-trial"]),
        (set_cell(1, "trial_indices", ""), ["unnamed", "missing-trial"]),
        (lambda rows: rows.pop(), ["missing-trial"]),
        (lambda rows: rows[1:].clear(), []),
    ],
)
def test_faults_of_a_csv(tmp_path: Path, damage: Callable[[list[list[str]]], object], expected: list[str]) -> None:
    path = edit_csv(write_csv_file(tmp_path / FILES["test"], "test"), damage)
    assert kinds(check_submission(path, "2022")) == expected


def test_convention_2022_a_csv_is_sent_by_itself(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.write(write_csv_file(tmp_path / FILES["test"], "test"), FILES["test"])
    found = check_submission(tmp_path / "mine.zip", "2022")
    assert [str(fault) for fault in found.faults] == [
        "fault: mine.zip: holds submission_file_live_test.csv; send each csv by itself"
    ]


def test_a_csv_of_no_known_mouse(tmp_path: Path) -> None:
    def rename(rows: list[list[str]]) -> None:
        for row in rows[1:]:
            row[3] = "[91, 92, 93, 94]"

    path = edit_csv(write_csv_file(tmp_path / FILES["test"], "test"), rename)
    found = check_submission(path, "2022")
    assert kinds(found) == ["unknown-mouse"]
    assert "rows (1, 2, 3, 4, 5, …): no mouse of a track has these neuron_ids" in str(found.faults[0])


def test_the_competitions_own_files_pass() -> None:
    if not EXAMPLES.is_dir():
        pytest.skip(f"no example submissions at {EXAMPLES}")
    for tier in ("live_test_main", "final_test_bonus"):
        found = check_submission(EXAMPLES / FILES[tier])
        assert kinds(found) == []
        assert list(found.files[0].trials.values()) == [2, 2]
        assert list(found.files[0].neurons.values()) == [40, 50]
