from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sent import WINDOW, send
from tiny_store import MICE, TIERS, Tiny

from sensorium_ray.benchmark import EvalWindow
from sensorium_ray.data.store import FrameStore
from sensorium_ray.data.truth import Truth
from sensorium_ray.errors import ConfigError, DataError, SubmissionError
from sensorium_ray.metrics.definitions import RANKED_BY
from sensorium_ray.scoring.job import score
from sensorium_ray.scoring.table import CEILING, WHOLE, ScoreTable
from sensorium_ray.submissions.evaluation import evaluate
from sensorium_ray.submissions.files import FILES, SubmissionWriter, open_submission, read_prediction
from sensorium_ray.submissions.submitting import write_submission


def numbers(row: dict[str, float | None]) -> list[float]:
    return [float("nan") if number is None else number for number in row.values()]


def values(table: ScoreTable) -> dict[tuple[str, ...], dict[str, float | None]]:
    """Every row's value and interval by all that names it but the bundle; the ceiling's rows are left out."""
    names = ("mouse", "neuron", "unit_id", "track", "stage", "family", "metric")
    rows = table.table.to_pylist()
    return {
        tuple(row[name] for name in names): {key: row[key] for key in ("value", "low", "high")}
        for row in rows
        if row["bundle"] != CEILING
    }


@pytest.mark.parametrize(
    "window",
    [EvalWindow(10, 49), pytest.param(EvalWindow(10, None), marks=pytest.mark.slow)],
    ids=lambda window: window.name,
)
def test_a_submission_scores_as_the_bundle_that_made_it(
    tiny: Tiny, tmp_path: Path, ray_session: None, window: EvalWindow
) -> None:
    expected = values(score(tiny.good, tiny.store, tmp_path / "scores", truth=tiny.truth, window=window))
    expected = {key: found for key, found in expected.items() if key[3] != "oracle"}
    found: dict[tuple[str, ...], dict[str, float | None]] = {}
    for path in write_submission(tiny.good, tiny.store, tmp_path / "sent", window=window):
        found |= values(evaluate(path, tiny.store, truth=tiny.truth, window=window))
    assert found.keys() == expected.keys()
    for key in found:
        assert numbers(found[key]) == pytest.approx(numbers(expected[key]), rel=1e-9, nan_ok=True)


def test_the_single_trial_correlation_is_pearsons_over_the_concatenated_trials(tiny: Tiny, tmp_path: Path) -> None:
    path = send(tiny, tmp_path, 0.5)
    table = evaluate(path, tiny.store, truth=tiny.truth, window=WINDOW)
    store, truth = FrameStore.open(tiny.store), Truth.open(tiny.truth)
    for mouse in MICE:
        trials = [info.trial for info in store[mouse].select("live_test_main")]
        recorded = np.concatenate([truth.responses(mouse, trial)[:, 10:50] for trial in trials], axis=1)
        predicted = np.concatenate([read_prediction(path, mouse, trial) for trial in trials], axis=1)
        expected = [np.corrcoef(pair)[0, 1] for pair in zip(recorded, predicted, strict=True)]
        found = [
            row["value"]
            for row in table.table.to_pylist()
            if (row["mouse"], row["stage"], row["family"], row["metric"]) == (mouse, "live", WHOLE, RANKED_BY)
        ]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_rows_may_come_in_any_order(tiny: Tiny, tmp_path: Path) -> None:
    path = send(tiny, tmp_path, 0.5)
    shuffled = tmp_path / "shuffled.zip"
    with open_submission(path) as files:
        rows = {file.name: [(row.mouse, row.trial, row.prediction(), row.neuron_ids) for row in file] for file in files}
    with zipfile.ZipFile(shuffled, "w") as archive:
        for name, of_file in rows.items():
            with SubmissionWriter(tmp_path / name) as writer:
                for place in np.random.default_rng(0).permutation(len(of_file)):
                    mouse, trial, prediction, unit_ids = of_file[place]
                    assert mouse is not None
                    assert trial is not None
                    writer.add(mouse, trial, prediction, unit_ids)
            archive.write(tmp_path / name, name)
    one, other = (values(evaluate(file, tiny.store, truth=tiny.truth, window=WINDOW)) for file in (path, shuffled))
    assert one.keys() == other.keys()
    for key in one:
        assert numbers(one[key]) == pytest.approx(numbers(other[key]), rel=1e-9, nan_ok=True)


def test_another_frame_rule_than_the_submissions_is_named(tiny: Tiny, tmp_path: Path) -> None:
    path = send(tiny, tmp_path, 0.5)
    with pytest.raises(SubmissionError, match=r"40 frames, one too many; give the 39 frames 10\.\.48 of it"):
        evaluate(path, tiny.store, truth=tiny.truth, window=EvalWindow(10, 49))


def test_a_rule_that_the_submission_follows_is_named(tiny: Tiny, tmp_path: Path) -> None:
    """Trials of the tiny store have 60 frames."""
    path = send(tiny, tmp_path, 0.5, window=EvalWindow(51, 300))
    with pytest.raises(SubmissionError, match=r"9 frames are those of the rule 51\.\.299.*or name the rule with --fra"):
        evaluate(path, tiny.store, truth=tiny.truth)
    assert evaluate(path, tiny.store, truth=tiny.truth, window=EvalWindow(51, 300)).provenance.window == "51..299"


def test_faults_are_refused_and_withheld_responses_too(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match=r"trial 6: missing.*tells 1 more"):
        evaluate(send(tiny, tmp_path, 0.5, leave_out=1), tiny.store, truth=tiny.truth, window=WINDOW)
    path = send(tiny, tmp_path, 0.5)
    with pytest.raises(DataError, match="are withheld"):
        evaluate(path, tiny.store, window=WINDOW)
    with pytest.raises(ConfigError, match="'softened' is unknown"):
        evaluate(path, tiny.store, truth=tiny.truth, window=WINDOW, normalisation="softened")


def test_one_file_alone_is_scored_on_its_tier(tiny: Tiny, tmp_path: Path) -> None:
    send(tiny, tmp_path, 0.5, tiers=["final_test_bonus"])
    table = evaluate(tmp_path / FILES["final_test_bonus"], tiny.store, truth=tiny.truth, window=WINDOW, name="mine")
    assert [row.bundle for row in table.ranking("ood", "final")] == ["mine"]
    assert table.ranking("ood", "live") == []
    families = {family for _, family in TIERS["final_test_bonus"]}
    assert set(table.table["family"].to_pylist()) == {WHOLE, *families}


def test_what_is_written_can_be_read_again(tiny: Tiny, tmp_path: Path) -> None:
    path, out = send(tiny, tmp_path, 0.5), tmp_path / "out"
    table = evaluate(path, tiny.store, truth=tiny.truth, window=WINDOW, out=out)
    assert values(ScoreTable.read(out / "scores.parquet")) == values(table)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["window"] == "10..49"
    assert list(summary["bundles"]) == [path.name.partition(".")[0]]
    with pytest.raises(DataError, match="exists already"):
        evaluate(path, tiny.store, truth=tiny.truth, window=WINDOW, out=out)
