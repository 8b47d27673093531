"""Ensembles end to end on the tiny store: one pass over the oracle tier, bundles that answer as their weights say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from synthetic import correlations, mixed
from tiny_store import MICE, Tiny
from typer.testing import CliRunner

from sensorium_ray.benchmark import EvalWindow
from sensorium_ray.bundle.ensemble import write_ensemble
from sensorium_ray.bundle.manifest import MEMBER_WEIGHTS, Manifest
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.cli import app
from sensorium_ray.data.store import FrameStore
from sensorium_ray.ensembling import oracle
from sensorium_ray.ensembling.comparison import Comparison
from sensorium_ray.ensembling.crossvalidation import PERS, Fold
from sensorium_ray.ensembling.learning import learn_ensemble
from sensorium_ray.ensembling.members import MemberMoments
from sensorium_ray.ensembling.weights import methods
from sensorium_ray.errors import BundleError, ConfigError, DataError
from sensorium_ray.scoring.actors import PredictorSet

WINDOW = EvalWindow(10, 50)


def signals_of(tiny: Tiny, mouse: str, trial: int, members: list[Path]) -> np.ndarray:
    """Recorded and predicted responses of a trial, frames that count, (signals, neurons, frames)."""
    data = FrameStore.open(tiny.store)[mouse]
    answers = [load_predictor(member).predict(data.clip(trial), mouse) for member in members]
    return np.stack([data.responses(trial), *answers])[:, :, WINDOW.slice(60)]


@pytest.fixture(scope="module")
def folds(tiny: Tiny, ray_session: None) -> list[Fold]:
    found, sizes = oracle.oracle_folds(FrameStore.open(tiny.store), [tiny.good, tiny.bad], "oracle", WINDOW)
    assert sizes == [{"videos": 1, "trials": 4}, {"videos": 1, "trials": 2}]
    return found


@pytest.fixture(scope="module")
def compared(folds: list[Fold]) -> Comparison:
    return Comparison(folds, "neuron", seed=0)


@pytest.fixture(scope="module")
def best(tiny: Tiny, ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("best") / "ensemble"
    learn_ensemble(tiny.store, [tiny.bad, tiny.good, tiny.ensemble], out, method="best", per="neuron", window=WINDOW)
    return out


def test_the_actors_statistics_are_those_of_recorded_and_predicted_responses(tiny: Tiny, folds: list[Fold]) -> None:
    for mouse in MICE:
        trials = FrameStore.open(tiny.store)[mouse].select("oracle")
        for fold, video in zip(folds, ("o1", "o2"), strict=True):
            raw = [signals_of(tiny, mouse, info.trial, [tiny.good, tiny.bad]) for info in trials if info.video == video]
            expected = MemberMoments.of(list(np.concatenate(raw, axis=2)))
            assert fold[mouse].count == expected.count
            np.testing.assert_allclose(fold[mouse].mean, expected.mean, rtol=1e-12)
            np.testing.assert_allclose(fold[mouse].comoment, expected.comoment, rtol=1e-9)


@pytest.mark.parametrize("per", PERS)
@pytest.mark.parametrize("method", methods(0))
def test_a_bundle_answers_as_its_weights_say(
    tiny: Tiny, compared: Comparison, method: str, per: str, tmp_path: Path
) -> None:
    weights = compared.weights(method, per, list(MICE))
    members = {"good": tiny.good, "bad": tiny.bad}
    manifest = write_ensemble(members, weights, tmp_path / "made", {})
    assert sum(member.weight for member in manifest.members) == pytest.approx(1)
    ensemble = load_predictor(tmp_path / "made")
    chosen = np.array([3, 1])
    for mouse in MICE:
        of_mouse = weights[mouse] if isinstance(weights, dict) else np.array(weights)
        clip = FrameStore.open(tiny.store)[mouse].clip(0)
        signals = np.stack([load_predictor(member).predict(clip, mouse) for member in (tiny.good, *members.values())])
        np.testing.assert_allclose(ensemble.predict(clip, mouse), mixed(signals, of_mouse), rtol=1e-5)
        np.testing.assert_allclose(ensemble.predict(clip, mouse, chosen), mixed(signals, of_mouse)[chosen], rtol=1e-5)
        assert ensemble.predict(clip, mouse, chosen[:0]).shape == (0, 60)
    # What scores and submissions are made of is the same.
    together = PredictorSet([tmp_path / "made", tiny.good]).predict(clip, mouse)
    np.testing.assert_array_equal(together["made"], ensemble.predict(clip, mouse))


def test_the_report_tells_of_every_method_and_of_the_gain(best: Path) -> None:
    provenance = Manifest.read(best).provenance
    report = provenance["ensembling"]
    scores = {(method, per): value for per, row in report["scores"].items() for method, value in row.items()}
    assert set(scores) == {(method, per) for method in methods(0) for per in PERS}
    taken = scores[report["method"], report["per"]]
    assert taken == max(scores.values())
    assert report["gain"]["value"] == pytest.approx(taken - report["best_member"]["score"])
    assert report["gain"]["low"] <= report["gain"]["high"]
    assert [row["members"] for row in report["growth"]] == [1, 2, 3]
    assert {row["added"] for row in report["growth"]} == {"good", "bad", "both"}
    assert report["growth"][0]["mean"] == pytest.approx(report["best_member"]["score"])
    assert report["folds"] == [{"videos": 1, "trials": 4}, {"videos": 1, "trials": 2}]
    assert (provenance["tier"], provenance["window"]) == ("oracle", "10..49")
    assert json.loads(json.dumps(report)) == report


def test_the_best_members_score_is_that_of_the_raw_signals(tiny: Tiny, best: Path) -> None:
    found = []
    for mouse in MICE:
        trials = FrameStore.open(tiny.store)[mouse].select("oracle")
        signals = np.concatenate([signals_of(tiny, mouse, info.trial, [tiny.good]) for info in trials], axis=2)
        found.append(correlations(signals[0], signals[1]))
    report = Manifest.read(best).provenance["ensembling"]
    assert report["best_member"]["name"] == "good"
    assert report["best_member"]["score"] == pytest.approx(np.concatenate(found).mean(), abs=1e-7)


def test_a_member_without_weight_is_left_out_of_the_bundle(tiny: Tiny, tmp_path: Path) -> None:
    weights = {"mouse-a": np.array([0.0, 1]), "mouse-b": np.tile([[0.0], [1]], 6)}
    manifest = write_ensemble({"bad": tiny.bad, "good": tiny.good}, weights, tmp_path / "made", {})
    assert [member.name for member in manifest.members] == ["good"]
    assert manifest.provenance["left_out"] == ["bad"]
    assert not (tmp_path / "made" / "members" / "bad").exists()
    clip = FrameStore.open(tiny.store)["mouse-b"].clip(0)
    expected = load_predictor(tiny.good).predict(clip, "mouse-b")
    np.testing.assert_array_equal(load_predictor(tmp_path / "made").predict(clip, "mouse-b"), expected)


def test_weights_that_do_not_fit_the_mice_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    weights = {"mouse-a": np.full(2, 0.5), "mouse-b": np.full((2, 5), 0.5)}
    write_ensemble({"bad": tiny.bad, "good": tiny.good}, weights, tmp_path / "made", {})
    with pytest.raises(BundleError, match=re.escape(f"made: {MEMBER_WEIGHTS} does not fit 'mouse-b'")):
        load_predictor(tmp_path / "made")


def test_changed_weights_are_noticed(tiny: Tiny, tmp_path: Path) -> None:
    weights = {mouse: np.full(2, 0.5) for mouse in MICE}
    write_ensemble({"bad": tiny.bad, "good": tiny.good}, weights, tmp_path / "made", {})
    file = tmp_path / "made" / MEMBER_WEIGHTS
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BundleError, match="differs from the manifest's checksum"):
        load_predictor(tmp_path / "made")


def test_a_mouse_that_the_store_does_not_have_gets_the_shared_weights(compared: Comparison) -> None:
    shared = compared.weights("nnls", "all", [*MICE, "elsewhere"])
    for per in ("mouse", "neuron"):
        weights = compared.weights("nnls", per, [*MICE, "elsewhere"])
        assert isinstance(weights, dict)
        np.testing.assert_array_equal(weights["elsewhere"], shared)
        assert weights["mouse-b"].shape == ((2,) if per == "mouse" else (2, 6))


def test_unknown_methods_and_too_few_members_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'magic' is unknown; choose from uniform, greedy"):
        learn_ensemble(tiny.store, [tiny.good, tiny.bad], tmp_path / "made", method="magic")
    with pytest.raises(ConfigError, match="choose from all, mouse, neuron"):
        learn_ensemble(tiny.store, [tiny.good, tiny.bad], tmp_path / "made", per="cell")  # type: ignore[arg-type]
    with pytest.raises(BundleError, match="two or more members"):
        learn_ensemble(tiny.store, [tiny.good], tmp_path / "made")


def test_one_oracle_video_is_refused_before_any_work(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle, "run_actors", lambda *_: pytest.fail("work was begun"))
    data = FrameStore.open(tiny.store)
    with pytest.raises(DataError, match="mouse-a: has oracle videos in one group only"):
        oracle.oracle_folds(data, [tiny.good, tiny.bad], "final_test_main", WINDOW)


def test_the_command_prints_the_report(tiny: Tiny, ray_session: None, tmp_path: Path) -> None:
    arguments = ["ensemble", str(tiny.store), str(tiny.good), str(tiny.bad), "--frames", "10..49"]
    shown = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "a"), "--method", "greedy", "--per", "mouse"])
    assert shown.exit_code == 0, shown.output
    for words in ("greedy, per mouse: ", "over the best member, 95% interval", "best member: good", "nnls"):
        assert words in shown.output
    printed = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "b"), "--json"])
    report = json.loads(printed.stdout[printed.stdout.index("{") :])
    assert report["ensembling"]["method"] == "correlation"
    assert {row["name"] for row in report["weights"]} <= {"good", "bad"}
