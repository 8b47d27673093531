"""What a lab does with cluster/onprem.yaml, on hosts made out of this machine: a story, to be read in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bed import missing
from lab import API, FLAKY, HEAD, Lab, lab, up
from serving.endpoints import until
from tiny_store import Tiny, write_slow
from world import World

from sensorium_ray.benchmark import EvalWindow
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.store import FrameStore
from sensorium_ray.scoring.job import score
from sensorium_ray.scoring.table import ScoreTable
from sensorium_ray.search.settings import SweepSettings
from sensorium_ray.search.sweep import sweep

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

SPACE = """
from ray import tune

MODEL = {"channels": 4, "spatial_kernel": 9, "temporal_kernel": 5, "stride": 2}
SPACE = {"model": MODEL, "training": {"learning_rate": tune.loguniform(1e-3, 1e-2)}}
PUBLISHED = {"model": MODEL, "training": {"learning_rate": 5e-3}}
"""
SETTINGS = SweepSettings(samples=3, epochs=12, steps=20, scheduler="none")
SWEEP = "sensorium sweep s3://lab/store linear_nonlinear.py --samples 3 --epochs 12 --steps 20 --scheduler none --out "
WINDOW = EvalWindow(10, 50)
BUNDLES = "s3://lab/bundles/good s3://lab/slow"
SCORE = f"sensorium score s3://lab/tiny/store {BUNDLES} --truth s3://lab/tiny --frames 10..49 --out "


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slow(tmp_path_factory.mktemp("slow") / "slow")


@pytest.fixture(scope="module")
def ours(world: World, tiny: Tiny, slow: Path) -> Iterator[Lab]:
    """The lab, its cluster up, and its data in the bucket."""
    with lab() as ready:
        (ready.work / "linear_nonlinear.py").write_text(SPACE)
        ready.upload(world.store, "store")
        ready.upload(tiny.store, "tiny/store")
        ready.upload(tiny.truth / "truth", "tiny/truth")
        ready.upload(tiny.good, "bundles/good")
        ready.upload(slow, "slow")
        up(ready)
        yield ready


@dataclass(frozen=True)
class Swept:
    """What a sweep came to, but for the time that it took."""

    trials: list[dict[str, Any]]
    curves: pd.DataFrame

    @classmethod
    def read(cls, result: Path, curves: Path) -> Swept:
        trials = json.loads(result.read_text())["trials"]
        return cls([{key: row[key] for key in row if key != "seconds"} for row in trials], pd.read_csv(curves))

    def require(self, other: Swept) -> None:
        assert self.trials == other.trials
        pd.testing.assert_frame_equal(self.curves, other.curves, check_exact=True)


@pytest.fixture(scope="module")
def swept_here(world: World, tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """The same sweep on one machine, undisturbed."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "linear_nonlinear.py").write_text(SPACE)
    sweep(world.store, [str(folder / "linear_nonlinear.py")], folder / "out", SETTINGS)
    return Swept.read(folder / "out" / "sweep.json", folder / "out" / "curves.csv")


@pytest.fixture(scope="module")
def scored_here(tiny: Tiny, slow: Path, ray_session: None) -> ScoreTable:
    """The same scoring on one machine, undisturbed."""
    return score([tiny.good, slow], tiny.store, truth=tiny.truth, window=WINDOW)


def everywhere(ours: Lab) -> list[str]:
    return sorted(host.address for host in ours.bed.hosts.values() if host is not ours.desk)


def test_who_has_no_token_is_refused(ours: Lab) -> None:
    head = ours.bed[HEAD].address
    assert ours.ask(f"{API}/api/jobs/", ours.token)[0] == 200
    for place in (f"{API}/api/jobs/", f"{API}/api/v0/nodes", f"http://{head}:52365/api/job_agent/jobs/any"):
        assert ours.ask(place)[0] == 401, place
        assert ours.ask(place, "0" * 64)[0] == 403, place
    assert ours.ask(f"http://{head}:8265/api/jobs/")[0] == 0, "the dashboard is open to the network"
    joins = f"import ray; ray.init('{head}:6379', logging_level='ERROR')"
    told = ours.desk.run(f'RAY_AUTH_MODE=disabled timeout 100 python -c "{joins}" 2>&1 || true')
    assert "Authentication" in told


def test_a_sweep_goes_on_without_a_host_and_without_its_driver(ours: Lab, swept_here: Swept) -> None:
    ours.submit("sweep", SWEEP + "s3://lab/sweep")
    until(lambda: ours.where("ImplicitFunc") == everywhere(ours))
    until(lambda: len(begun(ours)) == SETTINGS.samples)
    ours.bed.cut("worker1")
    until(lambda: ours.bed["worker1"].address not in ours.nodes())
    ours.kill("sweep", "sweep")
    assert not ours.stored("sweep/sweep.json")
    ours.submit("sweep-again", SWEEP + "s3://lab/sweep --resume")
    ours.finish("sweep-again")
    Swept.read(ours.fetch("sweep/sweep.json"), ours.fetch("sweep/curves.csv")).require(swept_here)
    ours.bed.heal("worker1")
    until(lambda: ours.nodes() == everywhere(ours))


def begun(ours: Lab) -> set[str]:
    """Tune trials of the sweep that have kept a checkpoint."""
    keys = ours.stored("sweep/tune/sweep/")
    return {key.split("/")[3] for key in keys if key.endswith("/checkpoint.json")}


def test_a_scoring_goes_on_without_a_host_and_without_its_driver(ours: Lab, scored_here: ScoreTable) -> None:
    ours.submit("score", SCORE + "s3://lab/scores")
    until(lambda: ours.where("MapWorker") == everywhere(ours))
    until(lambda: len(ours.stored("scores/ledger/slow")) >= 2)
    ours.bed.cut("worker2")
    until(lambda: ours.bed["worker2"].address not in ours.nodes())
    ours.kill("score", "score")
    assert not ours.stored("scores/summary.json")
    ours.submit("score-again", SCORE + "s3://lab/scores")
    ours.finish("score-again")
    table = ScoreTable.read(ours.fetch("scores/scores.parquet"))
    assert table.table.equals(scored_here.table)
    assert not ours.stored("scores/ledger")
    ours.bed.heal("worker2")
    until(lambda: ours.nodes() == everywhere(ours))


def test_what_was_swept_is_exported(ours: Lab) -> None:
    ours.submit("export", "sensorium export s3://lab/sweep/best/linear_nonlinear --out s3://lab/bundles/swept")
    assert "s3://lab/bundles/swept: linear_nonlinear for 2 mice" in ours.finish("export")


def test_bundles_are_served_on_every_host(ours: Lab, tiny: Tiny) -> None:
    key = ours.desk.run("sensorium keys add lab --keys work/keys.json").strip()
    ours.submit("serve", "sensorium serve s3://lab/bundles --address auto --host 0.0.0.0 --keys keys.json --replicas 3")
    until(lambda: "serving good" in ours.said("serve"))
    assert ours.where("ServeReplica") == everywhere(ours)
    mouse = FrameStore.open(tiny.store)["mouse-a"]
    expected = load_predictor(tiny.good).predict(mouse.clip(0), mouse.name)
    for address in everywhere(ours):
        url = f"http://{address}:8000"
        assert ours.ask(f"{url}/v1/models")[0] == 401
        assert ours.ask(f"{url}/v1/models", key)[0] == 200
        answer = f"answer-{address}.npy"
        asked = f"{url} good upload/tiny/store/mouse-a/trials/0.npy --mouse mouse-a --out {answer}"
        ours.desk.run(f"SENSORIUM_KEY={key} sensorium predict {asked}")
        np.testing.assert_array_equal(np.load(ours.desk.path(f"/root/{answer}")), expected)
    ours.desk.run(f"RAY_AUTH_MODE=token ray job stop --address {API} serve")
    assert ours.where("ServeReplica") == []
    assert ours.ask(f"http://{ours.bed[HEAD].address}:8000/v2/health/live")[0] == 0


def test_a_flaky_bucket_loses_nothing(ours: Lab, swept_here: Swept, scored_here: ScoreTable) -> None:
    ours.submit("flaky-sweep", SWEEP + "s3://lab/flaky/sweep", AWS_ENDPOINT_URL=FLAKY)
    ours.finish("flaky-sweep")
    Swept.read(ours.fetch("flaky/sweep/sweep.json"), ours.fetch("flaky/sweep/curves.csv")).require(swept_here)
    ours.submit("flaky-score", SCORE + "s3://lab/flaky/scores", AWS_ENDPOINT_URL=FLAKY)
    ours.finish("flaky-score")
    assert ScoreTable.read(ours.fetch("flaky/scores/scores.parquet")).table.equals(scored_here.table)
    faults = ours.desk.path("/root/flaky.log").read_text().split()
    assert {"refuse", "forget", "dawdle", "cut"} == set(faults)


def test_nothing_is_left_when_it_is_taken_down(ours: Lab) -> None:
    ours.desk.run("RAY_AUTH_MODE=token ray down --yes ~/onprem.yaml")
    for name in (HEAD, "worker1", "worker2"):
        until(lambda name=name: not ours.bed[name].run("pgrep -f '[r]ay|[s]ensorium' || true"))
