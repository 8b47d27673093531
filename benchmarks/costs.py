"""What scoring many models costs on many GPUs, and where more do not help: a simulation, fed by measured figures.

    python benchmarks/costs.py --scaling scaling.json
    python benchmarks/costs.py --gpus 1 64 --models 7 --teraflops 10

The job is that of `sensorium score`: ten mice as published (their trials by tier, 7,885 neurons), 31 models, both
tracks and the oracle tier. A shard is a video with its repeats; every worker opens all models and takes the next shard,
predicts its trials with each model, adds up statistics, writes them to the bucket; then one task a mouse and tier reads
them back. Measured here, on one core: opening a bundle by its size, statistics of a trial, writing and reading them
back. From `scaling.py`: what a shard costs the driver. Counted: operations of each architecture a trial, at its
published size, by torch. Assumed, since no GPU was at hand: what is said by `Assumed`, each an option.

It prints hours, cost and how busy the GPUs are with predicting, for the job as it is and with two changes: models in
groups, so that a worker opens one group and shards are smaller; and statistics beside the predictions, on another core.
"""

from __future__ import annotations

import argparse
import heapq
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

from inference import FRAMES, NEURONS, published_bundle
from measuring import operations
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.windows import Blocks, Overlapping
from sensorium_ray.metrics.trials import TrialStatistics, VideoGroup
from sensorium_ray.models import find
from sensorium_ray.models.encoder import Encoder
from sensorium_ray.models.population import MouseSpec, Population
from sensorium_ray.scoring.ledger import Entry, Ledger
from sensorium_ray.search.spaces import space

MICE = 10
TIERS = {
    "oracle": (6, 10),
    "live_test_main": (6, 10),
    "final_test_main": (6, 10),
    "live_test_bonus": (6, 10),
    "final_test_bonus": (12, 10),
}
"""Videos of a mouse and repeats of each, as published (where some lack one, and random dots have eight videos)."""
ARCHITECTURES = ("dwiseneuro", "viv1t2023", "viv1t", "gru", "factorised3d")
"""That take turns; Dynamic-V1FM's operations cannot be counted without its weights."""
_WINDOWS = Overlapping(24, 2, 16)
"""Of DwiseNeuro: ten times as fast as the winner's, see inference.py."""


@dataclass(frozen=True)
class Assumed:
    """What was not measured.

    Parameters
    ----------
    teraflops : that a GPU reaches in float32, 10^12 operations a second.
    dollars : an hour of a GPU with its eight cores, on spot.
    boot : seconds from asking for a machine to a worker on it.
    network : gigabytes a second from the bucket to a machine.
    latency : seconds of one request to the bucket.
    """

    teraflops: float = 20.0
    dollars: float = 1.2
    boot: float = 180.0
    network: float = 1.0
    latency: float = 0.05


@dataclass(frozen=True)
class Measured:
    """Seconds, on one core, of one model and a mouse of full size.

    Parameters
    ----------
    dispatch : what a shard costs the driver and Ray.
    gigabyte : opening a bundle, by its size.
    trial : statistics of a trial.
    write, read : an entry of the ledger, on a disk.
    entry : its size, gigabytes.
    """

    dispatch: float
    gigabyte: float
    trial: float
    write: float
    read: float
    entry: float


@dataclass(frozen=True)
class Model:
    """One of those that are scored.

    Parameters
    ----------
    operations : of a trial.
    gigabytes : of its bundle, of ten mice.
    """

    operations: float
    gigabytes: float


@dataclass(frozen=True)
class Plan:
    """How the job is done.

    Parameters
    ----------
    groups : into which the models are parted; 1: every worker opens all.
    beside : statistics are added up on another core, while the GPU goes on.
    """

    groups: int = 1
    beside: bool = False


def count(name: str) -> Model:
    """Operations and size of an architecture as published, of a network that has no weights."""
    one, two = (_network(name, mice) for mice in (1, 2))
    first, second = (
        sum(value.numel() * value.element_size() for value in net.state_dict().values()) for net in (one, two)
    )
    size = first + (MICE - 1) * (second - first)
    cut = one.cut
    windows, frames = 1, FRAMES
    if isinstance(cut, Overlapping):
        windows, frames = len(_WINDOWS.indices(FRAMES)), _WINDOWS.frames
    elif isinstance(cut, Blocks):
        windows, frames = -(-FRAMES // cut.answered(cut.frames)), cut.frames
    inputs = [torch.zeros(1, *shape, device="meta") for shape in ((frames, 36, 64), (2, frames), (2, frames))]
    indices = [torch.zeros(shape, dtype=torch.int64, device="meta") for shape in ((1,), (NEURONS,), (1, frames))]
    with torch.no_grad():
        each = operations(lambda: one(*inputs, *indices))
    return Model(float(windows * each), 2 * size / 1e9)  # the graph and the weights beside it


def _network(name: str, mice: int) -> Encoder:
    population = Population([MouseSpec.unknown(f"mouse{number}", NEURONS) for number in range(mice)])
    config = {**space(name, "published").settings["model"], "normalisation": "raw"}
    return find.build(name, config, population).eval().to("meta")


def measure(dispatch: float, bundle: Path) -> Measured:
    """What can be measured without a GPU; medians of five."""
    rng = np.random.default_rng(0)
    recorded, predicted = rng.random((2, NEURONS, FRAMES - 50), np.float32)
    trials = TIERS["oracle"][1]

    def add() -> TrialStatistics:
        group = VideoGroup(NEURONS)
        for unit in range(trials):
            group.add(recorded, predicted, unit)
        return group.statistics()

    entry = Entry(add(), {})
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder))
        write = _seconds(lambda: ledger.write("model", "mouse/tier/0", entry))
        read = _seconds(lambda: ledger.read("model", "mouse/tier/0").statistics.merge(entry.statistics))
        size = next((Path(folder) / "model").rglob("*.npz")).stat().st_size / 1e9
    gigabytes = sum(file.stat().st_size for file in bundle.iterdir()) / 1e9
    gigabyte = _seconds(lambda: load_predictor(bundle, threads=1)) / gigabytes
    return Measured(dispatch, gigabyte, _seconds(add) / trials, write, read, size)


def _seconds(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(5):
        began = perf_counter()
        work()
        spent.append(perf_counter() - began)
    return median(spent)


def simulate(models: Sequence[Model], gpus: int, plan: Plan, measured: Measured, assumed: Assumed) -> dict[str, float]:
    """Seconds of the job, and of all GPUs how many they predict; worker after worker takes the next shard."""
    groups = [models[number :: plan.groups] for number in range(plan.groups)]
    tasks = [(group, repeats) for group in groups for videos, repeats in TIERS.values() for _ in range(videos * MICE)]
    free = [(assumed.boot, number, None) for number in range(gpus)]
    heapq.heapify(free)
    driver, ended, busy = assumed.boot, 0.0, 0.0
    for group, repeats in tasks:
        now, number, opened = heapq.heappop(free)
        driver = max(driver, now - measured.dispatch) + measured.dispatch  # it hands out one after another
        begin = max(now, driver)
        if opened is not group:
            begin += _opening(group, measured, assumed)
        predicting = repeats * sum(model.operations for model in group) / (assumed.teraflops * 1e12)
        adding = repeats * measured.trial * len(group)
        writing = len(group) * (measured.write + assumed.latency)
        reading = repeats * (assumed.latency + NEURONS * FRAMES * 4 / 1e9 / assumed.network)
        spent = max(predicting, adding + writing) if plan.beside else predicting + adding + writing
        heapq.heappush(free, (begin + reading + spent, number, group))
        ended, busy = max(ended, begin + reading + spent), busy + predicting
    ended += _adding_up(len(models), gpus, measured, assumed)
    return {"seconds": ended, "busy": busy / (ended * gpus)}


def _opening(group: Sequence[Model], measured: Measured, assumed: Assumed) -> float:
    return sum(assumed.latency + model.gigabytes * (1 / assumed.network + measured.gigabyte) for model in group)


def _adding_up(models: int, gpus: int, measured: Measured, assumed: Assumed) -> float:
    """One task a mouse and tier, on eight cores a GPU."""
    tasks = sorted((videos for videos, _ in TIERS.values() for _ in range(MICE)), reverse=True)
    cores = [0.0] * min(len(tasks), 8 * gpus)
    each = measured.read + assumed.latency + measured.entry / assumed.network
    for videos in tasks:
        heapq.heapreplace(cores, cores[0] + videos * models * each)
    return max(cores)


def _rows(models: Sequence[Model], gpus: Sequence[int], measured: Measured, assumed: Assumed) -> Iterator[str]:
    yield f"{'GPUs':>5}" + "".join(f"{name:>34}" for name in ("as it is", "groups of four", "and statistics beside"))
    plans = (Plan(), Plan(-(-len(models) // 4)), Plan(-(-len(models) // 4), beside=True))
    yield f"{'':>5}" + f"{'hours':>12}{'dollars':>12}{'busy':>10}" * len(plans)
    for number in gpus:
        line = f"{number:>5}"
        for plan in plans:
            found = simulate(models, number, plan, measured, assumed)
            hours = found["seconds"] / 3600
            line += f"{hours:>12.2f}{hours * number * assumed.dollars:>12.2f}{found['busy']:>10.0%}"
        yield line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64, 512])
    parser.add_argument("--models", type=int, default=31)
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="where a network is kept")
    parser.add_argument("--scaling", type=Path, help="figures of scaling.py; without them a shard costs 10 ms")
    for field in fields(Assumed):
        parser.add_argument(f"--{field.name}", type=float, default=field.default, help="see above")
    arguments = parser.parse_args()
    assumed = replace(Assumed(), **{field.name: getattr(arguments, field.name) for field in fields(Assumed)})
    dispatch = 0.01
    if arguments.scaling:
        dispatch = 1 / median(turn["per_second"] for turn in json.loads(arguments.scaling.read_text())["nothing 2"])
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    measured = measure(dispatch, published_bundle(arguments.folder.absolute(), "factorised3d"))
    counted = {name: count(name) for name in ARCHITECTURES}
    for name, model in counted.items():
        print(f"{name:<16}{model.operations / 1e12:>8.2f} x 10^12 operations a trial, {model.gigabytes:.2f} GB")
    print(measured, assumed, sep="\n")
    models = list(islice(cycle(counted.values()), arguments.models))
    print(*_rows(models, arguments.gpus, measured, assumed), sep="\n")


if __name__ == "__main__":
    main()
