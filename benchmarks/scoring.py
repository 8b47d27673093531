"""Scoring statistics against the reference way: keep every trial, concatenate, correlate.

    python benchmarks/scoring.py
    python benchmarks/scoring.py --neurons 8000 --trials 60 --frames 300 --json scoring.json

Three ways answer the same trials (float32, as models answer; videos of ten repeats), each in a process of its own,
alternating, `--rounds` times; the median counts:

reference : the 2023 starter kit's: every trial's recorded and predicted responses in lists, concatenated along time
    at the end, Pearson a neuron with mean and std over axis 0. It computes nothing but single-trial correlation.
single : `VideoGroup` with what single-trial correlation and its confidence interval need.
all : `VideoGroup` with what all metrics and their intervals need.

Seconds are spent in the way itself; making the trials is not counted. Memory is the process's peak less that of a
process that makes the same trials and drops them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from processes import measure
from sensorium_ray.metrics.definitions import METRICS, parts_of
from sensorium_ray.metrics.trials import TrialStatistics, VideoGroup

REPEATS = 10
TRIALS = (15, 30, 60, 120)
RANKED = "single_trial_correlation"

Trials = Iterator[tuple[np.ndarray, np.ndarray]]
Shape = tuple[int, int, int]


class Stopwatch:
    """Seconds inside its `with` blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += perf_counter() - self._started


def trials_of(shape: Shape) -> Trials:
    """Recorded and predicted responses, (neurons, frames) float32 each, trial by trial from their numbers alone."""
    neurons, trials, frames = shape
    for trial in range(trials):
        drive = np.random.default_rng(trial // REPEATS).random((neurons, frames), dtype=np.float32)
        noise = np.random.default_rng([1, trial]).random((neurons, frames), dtype=np.float32)
        noise += drive
        yield noise, drive


def nothing(shape: Shape, watch: Stopwatch) -> float:
    for _ in trials_of(shape):
        pass
    return 0.0


def reference(shape: Shape, watch: Stopwatch) -> float:
    targets, outputs = [], []
    for target, output in trials_of(shape):
        targets.append(target)
        outputs.append(output)
    with watch:
        target = np.concatenate(targets, axis=1).T
        del targets
        output = np.concatenate(outputs, axis=1).T
        del outputs
        target = (target - target.mean(axis=0, keepdims=True)) / (target.std(axis=0, keepdims=True) + 1e-8)
        output = (output - output.mean(axis=0, keepdims=True)) / (output.std(axis=0, keepdims=True) + 1e-8)
        return float((target * output).mean(axis=0).mean())


def _streamed(shape: Shape, watch: Stopwatch, names: list[str]) -> float:
    merged: TrialStatistics | None = None
    group: VideoGroup | None = None
    for trial, (target, output) in enumerate(trials_of(shape)):
        with watch:
            if trial % REPEATS == 0:
                merged, group = _merged(merged, group), VideoGroup(shape[0], parts_of(names))
            group.add(target, output, trial)
    with watch:
        merged = _merged(merged, group)
        found = {name: METRICS[name].compute(merged) for name in names}
    return float(found[RANKED].mean())


def _merged(merged: TrialStatistics | None, group: VideoGroup | None) -> TrialStatistics | None:
    if group is None:
        return merged
    return group.statistics() if merged is None else merged.merge(group.statistics())


def single(shape: Shape, watch: Stopwatch) -> float:
    return _streamed(shape, watch, [RANKED])


def every(shape: Shape, watch: Stopwatch) -> float:
    return _streamed(shape, watch, list(METRICS))


WAYS: dict[str, Callable[[Shape, Stopwatch], float]] = {
    "nothing": nothing,
    "reference": reference,
    "single": single,
    "all": every,
}


def _child(way: str, shape: Shape, answer: Connection) -> None:
    WAYS[way]((100, 12, 20), Stopwatch())  # libraries start here
    watch = Stopwatch()
    value = WAYS[way](shape, watch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer.send({"seconds": watch.seconds, "peak_mib": peak, "value": value})


def compare(shape: Shape, rounds: int) -> dict[str, dict[str, float]]:
    """Median seconds and memory of each way, alternating."""
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, found in runs.items():
            found.append(measure(_child, way, shape))
    middle = {
        way: {key: median(run[key] for run in found) for key in ("seconds", "peak_mib", "value")}
        for way, found in runs.items()
    }
    baseline = middle.pop("nothing")["peak_mib"]
    for found in middle.values():
        found["memory_mib"] = found["peak_mib"] - baseline
    for way in ("single", "all"):
        if abs(middle[way]["value"] - middle["reference"]["value"]) > 1e-5:
            raise SystemExit(f"'{way}' answers {middle[way]['value']}, the reference {middle['reference']['value']}")
    return middle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=8000)
    parser.add_argument("--trials", type=int, nargs="+", default=TRIALS)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    print(f"{arguments.neurons} neurons, {arguments.frames} frames a trial; medians of {arguments.rounds}")
    print(f"{'trials':>6}  {'way':<10}{'seconds':>9}{'faster':>9}{'MiB':>9}{'memory':>9}")
    results = {}
    for trials in arguments.trials:
        found = compare((arguments.neurons, trials, arguments.frames), arguments.rounds)
        against = found["reference"]
        for way, figures in found.items():
            faster = against["seconds"] / figures["seconds"]
            smaller = against["memory_mib"] / max(figures["memory_mib"], 0.1)
            seconds, memory = figures["seconds"], figures["memory_mib"]
            print(
                f"{trials:>6}  {way:<10}{seconds:>9.3f}{faster:>8.1f}x{memory:>9.1f}{f'1/{smaller:.1f}':>9}", flush=True
            )
        results[trials] = found
    if arguments.json:
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__}
        settings = {"neurons": arguments.neurons, "frames": arguments.frames, "rounds": arguments.rounds}
        arguments.json.write_text(json.dumps({"machine": machine, **settings, "trials": results}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
