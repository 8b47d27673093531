"""Scoring while processes die: nothing is lost, nothing counts twice, and the numbers are the same to the last bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pyarrow.compute as pc
import pytest
from tiny_store import Tiny, write_slow

from sensorium_ray.benchmark import EvalWindow
from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import DataError
from sensorium_ray.scoring import job
from sensorium_ray.scoring.job import score
from sensorium_ray.scoring.table import ScoreTable

WINDOW = EvalWindow(10, 50)
SCRIPT = """
import sys, ray
from pathlib import Path
from sensorium_ray import compute
from sensorium_ray.benchmark import EvalWindow
from sensorium_ray.scoring.job import score
store, truth, out, cpus, *bundles = sys.argv[1:]
ray.init(address="local", num_cpus=int(cpus), include_dashboard=False, object_store_memory=100 * 1024**2)
score(bundles, store, out, truth=truth, window=EvalWindow(10, 50))
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slow(tmp_path_factory.mktemp("slow") / "slow")


@pytest.fixture(scope="module")
def undisturbed(tiny: Tiny, slow: Path, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> ScoreTable:
    return score([slow, tiny.good], tiny.store, tmp_path_factory.mktemp("undisturbed"), truth=tiny.truth, window=WINDOW)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts a scoring in a process group of its own; what is left of it is killed in the end."""
    started: list[subprocess.Popen] = []

    def begin(tiny: Tiny, out: Path, bundles: list[Path], cpus: int = 2) -> subprocess.Popen:
        arguments = map(str, (tiny.store, tiny.truth, out, cpus, *bundles))
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], start_new_session=True)
        started.append(process)
        return process

    yield begin
    for process in started:
        _kill(process)


def _kill(process: subprocess.Popen) -> None:
    """SIGKILL a driver with all its Ray processes."""
    try:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


def _entries(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (out / "ledger").rglob("*.npz")}


def _wait_for_entries(out: Path, process: subprocess.Popen, number: int) -> None:
    while len(_entries(out)) < number:
        assert process.poll() is None, "the scoring ended before it could be disturbed"
        time.sleep(0.02)


def test_a_killed_driver_goes_on_where_it_was(
    tiny: Tiny, slow: Path, undisturbed: ScoreTable, tmp_path: Path, start: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(tiny, tmp_path / "out", [slow, tiny.good])
    _wait_for_entries(tmp_path / "out", process, 5)
    _kill(process)
    kept = _entries(tmp_path / "out")
    assert not (tmp_path / "out" / "summary.json").exists()
    seen: list[dict[Path, int]] = []
    reduce = job._reduce
    monkeypatch.setattr(job, "_reduce", lambda *given: (seen.append(_entries(tmp_path / "out")), reduce(*given))[1])
    table = score([slow, tiny.good], tiny.store, tmp_path / "out", truth=tiny.truth, window=WINDOW)
    assert table.table.equals(undisturbed.table)
    whole = {path for path in kept if seen[0][path] == kept[path]}
    assert len(whole) >= len(kept) - 2 * 3, "shards that were finished were done again"
    assert not (tmp_path / "out" / "ledger").exists()


def test_a_killed_worker_costs_nothing(
    tiny: Tiny, slow: Path, undisturbed: ScoreTable, tmp_path: Path, start: Callable
) -> None:
    process = start(tiny, tmp_path / "out", [slow, tiny.good])
    _wait_for_entries(tmp_path / "out", process, 2)
    workers = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "MapWorker" in child.name() or any("MapWorker" in word for word in child.cmdline())
    ]
    assert workers, "no actor was found to kill"
    os.kill(workers[0].pid, signal.SIGKILL)
    assert process.wait(timeout=200) == 0
    table = ScoreTable.read(tmp_path / "out" / "scores.parquet")
    assert table.table.equals(undisturbed.table)
    assert table.trials == undisturbed.trials


@pytest.mark.slow
def test_one_worker_gives_the_same_bits_as_two(
    tiny: Tiny, slow: Path, undisturbed: ScoreTable, tmp_path: Path, start: Callable
) -> None:
    process = start(tiny, tmp_path / "out", [slow, tiny.good], cpus=1)
    assert process.wait(timeout=200) == 0
    assert ScoreTable.read(tmp_path / "out" / "scores.parquet").table.equals(undisturbed.table)


@pytest.mark.slow
def test_more_bundles_can_be_named_when_going_on(
    tiny: Tiny, undisturbed: ScoreTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(job, "_reduce", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            score(tiny.good, tiny.store, tmp_path / "out", truth=tiny.truth, window=WINDOW)
    first = _entries(tmp_path / "out")
    asked: list[list[str]] = []
    run = job.run_actors
    monkeypatch.setattr(job, "run_actors", lambda *given: (asked.append(given[2][1]), run(*given))[1])
    table = score([tiny.good, tiny.bad], tiny.store, tmp_path / "out", truth=tiny.truth, window=WINDOW)
    assert first
    assert asked == [["bad"]]
    columns = ["mouse", "neuron", "metric", "family", "value", "low", "high"]
    with_more, with_others = (
        found.table.filter(pc.equal(pc.cast(found.table["bundle"], "string"), "good")).select(columns).to_pylist()
        for found in (table, undisturbed)
    )
    assert with_more == with_others


def test_an_output_of_other_settings_is_refused(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_predict", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        score(tiny.good, tiny.store, tmp_path / "out", truth=tiny.truth, window=WINDOW)
    with pytest.raises(DataError, match=r"holds an unfinished scoring with another window; name another output"):
        score(tiny.good, tiny.store, tmp_path / "out", truth=tiny.truth, window=EvalWindow(0, 50))


def test_opened_things_may_be_given_and_nothing_is_left(tiny: Tiny, ray_session: None) -> None:
    import sensorium_ray as sr

    table = sr.score(sr.load(tiny.good), sr.open_store(tiny.store), truth=tiny.truth, window=WINDOW)
    assert [row.bundle for row in table.ranking("main", "live")] == ["good"]
    assert isinstance(sr.open_store(tiny.store), FrameStore)


NODES = """
import sys, threading, time, ray
from pathlib import Path
from ray.cluster_utils import Cluster
from sensorium_ray.benchmark import EvalWindow
from sensorium_ray.scoring.job import score
store, truth, out, *bundles = sys.argv[1:]
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
doomed = cluster.add_node(num_cpus=1, object_store_memory=100 * 1024**2)
ray.init(address=cluster.address)
def kill():
    while len(list((Path(out) / "ledger").rglob("*.npz"))) < 3:
        time.sleep(0.02)
    cluster.remove_node(doomed, allow_graceful=False)
    print("killed", flush=True)
threading.Thread(target=kill, daemon=True).start()
score(bundles, store, out, truth=truth, window=EvalWindow(10, 50))
print("finished", flush=True)
"""


@pytest.mark.slow
def test_a_killed_node_costs_nothing(tiny: Tiny, slow: Path, undisturbed: ScoreTable, tmp_path: Path) -> None:
    arguments = map(str, (tiny.store, tiny.truth, tmp_path / "out", slow, tiny.good))
    command = [sys.executable, "-c", NODES, *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=220, check=False)
    said = [line for line in answer.stdout.splitlines() if line in ("killed", "finished")]
    assert said == ["killed", "finished"], answer.stderr[-2000:]
    assert ScoreTable.read(tmp_path / "out" / "scores.parquet").table.equals(undisturbed.table)


GROWING = """
import time, ray
from ray.cluster_utils import Cluster
from sensorium_ray.scoring.actors import run_actors
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
ray.init(address=cluster.address)
class Slow:
    def __call__(self, item):
        time.sleep(1)
        yield item | {"node": ray.get_runtime_context().get_node_id()}
rows = []
for row in run_actors([{"number": number} for number in range(60)], Slow, (), cluster.address):
    rows.append(row)
    if len(rows) == 3:
        cluster.add_node(num_cpus=1, object_store_memory=100 * 1024**2)
print("nodes", len({row["node"] for row in rows}), [row["number"] for row in rows] == list(range(60)), flush=True)
"""


@pytest.mark.slow
def test_nodes_that_come_later_take_part() -> None:
    answer = subprocess.run([sys.executable, "-c", GROWING], capture_output=True, text=True, timeout=220, check=False)
    assert "nodes 2 True" in answer.stdout, answer.stderr[-2000:]
