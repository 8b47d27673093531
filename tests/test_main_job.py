"""The main job on tiny mice, as the guide does it: its pages run one after another, and what they leave is right."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from guide import DOCS, RUN, blocks

from sensorium_ray.bundle.manifest import Manifest
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import ConfigError, DataError
from sensorium_ray.ports import free_port
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

ROOT = DOCS.parent
PAGES = (
    "quickstart",
    "data",
    "first-model",
    "sweeps",
    "ensembles",
    "submitting",
    "insilico",
    "organisers",
    "operators",
    "new-architecture",
)
"""In the order of the guide, but for the one that brings a copy of the package, which comes last."""
ARCHITECTURES = ("linear_nonlinear", "factorised3d")
SETTINGS = SweepSettings(size="demo", samples=2, epochs=2, steps=3)
"""As the guide sweeps."""
LONGEST = 600


@dataclass
class Guide:
    """A folder in which a reader does what the pages say."""

    folder: Path
    read: list[str] = field(default_factory=list)

    def follow(self, name: str) -> None:
        """Run a page, unless it was."""
        if name in self.read:
            return
        page = DOCS / f"{name}.md"
        if any(block.file and block.file.parts[0] == "sensorium_ray" for block in blocks(page)):
            for part in ("sensorium_ray", "tune_spaces", "tests"):
                shutil.copytree(ROOT / part, self.folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "pyproject.toml", self.folder)
        copy = self.folder / "pages" / page.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(re.sub(r"\b800\d\b", str(free_port()), page.read_text()))
        _run(copy, self.folder)
        self.read.append(name)


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Guide:
    return Guide(tmp_path_factory.mktemp("guide"))


@pytest.fixture(scope="module")
def job(guide: Guide) -> Path:
    """The folder, once the pages have swept, ensembled, scored and submitted in it."""
    for page in PAGES[: PAGES.index("submitting") + 1]:
        guide.follow(page)
    return guide.folder


def test_no_page_is_left_out() -> None:
    runnable = {block.page.stem for page in DOCS.glob("*.md") for block in blocks(page) if block.language in RUN}
    assert runnable == {*PAGES, "migrating"}  # for which one needs what others published


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.timeout(LONGEST + 60)
def test_the_blocks_of_a_page_run_one_after_another(page: str, guide: Guide) -> None:
    guide.follow(page)


def test_the_sweep_keeps_each_architectures_best_checkpoint(job: Path) -> None:
    result = read_json(job / "sweep" / "sweep.json")
    for name in ARCHITECTURES:
        rows = [row for row in result["trials"] if row["architecture"] == name]
        assert len(rows) == SETTINGS.samples
        assert all("error" not in row for row in rows)
        kept = Checkpoint.read(job / "sweep" / "best" / name)
        assert kept.provenance[METRIC] == pytest.approx(max(row[METRIC] for row in rows))


def test_the_sweeps_curves_have_every_epoch(job: Path) -> None:
    curves = pd.read_csv(job / "sweep" / "curves.csv")
    trials = read_json(job / "sweep" / "sweep.json")["trials"]
    assert len(curves) == sum(row["epochs"] for row in trials)
    assert curves[["loss", METRIC]].notna().all(axis=None)


def test_a_finished_sweep_is_not_swept_again(job: Path, ray_session: None) -> None:
    with pytest.raises(ConfigError, match="holds a finished sweep"):
        sweep(job / "store", ARCHITECTURES, job / "sweep", SETTINGS)


def test_a_sweep_with_other_settings_does_not_mix_with_an_unfinished_one(job: Path, tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text((job / "sweep" / "request.json").read_text())
    with pytest.raises(ConfigError, match="unfinished sweep with other spaces"):
        sweep(job / "store", ARCHITECTURES[:1], tmp_path, SETTINGS)


def test_the_ensemble_is_at_least_as_good_as_its_members_where_it_was_learned(job: Path) -> None:
    rows = {
        row.bundle: row.single_trial_correlation
        for row in ScoreTable.read(job / "scores" / "scores.parquet").ranking("oracle", "dev")
    }
    assert rows["ensemble"] >= max(rows[name] for name in ARCHITECTURES) - 1e-9
    weights = [member.weight for member in Manifest.read(job / "bundles" / "ensemble").members]
    assert sum(weights) == pytest.approx(1)


def test_every_track_stage_mouse_and_family_is_scored_with_its_ceiling(job: Path) -> None:
    means = ScoreTable.read(job / "scores" / "scores.parquet").means()
    families = {cell.family for cell in means if cell.track == "ood"}
    assert families == {"pink_noise", "gaussian_dots", "random_dots", "drifting_gabor", "images", WHOLE}
    assert {(cell.track, cell.stage) for cell in means} == {
        ("oracle", "dev"), ("main", "live"), ("main", "final"), ("ood", "live"), ("ood", "final"),
    }  # fmt: skip
    assert {cell.bundle for cell in means} == {*ARCHITECTURES, "first", "ensemble", CEILING}
    for cell, metrics in means.items():
        if cell.bundle == CEILING and cell.family == WHOLE:
            assert metrics["single_trial_correlation"][0] > 0.15


def test_withheld_tiers_cannot_be_scored_without_the_truth(job: Path, tmp_path: Path, ray_session: None) -> None:
    with pytest.raises(DataError, match=r"are withheld \(all zeros\).*pass --truth"):
        score(job / "bundles" / "first", job / "store", tmp_path / "scores")
    assert not (tmp_path / "scores" / "summary.json").exists()


def test_the_submissions_are_what_the_ensemble_predicts(job: Path, tmp_path: Path, ray_session: None) -> None:
    sent = sorted(write_submission(job / "bundles" / "ensemble", job / "store", tmp_path))
    assert [path.name for path in sent] == sorted(path.name for path in (job / "submission").iterdir())
    for path in [*sent, *(job / "submission").iterdir()]:
        assert not check_submission(path, job / "store").faults
    store = FrameStore.open(job / "store")
    predictor = load_predictor(job / "bundles" / "ensemble", threads=1)
    for mouse in store.mice:
        trial = store[mouse].select("live_test_main")[0].trial
        expected = predictor.predict(store[mouse].clip(trial), mouse)[:, 50:]
        np.testing.assert_allclose(read_prediction(sent[-1], mouse, trial), expected, atol=1e-5)


def test_the_report_is_one_file_that_asks_nothing_of_the_network(job: Path, tmp_path: Path) -> None:
    write_report(job / "scores", tmp_path / "report.html", job / "sweep")
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") >= 3 + len({key.split("/")[1] for key in read_npz(job / "scores" / "traces.npz")})
    for reference in ("src=", "@import", "<link", "<script"):
        assert reference not in page
    for name in (*ARCHITECTURES, "ensemble", "random_dots"):
        assert name in page


def test_a_report_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `sensorium score`"):
        write_report(tmp_path, tmp_path / "report.html")


def test_the_readmes_python_runs(job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ray_session: None) -> None:
    readme = (ROOT / "README.md").read_text()
    code = readme.split("```python\n")[1].split("```")[0]
    for name in ("store", "bundles", "mice"):
        (tmp_path / name).symlink_to(job / name)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["responses"].shape == (names["mouse"].neurons, names["clip"].frames)


def _run(page: Path, folder: Path) -> None:
    """Run a page in a session of its own, and end what it leaves running, such as an endpoint."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONPATH"] = f"{folder}{os.pathsep}{ROOT}"  # a page may bring the package itself
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("guide.py"), page, folder],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(LONGEST)
        finally:
            _end(process)
    assert status == 0, (folder / "output.txt").read_text()[-5000:]


def _end(leader: subprocess.Popen[bytes]) -> None:
    """End what a page started, the eldest first: they end their own children, such as Ray's."""
    leader.terminate()
    leader.wait()
    left = [process for process in psutil.process_iter(["ppid"]) if _group(process.pid) == leader.pid]
    for process in left:
        if _group(process.info["ppid"]) != leader.pid:
            process.terminate()
    for process in psutil.wait_procs(left, timeout=60)[1]:
        process.kill()


def _group(pid: int) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(pid)
    return None
