"""DwiseNeuro's answers to whole trials: the winner's overlapping windows against fewer windows and one pass.

    python benchmarks/inference.py                       # speed and memory of the published network
    python benchmarks/inference.py --bundle demo/bundles/dwiseneuro --store demo/store    # and what each way scores

Ways: windows of 16 frames, stride 2, that begin `hop` frames apart (hop 1 is the winner's way: every frame is answered
by up to 16 windows and averaged), or longer passes over every second frame, which see more at once than in training.

Speed and memory are those of the published network (random weights, two mice of 7,900 neurons), in onnxruntime, on a
clip of 300 frames, all neurons of a mouse. Each measurement is a process of its own; the ways take turns, round by
round. Memory is the process's peak resident set. The score is the single-trial correlation on the oracle tier of the
store (frames 50..299, mean over neurons of all mice) of the bundle that is given, which was trained on it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from processes import measure
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.clip import Clip
from sensorium_ray.data.store import FrameStore
from sensorium_ray.data.windows import Cut, Overlapping
from sensorium_ray.metrics.statistics import CoMoments

WINNER = "windows of 16, hop 1"
WAYS = {
    WINNER: Overlapping(16, 2, 1),
    "windows of 16, hop 2": Overlapping(16, 2, 2),
    "windows of 16, hop 4": Overlapping(16, 2, 4),
    "windows of 16, hop 8": Overlapping(16, 2, 8),
    "windows of 16, hop 12": Overlapping(16, 2, 12),
    "windows of 16, hop 16": Overlapping(16, 2, 16),
    "passes of 24, hop 16": Overlapping(24, 2, 16),
    "passes of 32, hop 24": Overlapping(32, 2, 24),
    "one pass of 150": Overlapping(150, 2, 150),
}
NEURONS = 7900
FRAMES = 300


def published_bundle(folder: Path, architecture: str = "dwiseneuro") -> Path:
    """A published network with random weights, exported once."""
    from sensorium_ray.bundle.export import write_bundle
    from sensorium_ray.models import find
    from sensorium_ray.models.population import MouseSpec, Population
    from sensorium_ray.search.spaces import space

    path = folder / f"{architecture}-published"
    if not path.exists():
        import torch

        torch.manual_seed(0)
        population = Population([MouseSpec.unknown(name, NEURONS) for name in ("mouse0", "mouse1")])
        clips = {mouse.name: ("noise", noise(40)) for mouse in population.mice}
        # Nothing is known that the mice's inputs could be normalised by.
        config = {**space(architecture, "published").settings["model"], "normalisation": "raw"}
        about = {"name": path.name, "architecture": architecture, "config": config, "provenance": {}}
        write_bundle(path, find.build(architecture, config, population), population, clips, known=False, **about)
    return path


def noise(frames: int) -> Clip:
    """A clip of seeded noise."""
    rng = np.random.default_rng(0)
    return Clip(rng.uniform(0, 255, (frames, 36, 64)), rng.normal(size=(2, frames)), rng.normal(size=(2, frames)))


def speed(bundle: Path, cut: Cut | None, frames: int, threads: int, pipe: Connection) -> None:
    """Frames per second of one clip, and the peak of the resident set in MiB."""
    predictor = load_predictor(bundle, threads, cut)
    predictor.predict(noise(32), "mouse0")
    clip, began = noise(frames), perf_counter()
    predictor.predict(clip, "mouse0")
    seconds = perf_counter() - began
    peak = int(re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024
    pipe.send((frames / seconds, peak))


def score(bundle: Path, store_path: str, way: str) -> float:
    """Single-trial correlation on the oracle tier."""
    predictor, store = load_predictor(bundle, cut=WAYS[way]), FrameStore.open(store_path)
    correlations = []
    for mouse in predictor.mice:
        data, total = store[mouse], None
        for trial in data.select(store.benchmark.oracle):
            counted = store.benchmark.window.slice(trial.frames)
            predicted = predictor.predict(data.clip(trial.trial), mouse)
            moments = CoMoments.of(np.stack([data.responses(trial.trial)[:, counted], predicted[:, counted]]))
            total = moments if total is None else total.merge(moments)
        assert total is not None
        correlations.append(total.correlation(0, 1))
    return float(np.mean(np.concatenate(correlations)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="where the network is kept")
    parser.add_argument("--bundle", type=Path, help="a trained DwiseNeuro to score")
    parser.add_argument("--store", help="the store that it was trained on")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of onnxruntime; 0: all cores")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    published = published_bundle(arguments.folder.absolute())
    results: dict[str, dict[str, Any]] = {way: {"frames_per_second": [], "peak_mib": []} for way in WAYS}
    for number in range(arguments.rounds):
        for way, found in results.items():
            rate, peak = measure(speed, published, WAYS[way], FRAMES, arguments.threads)
            found["frames_per_second"].append(rate)
            found["peak_mib"].append(peak)
            print(f"round {number + 1}, {way}: {rate:.2f} frames/s, {peak:.0f} MiB", file=sys.stderr, flush=True)
    if arguments.bundle and arguments.store:
        for way, found in results.items():
            found["score"] = score(arguments.bundle, arguments.store, way)
    base = results[WINNER]
    print(f"{'':<22}{'frames/s':>10}{'times':>8}{'peak MiB':>10}{'score':>9}{'loss':>9}")
    for way, found in results.items():
        rate, peak = median(found["frames_per_second"]), max(found["peak_mib"])
        line = f"{way:<22}{rate:>10.2f}{rate / median(base['frames_per_second']):>8.1f}{peak:>10.0f}"
        if "score" in found:
            line += f"{found['score']:>9.4f}{base['score'] - found['score']:>9.4f}"
        print(line)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
