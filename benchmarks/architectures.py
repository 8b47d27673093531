"""What a training step of every architecture costs, at its published size, on the device that is here.

    python benchmarks/architectures.py
    python benchmarks/architectures.py dwiseneuro viv1t --precision bfloat16 --json architectures.json

Two simulated mice of 7,900 neurons; batch, frames of a window and mice a step as published, the mice two at most.
Each architecture is a process of its own: three steps to begin with, then `--steps` with the clock running, of windows
that are read beforehand. Memory is that of the tensors on a GPU, else the process's peak. Floating-point operations
are those of a step, forward and backward, as torch counts them (convolutions and matrix products).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any, get_args

import numpy as np

from inference import FRAMES, NEURONS
from measuring import Figures, operations, peak_mib, wait
from processes import measure
from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.simulate import SCALES, VideoScale, simulate
from sensorium_ray.data.store import FrameStore
from sensorium_ray.models import find
from sensorium_ray.search.spaces import space
from sensorium_ray.training.settings import Precision, TrainSettings
from sensorium_ray.training.trainer import Trainer


def step_of(name: str, store: Path, precision: Precision, steps: int, answer: Connection) -> None:
    """Figures of one architecture."""
    opened = FrameStore.open(store)
    published = space(name, "published").settings
    chosen: dict[str, Any] = {"batch": 8, **published["training"], "precision": precision}
    settings = TrainSettings(**chosen | {"mice": min(len(opened.mice), chosen.get("mice", 1))})
    trainer = Trainer(opened, name, published["model"], settings)
    rng = np.random.default_rng(0)
    batches = [trainer.draw(step, rng).read() for step in range(3)]
    for number, batch in enumerate(batches):
        trainer.step(number, batch)
    wait()
    began = perf_counter()
    for number in range(steps):
        trainer.step(number, batches[number % len(batches)])
    wait()
    seconds = (perf_counter() - began) / steps
    windows = [part.video.shape[1] for part in batches[0].values()]
    answer.send(
        {
            "seconds": seconds,
            "batch": settings.batch,
            "frames": windows[0],
            "flop": operations(lambda: trainer.step(0, batches[0])),
            "peak_mib": peak_mib(),
        }
    )


def _run(store: Path, names: Sequence[str], precision: Precision, steps: int) -> dict[str, Figures]:
    print(f"{'':<18}{'batch':>6}{'frames':>8}{'s a step':>10}{'windows/s':>11}{'TFLOP/s':>9}{'peak MiB':>10}")
    found = {}
    for name in names:
        try:
            found[name] = measure(step_of, name, store, precision, steps)
        except SystemExit as error:
            print(error, file=sys.stderr, flush=True)
            continue
        each = found[name]
        rates = each["batch"] / each["seconds"], each["flop"] / each["seconds"] / 1e12
        line = f"{name:<18}{each['batch']:>6}{each['frames']:>8}{each['seconds']:>10.3f}{rates[0]:>11.1f}"
        print(f"{line}{rates[1]:>9.2f}{each['peak_mib']:>10.0f}", flush=True)
    return found


def _scale() -> VideoScale:
    """A few trials as long and of as many neurons as published."""
    few = replace(SCALES["tiny"], train=4, repeats=1, calibration=1)
    return replace(few, neurons=(NEURONS, NEURONS), frames=FRAMES, padded=FRAMES, cut=(FRAMES, FRAMES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="*", default=find.names(), help="all unless named")
    parser.add_argument("--precision", choices=get_args(Precision), default="float32")
    parser.add_argument("--steps", type=int, default=2, help="timed")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mice, store = Path(folder) / "mice", Path(folder) / "store"
        simulate(mice, _scale(), seed=0)
        ingest(mice, store)
        found = _run(store, arguments.architectures, arguments.precision, arguments.steps)
    if arguments.json:
        arguments.json.write_text(json.dumps({"precision": arguments.precision, "architectures": found}, indent=1))


if __name__ == "__main__":
    main()
