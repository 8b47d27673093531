"""Sweeps while processes die: the driver with its whole cluster, a tune trial's process, a node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from stub import rate, space

from sensorium_ray.search.settings import METRIC

pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys, threading, time
import ray
from pathlib import Path
from ray.cluster_utils import Cluster
from stub import space, sweep
from sensorium_ray import compute
from sensorium_ray.search.settings import SweepSettings
folder, nodes, doomed = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if nodes == 1:
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
else:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1, object_store_memory=100 * 1024**2)
    compute.connect(cluster.address)
    def kill():
        while not (folder / "kill").exists():
            time.sleep(0.05)
        cluster.remove_node(second, allow_graceful=False)
        (folder / "killed").touch()
    threading.Thread(target=kill, daemon=True).start()
settings = SweepSettings(samples=4, epochs=6, scheduler="none")
rows = sweep(folder / "out", [space(published=0.5)], settings, log=str(folder), pause=0.5, die=doomed)
(folder / "rows.json").write_text(json.dumps(rows))
ray.shutdown()
"""


class Sweep:
    """A sweep in processes of its own."""

    def __init__(self, folder: Path, nodes: int, doomed: str) -> None:
        self.folder = folder
        command = [sys.executable, "-c", SCRIPT, str(folder), str(nodes), doomed]
        path = f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        self.process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})

    def wait_for(self, *epochs: int) -> None:
        """Until as many tune trials have begun these epochs."""
        while sorted(self.epochs().values(), reverse=True)[: len(epochs)] < list(epochs):
            assert self.process.poll() is None, "the sweep ended before it could be disturbed"
            time.sleep(0.05)

    def epochs(self) -> dict[str, int]:
        return {path.stem: max(self.begun(path.stem)) for path in self.folder.glob("*.log")}

    def begun(self, trial: str) -> list[int]:
        return [int(line) for line in (self.folder / f"{trial}.log").read_text().split()]

    def family(self) -> list[psutil.Process]:
        try:
            own = psutil.Process(self.process.pid)
            return [*own.children(recursive=True), own]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """SIGKILL the driver and all of its cluster."""
        for member in self.family():
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()

    def rows(self) -> list[dict[str, Any]]:
        assert self.process.wait(timeout=200) == 0
        return json.loads((self.folder / "rows.json").read_text())


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Any]:
    started: list[Sweep] = []

    def start(nodes: int = 1, doomed: str = "") -> Sweep:
        started.append(Sweep(tmp_path, nodes, doomed))
        return started[-1]

    yield start
    for sweep in started:
        sweep.kill()


def _check(rows: list[dict[str, Any]]) -> None:
    """Every tune trial came to what it comes to undisturbed."""
    names = [f"linear_nonlinear-{number}" for number in ("published", "001", "002", "003")]
    assert [row["trial"] for row in rows] == names
    rates = [0.5, *(rate({"point": space().draw(0, number)}) for number in (1, 2, 3))]
    assert [(row["outcome"], row["epochs"]) for row in rows] == [("finished", 6)] * 4
    assert [row[METRIC] for row in rows] == pytest.approx([6 * each for each in rates])


def test_a_sweep_whose_head_died_goes_on_where_it_was(begin: Any) -> None:
    killed = begin()
    killed.wait_for(6, 6, 2)
    done = [trial for trial, epochs in killed.epochs().items() if epochs == 6][:1]
    killed.kill()
    again = begin()
    _check(again.rows())
    for trial in done:
        assert again.begun(trial) == [1, 2, 3, 4, 5, 6], "a tune trial that had ended was run again"
    assert sum(len(again.begun(trial)) for trial in again.epochs()) <= 4 * 6 + 2


def test_a_tune_trial_whose_process_was_killed_goes_on(begin: Any) -> None:
    sweep = begin()
    sweep.wait_for(3)
    workers = [member for member in sweep.family() if any("ImplicitFunc" in word for word in member.cmdline())]
    assert workers, "no actor was found to kill"
    workers[0].kill()
    _check(sweep.rows())
    assert sum(len(sweep.begun(trial)) for trial in sweep.epochs()) <= 4 * 6 + 2


def test_tune_trials_of_a_node_that_was_killed_go_on_elsewhere(begin: Any) -> None:
    sweep = begin(nodes=2)
    sweep.wait_for(3, 3)
    (sweep.folder / "kill").touch()
    _check(sweep.rows())
    assert (sweep.folder / "killed").exists()


def test_what_dies_again_and_again_is_given_up(begin: Any) -> None:
    rows = begin(doomed="linear_nonlinear-001").rows()
    assert [row["outcome"] for row in rows] == ["finished", "failed", "finished", "finished"]
    assert "its processes died again and again" in rows[1]["error"]
    assert METRIC not in rows[1]
