"""The whole path on the tiny mice: sweep, export, ensemble, score, submit, report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from world import World

from sensorium_ray.bundle.export import export
from sensorium_ray.bundle.manifest import Manifest
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.store import FrameStore
from sensorium_ray.ensembling.learning import learn_ensemble
from sensorium_ray.errors import ConfigError, DataError
from sensorium_ray.report.page import write_report
from sensorium_ray.scoring.job import score
from sensorium_ray.scoring.table import CEILING, WHOLE, ScoreTable
from sensorium_ray.search.settings import METRIC, SweepSettings
from sensorium_ray.search.sweep import sweep
from sensorium_ray.storage import read_json, read_npz
from sensorium_ray.submissions.checking import check_submission
from sensorium_ray.submissions.files import read_prediction
from sensorium_ray.submissions.submitting import write_submission
from sensorium_ray.training.checkpoint import Checkpoint

ARCHITECTURES = ("linear_nonlinear", "factorised3d")
SETTINGS = SweepSettings(size="demo", samples=2, epochs=2, steps=3)


@dataclass(frozen=True)
class Job:
    """Folders of one run."""

    world: World
    sweep: Path
    bundles: list[Path]
    scores: Path
    submissions: list[Path]


@pytest.fixture(scope="module")
def job(world: World, tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("job")
    sweep(world.store, ARCHITECTURES, folder / "sweep", SETTINGS)
    members = [folder / "bundles" / name for name in ARCHITECTURES]
    for name, bundle in zip(ARCHITECTURES, members, strict=True):
        export(folder / "sweep" / "best" / name, bundle)
    bundles = [*members, folder / "bundles" / "ensemble"]
    learn_ensemble(world.store, members, bundles[-1])
    score(bundles, world.store, folder / "scores", truth=world.mice / "truth")
    submissions = write_submission(bundles[-1], world.store, folder / "submission")
    return Job(world, folder / "sweep", bundles, folder / "scores", list(submissions))


def test_the_sweep_keeps_each_architectures_best_checkpoint(job: Job) -> None:
    result = read_json(job.sweep / "sweep.json")
    for name in ARCHITECTURES:
        rows = [row for row in result["trials"] if row["architecture"] == name]
        assert len(rows) == SETTINGS.samples
        assert all("error" not in row for row in rows)
        kept = Checkpoint.read(job.sweep / "best" / name)
        assert kept.provenance[METRIC] == pytest.approx(max(row[METRIC] for row in rows))


def test_the_sweeps_curves_have_every_epoch(job: Job) -> None:
    curves = pd.read_csv(job.sweep / "curves.csv")
    trials = read_json(job.sweep / "sweep.json")["trials"]
    assert len(curves) == sum(row["epochs"] for row in trials)
    assert curves[["loss", METRIC]].notna().all(axis=None)


def test_a_finished_sweep_is_not_swept_again(job: Job) -> None:
    with pytest.raises(ConfigError, match="holds a finished sweep"):
        sweep(job.world.store, ARCHITECTURES, job.sweep, SETTINGS)


def test_a_sweep_with_other_settings_does_not_mix_with_an_unfinished_one(job: Job, tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text((job.sweep / "request.json").read_text())
    with pytest.raises(ConfigError, match="unfinished sweep with other spaces"):
        sweep(job.world.store, ARCHITECTURES[:1], tmp_path, SETTINGS)


def test_the_ensemble_is_at_least_as_good_as_its_members_where_it_was_learned(job: Job) -> None:
    rows = {
        row.bundle: row.single_trial_correlation
        for row in ScoreTable.read(job.scores / "scores.parquet").ranking("oracle", "dev")
    }
    assert rows["ensemble"] >= max(rows[name] for name in ARCHITECTURES) - 1e-9
    weights = [member.weight for member in Manifest.read(job.bundles[-1]).members]
    assert sum(weights) == pytest.approx(1)


def test_every_track_stage_mouse_and_family_is_scored_with_its_ceiling(job: Job) -> None:
    table = ScoreTable.read(job.scores / "scores.parquet")
    means = table.means()
    families = {cell.family for cell in means if cell.track == "ood"}
    assert families == {"pink_noise", "gaussian_dots", "random_dots", "drifting_gabor", "images", WHOLE}
    assert {(cell.track, cell.stage) for cell in means} == {
        ("oracle", "dev"), ("main", "live"), ("main", "final"), ("ood", "live"), ("ood", "final"),
    }  # fmt: skip
    assert {cell.bundle for cell in means} == {*ARCHITECTURES, "ensemble", CEILING}
    for cell, metrics in means.items():
        if cell.bundle == CEILING and cell.family == WHOLE:
            assert metrics["single_trial_correlation"][0] > 0.15


def test_withheld_tiers_cannot_be_scored_without_the_truth(job: Job, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"are withheld \(all zeros\).*pass --truth"):
        score(job.bundles[:1], job.world.store, tmp_path / "scores")
    assert not (tmp_path / "scores" / "summary.json").exists()


def test_the_submissions_are_what_the_ensemble_predicts(job: Job) -> None:
    for path in job.submissions:
        assert not check_submission(path, job.world.store).faults
    store = FrameStore.open(job.world.store)
    predictor = load_predictor(job.bundles[-1], threads=1)
    for mouse in store.mice:
        info = store[mouse].select("live_test_main")[0]
        expected = predictor.predict(store[mouse].clip(info.trial), mouse)[:, 50:]
        np.testing.assert_allclose(read_prediction(job.submissions[0], mouse, info.trial), expected, atol=1e-5)


def test_the_report_is_one_file_that_asks_nothing_of_the_network(job: Job, tmp_path: Path) -> None:
    write_report(job.scores, tmp_path / "report.html", job.sweep)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") >= 3 + len({key.split("/")[1] for key in read_npz(job.scores / "traces.npz")})
    for reference in ("src=", "@import", "<link", "<script"):
        assert reference not in page
    for name in (*ARCHITECTURES, "ensemble", "random_dots"):
        assert name in page


def test_a_report_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `sensorium score`"):
        write_report(tmp_path, tmp_path / "report.html")


def test_the_readmes_python_runs(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    code = readme.split("```python\n")[1].split("```")[0]
    (tmp_path / "store").symlink_to(job.world.store)
    (tmp_path / "bundles").symlink_to(job.bundles[0].parent)
    (tmp_path / "mice").symlink_to(job.world.mice)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["responses"].shape == (names["mouse"].neurons, names["clip"].frames)
