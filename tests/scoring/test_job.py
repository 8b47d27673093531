from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import s3fs
from tiny_store import Tiny

from sensorium_ray.benchmark import SENSORIUM_2023, EvalWindow
from sensorium_ray.data.store import FrameStore
from sensorium_ray.data.truth import Truth
from sensorium_ray.errors import BundleError, DataError
from sensorium_ray.scoring import actors, job
from sensorium_ray.scoring.actors import PredictorSet, check_bundles, run_actors
from sensorium_ray.scoring.job import score
from sensorium_ray.scoring.table import CEILING, Cell, ScoreTable

WINDOW = EvalWindow(10, 50)


@pytest.fixture(scope="module")
def scored(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    out = tmp_path_factory.mktemp("scored") / "out"
    score([tiny.bad, tiny.ensemble, tiny.good], tiny.store, out, truth=tiny.truth, window=WINDOW)
    return out


@pytest.fixture(scope="module")
def table(scored: Path) -> ScoreTable:
    return ScoreTable.read(scored / "scores.parquet")


def values(table: ScoreTable, metric: str, cell: Cell) -> np.ndarray:
    frame = table.table.to_pandas()
    chosen = frame["metric"] == metric
    for name in ("bundle", "mouse", "track", "stage", "family"):
        chosen &= frame[name] == getattr(cell, name)
    return frame[chosen].sort_values("neuron")["value"].to_numpy()


def by_hand(tiny: Tiny, bundle: Path, mouse: str, tier: str) -> np.ndarray:
    """All trials of a tier concatenated in time, then Pearson's correlation of each neuron."""
    store, truth = FrameStore.open(tiny.store)[mouse], Truth.open(tiny.truth)
    predictors = PredictorSet([bundle])
    recorded, predicted = [], []
    for info in store.select(tier):
        known = truth.has_responses(mouse, info.trial)
        responses = truth.responses(mouse, info.trial) if known else store.responses(info.trial)
        recorded.append(responses[:, 10:50])
        predicted.append(predictors.predict(store.clip(info.trial), mouse)[bundle.name][:, 10:50])
    both = np.concatenate(recorded, axis=1), np.concatenate(predicted, axis=1)
    return np.array([np.corrcoef(y, p)[0, 1] for y, p in zip(*both, strict=True)])


@pytest.mark.parametrize("mouse", ["mouse-a", "mouse-b"])
@pytest.mark.parametrize("tier", ["live_test_main", "final_test_bonus", "oracle"])
def test_scores_are_those_worked_out_by_hand(tiny: Tiny, table: ScoreTable, mouse: str, tier: str) -> None:
    for bundle in (tiny.good, tiny.bad, tiny.ensemble):
        cell = Cell(bundle.name, mouse, *SENSORIUM_2023.track_and_stage_of(mouse, tier), "all")
        found = values(table, "single_trial_correlation", cell)
        assert found == pytest.approx(by_hand(tiny, bundle, mouse, tier), abs=1e-6)


def test_rows_name_neurons_and_families(tiny: Tiny, table: ScoreTable) -> None:
    frame = table.table.to_pandas()
    unit_ids = FrameStore.open(tiny.store)["mouse-b"].unit_ids
    of_mouse = frame[frame["mouse"] == "mouse-b"]
    assert (of_mouse["unit_id"].to_numpy() == unit_ids[of_mouse["neuron"].to_numpy()]).all()
    final = frame[(frame["track"] == "ood") & (frame["stage"] == "final")]
    assert set(final["family"]) == {"all", "images", "pink_noise"}


def test_the_ranking_puts_the_good_bundle_first_and_leaves_the_ceiling_out(table: ScoreTable) -> None:
    for track, stage in (("main", "live"), ("main", "final"), ("ood", "live"), ("ood", "final")):
        ranking = table.ranking(track, stage)
        assert [row.bundle for row in ranking] == ["good", "both", "bad"]
        assert ranking[0].neurons == 10
        assert ranking[0].fraction_of_ceiling is not None
        assert 0.9 < ranking[0].fraction_of_ceiling < 1.02
    assert table.ranking("main", "nowhere") == []


def test_the_summary_names_what_made_it(scored: Path, table: ScoreTable) -> None:
    summary = json.loads((scored / "summary.json").read_text())
    assert summary["window"] == "10..49"
    assert summary["nan_policy"] == "nan-and-constant-are-0"
    assert set(summary["bundles"]) == {"good", "bad", "both"}
    assert summary["truth"] == table.provenance.truth
    rows = {
        (*(row[key] for key in ("bundle", "mouse", "track", "family", "pooling", "stage")),): row
        for row in summary["rows"]
    }
    whole = rows["good", "all", "ood", "all", "neurons", "final"]
    assert (whole["trials"], whole["neurons"]) == (8, 10)
    first, second = (rows["good", mouse, "ood", "all", "neurons", "final"] for mouse in ("mouse-a", "mouse-b"))
    metric = "single_trial_correlation"
    pooled = 0.4 * first[metric]["value"] + 0.6 * second[metric]["value"]
    assert whole[metric]["value"] == pytest.approx(pooled)
    of_mice = rows["good", "all", "ood", "all", "neurons-then-mice", "final"]
    assert of_mice[metric]["value"] == pytest.approx((first[metric]["value"] + second[metric]["value"]) / 2)
    assert whole[metric]["fraction"] == whole[metric]["value"] / whole[metric]["ceiling"]
    assert rows[CEILING, "all", "main", "movie", "neurons", "live"]["correlation_to_average"]["fraction"] == 1


def test_traces_are_of_one_trial_of_each_family(scored: Path, tiny: Tiny) -> None:
    with np.load(scored / "traces.npz", allow_pickle=False) as archive:
        traces = dict(archive)
    families = {tuple(name.split("/")[:2]) for name in traces}
    assert families == {
        (mouse, family)
        for mouse in ("mouse-a", "mouse-b")
        for family in ("movie", "random_dots", "images", "pink_noise")
    }
    neurons, trial = traces["mouse-b/images/neurons"], int(traces["mouse-b/images/trial"])
    rates = Truth.open(tiny.truth).rates("mouse-b", trial)
    assert len(neurons) == job.TRACED_NEURONS
    assert traces["mouse-b/images/rates"] == pytest.approx(rates[neurons])
    for name in ("recorded", "prediction/good", "prediction/bad", "prediction/both"):
        assert traces[f"mouse-b/images/{name}"].shape == (6, 60)


def test_a_member_of_a_given_ensemble_runs_once(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = FrameStore.open(tiny.store)["mouse-a"].clip(0)
    alone = PredictorSet([tiny.bad, tiny.ensemble]).predict(clip, "mouse-a")
    loaded: list[Path] = []
    load = actors.load_predictor
    monkeypatch.setattr(actors, "load_predictor", lambda path, threads: (loaded.append(path), load(path, threads))[1])
    together = PredictorSet([tiny.good, tiny.bad, tiny.ensemble]).predict(clip, "mouse-a")
    assert loaded == [tiny.ensemble]
    assert set(together) == {"good", "bad", "both"}
    assert together["both"] == pytest.approx(0.75 * together["good"] + 0.25 * together["bad"], rel=1e-5)
    assert (together["bad"] == alone["bad"]).all()


@pytest.mark.slow
def test_all_of_it_may_be_on_s3(tiny: Tiny, table: ScoreTable, ray_session: None) -> None:
    files = s3fs.S3FileSystem(use_listings_cache=False)
    files.mkdir("scoring")
    bundles = [tiny.bad, tiny.ensemble, tiny.good]
    for folder in (tiny.store, tiny.truth / "truth", *bundles):
        files.put(str(folder), f"s3://scoring/{folder.name}", recursive=True)
    remote = [f"s3://scoring/{bundle.name}" for bundle in bundles]
    store, out, truth = "s3://scoring/store", "s3://scoring/out", "s3://scoring/truth"
    score(remote, store, out, truth=truth, window=WINDOW, keep="float16")
    with files.open("s3://scoring/out/scores.parquet", "rb") as file:
        assert pq.read_table(file).equals(table.table)
    assert sorted(PurePosixPath(name).name for name in files.ls("s3://scoring/out")) == [
        "predictions", "scores.parquet", "summary.json", "traces.npz",
    ]  # fmt: skip
    assert len(files.find("s3://scoring/out/predictions/good")) == len(files.find("s3://scoring/out/predictions/both"))


def test_predictions_are_kept_when_asked_for(tiny: Tiny, tmp_path: Path, ray_session: None) -> None:
    score(tiny.good, tiny.store, tmp_path / "out", truth=tiny.truth, window=WINDOW, keep="float32")
    kept = pq.read_table(tmp_path / "out" / "predictions" / "good" / "mouse-b" / "live_test_main")
    mouse = FrameStore.open(tiny.store)["mouse-b"]
    trials = [info.trial for info in mouse.select("live_test_main")]
    assert sorted(set(kept["trial"].to_pylist())) == trials
    of_trial = kept.filter(pc.equal(kept["trial"], trials[1])).sort_by("neuron")
    expected = PredictorSet([tiny.good]).predict(mouse.clip(trials[1]), "mouse-b")["good"]
    assert (np.array(of_trial["prediction"].to_pylist(), np.float32) == expected).all()


def test_withheld_responses_are_no_scores(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"live_test_main of mouse-a are withheld \(all zeros\); pass --truth DIR"):
        score([tiny.good], tiny.store, tmp_path / "out", window=WINDOW)
    assert not (tmp_path / "out").exists()


def test_a_finished_output_is_kept(tiny: Tiny, scored: Path) -> None:
    with pytest.raises(DataError, match="exists already"):
        score([tiny.good], tiny.store, scored, truth=tiny.truth, window=WINDOW)


def test_a_trial_that_ends_before_the_window_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has 60 frames, none of them in 60\.\.299"):
        score([tiny.good], tiny.store, tmp_path / "out", truth=tiny.truth, window=EvalWindow(60, 300))


def test_bundles_must_be_told_apart(tiny: Tiny) -> None:
    with pytest.raises(BundleError, match="is named 'good', which is taken"):
        check_bundles(FrameStore.open(tiny.store), [tiny.good, tiny.good])


def test_an_error_of_an_actor_arrives_as_itself(ray_session: None) -> None:
    class Failing:
        def __call__(self, item: dict) -> list[dict]:
            raise DataError("is broken", f"trial {item['trial']}", "mend it")

    with pytest.raises(DataError) as caught:
        list(run_actors([{"trial": 7}], Failing, ()))
    assert str(caught.value) == "trial 7: is broken; mend it"


def test_rows_come_in_the_order_of_the_items(ray_session: None) -> None:
    class Slow:
        def __call__(self, item: dict) -> list[dict]:
            import time

            time.sleep(0.2 if item["number"] == 0 else 0)
            return [item, item]

    rows = list(run_actors([{"number": number} for number in range(5)], Slow, ()))
    assert [row["number"] for row in rows] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scores.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match="is not a score table"):
        ScoreTable.read(tmp_path / "scores.parquet")
