"""Sensorium 2022 goes the same way: ingest from zips, train, export, ensemble, score, submit, check, evaluate."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sensorium_ray.bundle.anatomy import read_anatomy
from sensorium_ray.bundle.export import export
from sensorium_ray.bundle.manifest import Manifest
from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.simulate import SCALES_2022, simulate
from sensorium_ray.data.store import FrameStore
from sensorium_ray.ensembling.learning import learn_ensemble
from sensorium_ray.report.page import write_report
from sensorium_ray.scoring.job import score
from sensorium_ray.scoring.table import WHOLE, ScoreTable
from sensorium_ray.submissions.checking import check_submission
from sensorium_ray.submissions.evaluation import evaluate
from sensorium_ray.submissions.submitting import write_submission
from sensorium_ray.training.settings import TrainSettings
from sensorium_ray.training.trainer import Trainer

CONFIG = {"channels": 4, "spatial_kernel": 9, "temporal_kernel": 1, "stride": 2, "gabor_start": True}


@dataclass(frozen=True)
class Job:
    mice: Path
    store: FrameStore
    bundles: list[Path]
    scores: Path
    table: ScoreTable
    sent: list[Path]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Job:
    folder = tmp_path_factory.mktemp("job2022")
    simulate(folder / "mice", SCALES_2022["tiny"], seed=0)
    for mouse in sorted((folder / "mice").glob("static*")):
        shutil.make_archive(str(folder / "zips" / mouse.name), "zip", mouse.parent, mouse.name)
    store = ingest(folder / "zips", folder / "store")
    trainer = Trainer(store, "linear_nonlinear", CONFIG, TrainSettings(epochs=2, steps=20, batch=16))
    while not trainer.finished:
        trainer.run_epoch()
    trainer.checkpoint().write(folder / "checkpoint")
    members = [folder / "bundles" / name for name in ("one", "two")]
    export(folder / "checkpoint", members[0])
    shutil.copytree(*members)
    Manifest.read(members[1]).model_copy(update={"name": "two"}).write(members[1])
    learn_ensemble(folder / "store", members, folder / "bundles" / "both")
    bundles = [*members, folder / "bundles" / "both"]
    table = score(bundles, store, folder / "scores", truth=folder / "mice")
    sent = write_submission(bundles[-1], store, folder / "sent")
    return Job(folder / "mice", store, bundles, folder / "scores", table, sent)


def test_a_store_of_images_is_scored_by_the_rules_of_2022(job: Job) -> None:
    assert job.table.provenance.benchmark == "sensorium2022"
    assert job.table.provenance.window == "0..0"
    cells = {(cell.track, cell.stage) for cell in job.table.means()}
    assert cells == {("sensorium+", "live"), ("sensorium+", "final"), ("validation", "dev")}
    (ranked, *_) = job.table.ranking("sensorium+", "final")
    assert ranked.correlation_to_average is not None
    assert ranked.interval is not None
    assert ranked.interval[0] <= ranked.single_trial_correlation <= ranked.interval[1]
    metrics = set(job.table.table["metric"].unique().to_pylist())
    assert metrics == set(job.store.benchmark.metrics)


def test_bundles_know_the_published_areas_of_their_neurons(job: Job) -> None:
    for bundle in job.bundles:
        for name, mouse in read_anatomy(bundle, Manifest.read(bundle)).items():
            published = np.load(job.mice / name / "meta" / "neurons" / "area.npy")
            np.testing.assert_array_equal(mouse.areas, published, strict=True)


def test_a_submission_of_images_scores_as_the_bundle_that_made_it(job: Job) -> None:
    rows = {
        (row["mouse"], row["stage"], row["metric"], row["neuron"]): row["value"]
        for row in job.table.table.to_pylist()
        if row["bundle"] == "both" and row["family"] == WHOLE
    }
    assert len(job.sent) == 2 * len(job.store.mice)
    for path in job.sent:
        assert not check_submission(path, job.store).faults
        found = evaluate(path, job.store, truth=job.mice).table.to_pylist()
        assert found
        for row in (row for row in found if row["family"] == WHOLE):
            expected = rows[row["mouse"], row["stage"], row["metric"], row["neuron"]]
            assert row["value"] == (None if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-9))


def test_the_report_of_images_is_written(job: Job, tmp_path: Path) -> None:
    write_report(job.scores, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "sensorium+, final" in page
    assert not np.isnan(job.table.ranking("sensorium+", "live")[0].single_trial_correlation)
