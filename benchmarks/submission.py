"""Writing, checking and scoring a submission of full size: memory and speed.

    python benchmarks/submission.py
    python benchmarks/submission.py --mice 1 2 5 --trials 60 --neurons 7900 --frames 300 --json submission.json

A tier's file of the main track, each step in a process of its own, for growing numbers of mice:

write : `SubmissionWriter`, trial by trial, brotli; the predictions are made up (float32, gamma noise, as hard to
    compress as a model's).
check : `check_submission` against a store's trials and neurons.
score : what `evaluate` does after its check: all metrics of 2023 with intervals, against responses that are made up
    rather than read.
check one group : `check_submission` on the same rows as pandas writes them, all in one row group; for the smallest
    number of mice, since they must all be in memory to be written.

MB are those of the predictions as float64 (neurons x frames x 8 bytes a trial). Memory is the process's peak. The
last column is what the starter kit's way takes at least: all trials of a tier as lists of Python's numbers, 32 bytes
each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow.parquet as pq

from processes import measure
from sensorium_ray.benchmark import SENSORIUM_2023
from sensorium_ray.data.store import FrameStore, TrialInfo
from sensorium_ray.scoring.recording import Recording
from sensorium_ray.submissions.checking import Check, check_submission
from sensorium_ray.submissions.evaluation import Judge
from sensorium_ray.submissions.file_check import FileSummary
from sensorium_ray.submissions.files import FILES, SubmissionWriter

TIER = "live_test_main"
NAME, ONE_GROUP = FILES[TIER], "predictions_as_of_pandas.parquet.brotli"
REPEATS = 10
BYTES_OF_A_LISTED_NUMBER = 32


@dataclass(frozen=True)
class Size:
    """Numbers of mice, trials of each, neurons of each, and frames of a trial."""

    mice: int
    trials: int
    neurons: int
    frames: int

    @property
    def megabytes(self) -> float:
        """Of the predictions as float64."""
        counted = self.frames - SENSORIUM_2023.window.start
        return self.mice * self.trials * self.neurons * counted * 8 / 1e6


class PaperMouse:
    """Trials and neurons of a mouse, and made-up signals; nothing lies on a disk."""

    def __init__(self, name: str, size: Size) -> None:
        self.name = name
        self.unit_ids = np.arange(size.neurons, dtype=np.int64) * 3 + 1
        self.neurons = size.neurons
        self.trials = [
            TrialInfo(trial, TIER, size.frames, f"video {trial // REPEATS}", "") for trial in range(size.trials)
        ]
        self._noise = np.random.default_rng(0).gamma(0.5, 4.0, (size.neurons, 2 * size.frames)).astype(np.float32)

    def select(self, *tiers: str) -> list[TrialInfo]:
        """Trials of any of `tiers`."""
        return self.trials if TIER in tiers else []

    def signal(self, trial: int) -> np.ndarray:
        """(neurons, frames) float32"""
        frames = self.trials[trial].frames
        return self._noise[:, trial % frames :][:, :frames]


class PaperStore(FrameStore):
    """A store of paper mice."""

    def __init__(self, size: Size) -> None:
        super().__init__(Path("paper"), SENSORIUM_2023, {f"mouse {number}": "" for number in range(size.mice)}, "")
        self._mouse = PaperMouse("any", size)

    def __getitem__(self, mouse: str) -> PaperMouse:  # type: ignore[override]
        return self._mouse


class PaperRecording(Recording):
    """Responses of paper mice."""

    def responses(self, mouse: str, trial: int) -> np.ndarray:
        """(neurons, frames) float32"""
        return self.store[mouse].signal(trial)[::-1]  # type: ignore[attr-defined]


def write(size: Size, folder: Path) -> None:
    store = PaperStore(size)
    with SubmissionWriter(folder / NAME) as writer:
        for mouse in store.mice:
            for info in store[mouse].trials:
                counted = SENSORIUM_2023.window.slice(info.frames)
                writer.add(mouse, info.trial, store[mouse].signal(info.trial)[:, counted], store[mouse].unit_ids)


def write_one_group(size: Size, folder: Path) -> None:
    """As pandas writes: all rows at once; `check_one_group` needs it, and only that is of interest."""
    pq.write_table(pq.read_table(folder / NAME), folder / ONE_GROUP, compression="brotli", compression_level=1)


def check(size: Size, folder: Path) -> None:
    check_submission(folder / NAME, PaperStore(size)).require_faultless()


def check_one_group(size: Size, folder: Path) -> None:
    assert pq.ParquetFile(folder / ONE_GROUP).num_row_groups == 1
    check_submission(folder / ONE_GROUP, PaperStore(size)).require_faultless()


def score(size: Size, folder: Path) -> None:
    store = PaperStore(size)
    judge = Judge(PaperRecording(store, None), SENSORIUM_2023.window)
    found = Check([FileSummary(NAME, TIER, dict.fromkeys(store.mice, size.trials))], [], [])
    judge.score(folder / NAME, found, "paper")


STEPS: dict[str, Callable[[Size, Path], None]] = {
    "write": write,
    "check": check,
    "score": score,
    "write one group": write_one_group,
    "check one group": check_one_group,
}


def _child(step: str, size: Size, folder: Path, answer: Connection) -> None:
    began = perf_counter()
    STEPS[step](size, folder)
    seconds = perf_counter() - began
    answer.send({"seconds": seconds, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mice", type=int, nargs="+", default=(1, 2, 5))
    parser.add_argument("--trials", type=int, default=60, help="of a mouse")
    parser.add_argument("--neurons", type=int, default=7900)
    parser.add_argument("--frames", type=int, default=300, help="of a trial, of which those from 50 on are sent")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    print(f"{arguments.trials} trials a mouse, {arguments.neurons} neurons, {arguments.frames} frames")
    print(f"{'mice':>4}  {'step':<16}{'MB':>8}{'file MB':>9}{'seconds':>9}{'MB/s':>8}{'MiB':>7}{'kit MiB':>9}")
    results = []
    for mice in arguments.mice:
        size = Size(mice, arguments.trials, arguments.neurons, arguments.frames)
        with tempfile.TemporaryDirectory() as folder:
            for step in (name for name in STEPS if mice == min(arguments.mice) or "one group" not in name):
                found = measure(_child, step, size, Path(folder))
                sent = (Path(folder) / NAME).stat().st_size / 1e6
                kit = size.megabytes / 8 * BYTES_OF_A_LISTED_NUMBER / 1.048576
                speed = size.megabytes / found["seconds"]
                print(
                    f"{mice:>4}  {step:<16}{size.megabytes:>8.0f}{sent:>9.0f}{found['seconds']:>9.1f}{speed:>8.1f}"
                    f"{found['peak_mib']:>7.0f}{kit:>9.0f}",
                    flush=True,
                )
                results.append({"mice": mice, "step": step, "megabytes": size.megabytes, "file_mb": sent, **found})
    if arguments.json:
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__}
        arguments.json.write_text(json.dumps({"machine": machine, "runs": results}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
