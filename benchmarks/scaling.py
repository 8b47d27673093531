"""How scoring and predicting grow from one worker to two, and what a task costs beside its work.

    python benchmarks/scaling.py --json scaling.json

The package's GRU and the demo's two simulated mice (500 and 400 neurons, trials of 300 frames; no training trials), a
Ray of its own in every turn. Workers are the actors of the scoring job, each pinned to a core; what else there is
(driver, Ray's own processes) runs on both cores in either turn. One worker and two take turns.

score   : `score` of both tracks and the oracle tier, all metrics; trials a second from the first shard's end to the
          last one's, and seconds of the whole, with starting and adding up.
predict : the same pool and network, which only predict, trial by trial.
nothing : the same pool, whose work is nothing: what a shard costs the driver and Ray.

Traffic is what Ray's object store was given during a turn, by its own count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import psutil
import ray
from ray._private.internal_api import node_stats

from sensorium_ray.bundle.predictor import Predictor, load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.simulate import SCALES, simulate
from sensorium_ray.data.store import FrameStore
from sensorium_ray.scoring import job
from sensorium_ray.scoring.actors import Row, run_actors

BUNDLE = PRETRAINED / "gru"
WORKER = "ray::MapWorker"
WORKS = ("score", "predict", "nothing")
ITEMS = 400
"""Of the turn that does nothing."""
_STORE = 4 * 10**8
_TRIED = 0.2


class Predict:
    """An actor that predicts one trial an item."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._predictor: Predictor | None = None

    def __call__(self, item: Row) -> Iterator[Row]:
        """One row a trial."""
        self._predictor = self._predictor or load_predictor(BUNDLE, threads=1)
        clip = FrameStore.open(self._store)[item["mouse"]].clip(item["trial"])
        yield {"mean": float(self._predictor.predict(clip, item["mouse"]).mean())}


class Nothing:
    """An actor that does nothing."""

    def __call__(self, item: Row) -> Iterator[Row]:
        """The item."""
        yield item


@contextmanager
def pinned(cores: int) -> Iterator[None]:
    """Meanwhile, the workers that this process's Ray starts are pinned to a core each, in turn."""
    known: dict[int, int] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_TRIED):
            for process in psutil.Process().children(recursive=True):
                try:
                    if WORKER in " ".join(process.cmdline()):
                        core = known.setdefault(process.pid, len(known) % cores)
                        for thread in process.threads():
                            os.sched_setaffinity(thread.id, {core})
                except (psutil.Error, ProcessLookupError):
                    continue

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


class Clock:
    """When rows come, and for how many trials each stands."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, int]] = []

    def watch(self, pool: Callable[..., Iterator[Row]]) -> Callable[..., Iterator[Row]]:
        """The same pool, whose rows are noted."""

        def watched(*about: Any) -> Iterator[Row]:
            for row in pool(*about):
                self.rows.append((perf_counter(), row.get("trials", 1)))
                yield row

        return watched

    def per_second(self) -> float:
        """Trials a second after the first row."""
        (first, _), (last, _) = self.rows[0], self.rows[-1]
        return sum(trials for _, trials in self.rows[1:]) / (last - first)


def turn(work: str, workers: int, folder: Path) -> dict[str, float]:
    """One measurement, in a process of its own."""
    ray.init(
        address="local", num_cpus=workers, include_dashboard=False, object_store_memory=4 * 10**8, log_to_driver=False
    )
    clock, store = Clock(), str(folder / "store")
    before, began = _created(), perf_counter()
    with pinned(workers):
        if work == "score":
            job.run_actors = clock.watch(run_actors)
            job.score(BUNDLE, store, truth=folder / "mice" / "truth")
        else:
            mice = FrameStore.open(store)
            tiers = ("oracle", "live_test_main", "final_test_main")
            trials = [(name, info.trial) for name in mice.mice for info in mice[name].select(*tiers)]
            items = [{"mouse": mouse, "trial": trial} for mouse, trial in trials]
            if work == "nothing":
                items = [{"number": number} for number in range(ITEMS)]
            list(clock.watch(run_actors)(items, *((Predict, (store,)) if work == "predict" else (Nothing, ()))))
    seconds, traffic = perf_counter() - began, _created() - before
    count = sum(trials for _, trials in clock.rows)
    ray.shutdown()
    return {"per_second": clock.per_second(), "seconds": seconds, "trials": count, "bytes_per_trial": traffic / count}


def _created() -> int:
    """Bytes that the object store was ever given."""
    (node,) = ray.nodes()
    address = node["NodeManagerAddress"], node["NodeManagerPort"]
    return int(node_stats(*address, include_memory_info=False).store_stats.cumulative_created_bytes)


def _in_a_process(work: str, workers: int, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--turn", work, str(workers), str(folder)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(answer.strip().splitlines()[-1]))


def _run(folder: Path, rounds: int) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {f"{work} {n}": [] for work in WORKS for n in (1, 2)}
    for number in range(rounds):
        for name, turns in found.items():
            work, workers = name.split()
            turns.append(_in_a_process(work, int(workers), folder))
            print(f"round {number + 1}, {name}: {turns[-1]['per_second']:.2f}/s", file=sys.stderr, flush=True)
    return found


def _print(found: dict[str, list[dict[str, float]]]) -> None:
    print(f"{'':<10}{'workers':>8}{'trials/s':>10}{'times':>7}{'seconds in all':>16}{'times':>7}{'KB a trial':>12}")
    for name, turns in found.items():
        work, workers = name.split()
        figures = {key: median(turn[key] for turn in turns) for key in turns[0]}
        one = {key: median(turn[key] for turn in found[f"{work} 1"]) for key in turns[0]}
        line = f"{work:<10}{workers:>8}{figures['per_second']:>10.2f}{figures['per_second'] / one['per_second']:>7.2f}"
        line += f"{figures['seconds']:>16.1f}{one['seconds'] / figures['seconds']:>7.2f}"
        print(f"{line}{figures['bytes_per_trial'] / 1e3:>12.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--turn", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.turn:
        work, workers, folder = arguments.turn
        print(json.dumps(turn(work, int(workers), Path(folder))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        simulate(folder / "mice", replace(SCALES["demo"], train=4), seed=0)
        ingest(folder / "mice", folder / "store")
        ray.shutdown()
        found = _run(folder, arguments.rounds)
    _print(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
