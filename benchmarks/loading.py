"""Training windows per second: the frame store against loading whole trials.

    python benchmarks/loading.py
    python benchmarks/loading.py --neurons 7900 --trials 225 --rounds 5 --json loading.json

A window is 16 frames in steps of two, of all neurons, from a random trial at a random moment; batches are of 8. The
mouse is a simulated one of full size, made once in build/benchmarks (about 8 minutes, 12 GB; a run takes 9 GB more for
its time, and 7 minutes). Contestants:

winner : as the 2023 winner's code does it: `np.load` of the trial's four files as published (float64), whole, then
    the 16 frames of each, stacked to batches.
store : `Draw.read`, from a float32 store on disk.
float16 : the same from a float16 store.
s3 : the same from a float32 store on s3:// (moto's server, a process of its own on this machine) behind the local
    cache; what the first pass, which fills the cache, takes is told apart.

x1 reads in the process's one thread, x2 and x4 with so many threads ahead (`prefetch`; for the winner's way a pool).
Every contestant is a process of its own, which keeps the memory that it frees as `sensorium train` does; they take
turns, round by round. warm: all its files were read just before,
then windows are drawn at random for a few seconds. cold: all its files were dropped from the page cache just before
(posix_fadvise, which is best effort: `disk MB` tells what did come from the disk, per window), then as many windows,
each of another trial. Figures are medians over the rounds, least and most in brackets; memory is the process's
resident set after the last round, and its peak.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import s3fs  # type: ignore[import-untyped]

from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.loading import Draw, prefetch
from sensorium_ray.data.simulate import SCALES, simulate
from sensorium_ray.data.store import FrameStore, MouseData, TrialInfo
from sensorium_ray.ports import free_port
from sensorium_ray.training.memory import keep_freed_memory

FRAMES, STRIDE, BATCH = 16, 2, 8
REACH = (FRAMES - 1) * STRIDE + 1
FIELDS = ("videos", "responses", "behavior", "pupil_center")
BUCKET = "s3://loading/store"
WINNER = "winner x1"
CONTESTANTS = (WINNER, "winner x2", "store x1", "store x2", "store x4", "float16 x1", "float16 x2", "s3 x1", "s3 x2")

Figures = dict[str, float]
Place = tuple[TrialInfo, int]
"""A trial and a window's first frame."""


@dataclass(frozen=True)
class Work:
    """Where everything lies."""

    folder: Path
    caches: Path

    @property
    def mice(self) -> Path:
        """The mouse as published."""
        return self.folder / "mice"

    def store(self, name: str) -> str:
        """The frame store of a contestant."""
        return BUCKET if name.startswith("s3") else str(self.folder / ("float16" if "float16" in name else "float32"))

    def files(self, name: str) -> list[Path]:
        """What a contestant reads trials from."""
        if name.startswith("winner"):
            return [path for path in self.mice.glob("*/data/*/*.npy") if path.parent.name in FIELDS]
        if name.startswith("s3"):
            return [file for file in (self.caches / name).rglob("*") if file.is_file()]
        return list(Path(self.store(name)).rglob("*.npy"))


class Winner:
    """Loads whole trials."""

    def __init__(self, mouse: Path, readers: int) -> None:
        self._data = mouse / "data"
        self._readers = readers

    def read(self, places: Sequence[Place]) -> Iterator[list[np.ndarray]]:
        """Batches: windows are read one by one, and stacked as a data loader does it."""
        with ThreadPoolExecutor(self._readers) as pool:
            windows = map(self.window, places) if self._readers == 1 else pool.map(self.window, places)
            while batch := list(islice(windows, BATCH)):
                yield [np.stack(arrays) for arrays in zip(*batch, strict=True)]

    def window(self, place: Place) -> list[np.ndarray]:
        """Video (height, width, frames), responses, behaviour and pupil centre (…, frames), float32."""
        trial, start = place
        frames = np.arange(start, start + REACH, STRIDE)
        whole = [np.load(self._data / field / f"{trial.trial}.npy") for field in FIELDS]
        return [array[..., frames].astype(np.float32) for array in whole]


class Ours:
    """Reads the windows' frames."""

    def __init__(self, mouse: MouseData, readers: int) -> None:
        self._mouse = mouse
        self._readers = readers

    def read(self, places: Sequence[Place]) -> Iterator[object]:
        """Batches."""
        parts = (list(places[first : first + BATCH]) for first in range(0, len(places), BATCH))
        draws = (Draw(self._mouse, part, FRAMES, STRIDE) for part in parts)
        yield from (draw.read() for draw in draws) if self._readers == 1 else prefetch(draws, self._readers)


class Contestant:
    """What a child process does."""

    def __init__(self, name: str, work: Work, seconds: float) -> None:
        kind, readers = name.split(" x")
        store = FrameStore.open(work.store(name))
        mouse = store[store.mice[0]]
        self._reader: Winner | Ours
        if kind == "winner":
            self._reader = Winner(work.mice / mouse.name, int(readers))
        else:
            self._reader = Ours(mouse, int(readers))
        self._turn = BATCH * (8 if kind == "winner" else 128)
        self._trials = [trial for trial in mouse.select("train") if trial.frames >= REACH]
        self._seconds = seconds

    def fill(self, seed: int) -> Figures:
        """A window of every trial, so that what is on s3 comes into the cache."""
        return self._measure(self._each(seed))

    def warm(self, seed: int) -> Figures:
        """Random windows for some seconds."""
        rng = np.random.default_rng(seed)
        total = {"windows": 0.0, "seconds": 0.0, "disk": 0.0}
        while total["seconds"] < self._seconds:
            picks = rng.integers(len(self._trials), size=self._turn)
            found = self._measure([self._at(self._trials[pick], rng) for pick in picks])
            total = {key: value + found[key] for key, value in total.items()}
        return total

    def cold(self, seed: int) -> Figures:
        """Windows of trials that were not read since they were dropped."""
        return self._measure(self._each(seed)[: 15 * BATCH])

    def memory(self, seed: int) -> Figures:
        """Resident set now and at its peak, MiB."""
        status = Path("/proc/self/status").read_text()
        return {key: int(re.findall(rf"{key}:\s*(\d+) kB", status)[0]) / 1024 for key in ("VmRSS", "VmHWM")}

    def _each(self, seed: int) -> list[Place]:
        rng = np.random.default_rng(seed)
        return [self._at(self._trials[pick], rng) for pick in rng.permutation(len(self._trials))]

    def _at(self, trial: TrialInfo, rng: np.random.Generator) -> Place:
        return trial, int(rng.integers(trial.frames - REACH + 1))

    def _measure(self, places: Sequence[Place]) -> Figures:
        before, began = _from_disk(), perf_counter()
        for _ in self._reader.read(places):
            pass
        return {"windows": len(places), "seconds": perf_counter() - began, "disk": _from_disk() - before}


def _from_disk() -> float:
    """Bytes that the disk has fetched for this process."""
    return float(re.findall(r"read_bytes: (\d+)", Path("/proc/self/io").read_text())[0])


def _warm(files: Sequence[Path]) -> None:
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.read(2**20):
                pass


def _drop(files: Sequence[Path]) -> None:
    for path in files:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _child(name: str, work: Work, seconds: float, pipe: Connection) -> None:
    os.environ["SENSORIUM_CACHE"] = str(work.caches / name)
    keep_freed_memory()
    contestant = Contestant(name, work, seconds)
    for what, seed in iter(pipe.recv, None):
        pipe.send(getattr(contestant, what)(seed))


@contextmanager
def _contestants(names: Sequence[str], work: Work, seconds: float) -> Iterator[dict[str, Connection]]:
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for name in names:
        pipes[name], theirs = context.Pipe()
        context.Process(target=_child, args=(name, work, seconds, theirs), daemon=True).start()
        theirs.close()
    yield pipes
    for pipe in pipes.values():
        pipe.send(None)


@contextmanager
def _s3(work: Work) -> Iterator[None]:
    """An S3 server with the store in it."""
    port = free_port()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    # Objects lie on the disk rather than in the server's memory.
    own = {"MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": "65536", "TMPDIR": str(work.caches)}
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
        env=os.environ | own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.1)
        files = s3fs.S3FileSystem()
        files.mkdir(BUCKET.removeprefix("s3://").split("/")[0])
        for path in (work.folder / "float32").rglob("*.*"):
            files.put_file(str(path), f"{BUCKET}/{path.relative_to(work.folder / 'float32')}")
        yield
    finally:
        server.kill()
        server.wait()


def _prepare(work: Work, neurons: int, trials: int) -> None:
    if not (work.mice / "truth" / "truth.json").is_file():
        scale = replace(SCALES["full"], neurons=(neurons,), train=trials, repeats=1, missing=0.0)
        simulate(work.mice, scale, seed=0)
    ingest(work.mice, work.folder / "float32")
    ingest(work.mice, work.folder / "float16", dtype="float16")
    os.sync()  # only what is on the disk can be dropped from the page cache


def _check(work: Work) -> None:
    """Both ways give the same numbers."""
    store = FrameStore.open(work.store("float32"))
    mouse = store[store.mice[0]]
    place = (mouse.select("train")[3], 17)
    video, responses, behavior, pupil = Winner(work.mice / mouse.name, 1).window(place)
    ours = Draw(mouse, [place], FRAMES, STRIDE).read()
    np.testing.assert_array_equal(ours.video[0], video.transpose(2, 0, 1))
    np.testing.assert_array_equal(ours.responses[0], responses)
    np.testing.assert_array_equal(ours.behavior[0], behavior)
    np.testing.assert_array_equal(ours.pupil_center[0], pupil)


def _run(work: Work, names: Sequence[str], rounds: int, seconds: float) -> dict[str, dict[str, Any]]:
    results: dict[str, dict[str, Any]] = {name: {"warm": [], "cold": [], "disk_mb": []} for name in names}
    with _contestants(names, work, seconds) as pipes:

        def ask(name: str, what: str, seed: int) -> Figures:
            pipes[name].send((what, seed))
            found: Figures = pipes[name].recv()
            return found

        for name in names:
            found = ask(name, "fill", 0)
            if name.startswith("s3"):
                results[name]["first_pass"] = found["windows"] / found["seconds"]
        for number in range(1, rounds + 1):
            for name in names:
                files = work.files(name)
                for state, prepare in (("warm", _warm), ("cold", _drop)):
                    prepare(files)
                    found = ask(name, state, number)
                    results[name][state].append(found["windows"] / found["seconds"])
                results[name]["disk_mb"].append(found["disk"] / found["windows"] / 1e6)
                speeds = ", ".join(f"{state} {results[name][state][-1]:.1f}" for state in ("warm", "cold"))
                print(f"round {number} of {rounds}, {name}: {speeds} windows/s", file=sys.stderr, flush=True)
        for name in names:
            memory = ask(name, "memory", 0)
            results[name] |= {"resident_mib": memory["VmRSS"], "peak_mib": memory["VmHWM"]}
    return results


def _print(results: dict[str, dict[str, Any]]) -> None:
    base = results[WINNER]
    print(f"\n{'':<11}{'warm windows/s':>30}{'cold windows/s':>30}{'disk MB':>9}{'MiB':>6}{'peak':>6}")
    for name, found in results.items():
        warm, cold = (_cell(found[state], median(base[state])) for state in ("warm", "cold"))
        disk, memory, peak = median(found["disk_mb"]), found["resident_mib"], found["peak_mib"]
        print(f"{name:<11}{warm:>30}{cold:>30}{disk:>9.2f}{memory:>6.0f}{peak:>6.0f}")
        if "first_pass" in found:
            print(f"{'':<11}first pass, from the server: {found['first_pass']:.1f} windows/s")


def _cell(values: list[float], base: float) -> str:
    """Median, range and how many times as fast as the base."""
    middle = median(values)
    return f"{middle:.0f} ({min(values):.0f}..{max(values):.0f}) {middle / base:5.1f}x"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="where the mouse is kept")
    parser.add_argument("--neurons", type=int, default=7900)
    parser.add_argument("--trials", type=int, default=225, help="of tier train; some more are made")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a contestant's warm turn")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as caches:
        work = Work(folder, Path(caches))
        _prepare(work, arguments.neurons, arguments.trials)
        _check(work)
        with _s3(work):
            results = _run(work, CONTESTANTS, arguments.rounds, arguments.seconds)
    _print(results)
    half = FrameStore.open(work.store("float16"))
    rounding = half[half.mice[0]].rounding
    size = {
        name: sum(path.stat().st_size for path in work.files(name)) / 1e9 for name in ("winner", "float32", "float16")
    }
    print(f"GB of trials: {', '.join(f'{kind} {gigabytes:.2f}' for kind, gigabytes in size.items())}")
    print(f"float16 costs in correlation: {rounding}")
    if arguments.json:
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__}
        about = {"machine": machine, "gigabytes": size, "rounding": rounding, "contestants": results}
        arguments.json.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
