"""What Ray Tune, as a sweep uses it, costs a tune trial, and whether the driver's memory stays flat.

The tune trials train nothing: each reports one epoch with a tiny checkpoint. The overhead is the time from the end of
one tune trial to the start of the next in the same process: reporting, keeping the checkpoint, the scheduler, the
experiment's state, choosing and handing over the next point.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import ray
from ray import tune

from sensorium_ray.search.budget import Budget
from sensorium_ray.search.outcome import METRIC
from sensorium_ray.search.settings import SweepSettings
from sensorium_ray.search.spaces import load
from sensorium_ray.search.tuner import run

MARKS = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Parts of the sweep at which memory is looked at."""


def train(config: dict[str, Any]) -> None:
    started = time.time()
    score = float(config["point"]["training"]["learning_rate"])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "checkpoint.json").write_text("{}")
        report = {"epoch": 1, "loss": 0.0, METRIC: score, "curve": [[0.0, score]], "started": started}
        tune.report({**report, "ended": time.time()}, checkpoint=tune.Checkpoint.from_directory(folder))


class Watch(Budget):
    """Looks at the driver's memory, MiB resident, by the number of tune trials that have ended."""

    def __init__(self, settings: SweepSettings) -> None:
        super().__init__(settings)
        self.marks = [round(mark * settings.samples) for mark in MARKS]
        self.memory: dict[int, float] = {}

    def look(self, ended: int) -> None:
        """Note the memory at the next mark."""
        for mark in self.marks:
            if ended >= mark and mark not in self.memory:
                self.memory[mark] = psutil.Process().memory_info().rss / 2**20

    def on_step_begin(self, iteration: int, trials: Any, **info: Any) -> None:
        """Look as often as Ray Tune does anything."""
        super().on_step_begin(iteration, trials, **info)
        self.look(sum(trial.is_finished() for trial in trials))


def measure(settings: SweepSettings, out: Path) -> dict[str, Any]:
    watch = Watch(settings)
    started = time.perf_counter()
    trials = run(train, load(["linear_nonlinear"]), out, settings, watch)
    wall = time.perf_counter() - started
    watch.look(settings.samples)
    by_process: dict[int, list[dict[str, Any]]] = {}
    for trial in trials:
        by_process.setdefault(trial.last_result["pid"], []).append(trial.last_result)
    gaps = [
        later["started"] - before["ended"]
        for results in by_process.values()
        for before, later in pairwise(sorted(results, key=lambda result: result["started"]))
    ]
    return {
        "wall": wall,
        "processes": len(by_process),
        "overhead": {name: float(np.quantile(gaps, part)) for name, part in (("median", 0.5), ("p95", 0.95))},
        "mean": float(np.mean(gaps)),
        "memory": watch.memory,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--search", choices=("random", "optuna"), default="random")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    ray.init(address="local", num_cpus=arguments.at_once, include_dashboard=False, log_to_driver=False)
    settings = SweepSettings(samples=arguments.trials, epochs=1, search=arguments.search)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(settings, Path(folder))
    ray.shutdown()
    print(f"{arguments.trials} tune trials, {arguments.at_once} at once, {arguments.search}: {found['wall']:.0f} s")
    median, tail = found["overhead"]["median"], found["overhead"]["p95"]
    print(f"overhead a tune trial: median {median:.3f} s, mean {found['mean']:.3f} s, 95 % below {tail:.3f} s")
    for ended, memory in found["memory"].items():
        print(f"driver after {ended:>5}: {memory:.0f} MiB")
    if arguments.json:
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "ray": ray.__version__}
        arguments.json.write_text(json.dumps({"machine": machine, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
