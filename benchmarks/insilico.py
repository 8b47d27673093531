"""Experiments' clips asked one at a time, and several at once.

    python benchmarks/insilico.py

Clips of 60 frames, as an experiment of conditions shows them, all neurons of a mouse, in onnxruntime on all cores:
networks at their published sizes with random weights (two mice of 7,900 neurons; DwiseNeuro, which takes gigabytes so,
is in inference.py), and a small one that comes with the package. Each measurement is a process of its own; the numbers
of clips take turns, round by round. Figures are medians over the rounds; memory is the process's peak resident set.
"""

from __future__ import annotations

import argparse
import json
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter

from inference import noise, published_bundle
from measuring import peak_mib
from processes import measure
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED

ARCHITECTURES = ("linear_nonlinear", "factorised3d", "gru")
AT_ONCE = (1, 2, 4, 8)
FRAMES = 60


def speed(bundle: Path, at_once: int, clips: int, answer: Connection) -> None:
    """Clips per second, and the peak of the resident set in MiB."""
    predictor = load_predictor(bundle)
    mouse = predictor.mice[0]
    shown = [noise(FRAMES)] * at_once
    predictor.predict_together(shown, mouse)
    began = perf_counter()
    for _ in range(clips // at_once):
        predictor.predict_together(shown, mouse)
    answer.send((clips / (perf_counter() - began), peak_mib()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="where networks are kept")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clips", type=int, default=16, help="of a measurement")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    bundles = {"small": PRETRAINED / "factorised3d"}
    bundles |= {name: published_bundle(given.folder.absolute(), name) for name in ARCHITECTURES}
    found: dict[str, dict[int, list[tuple[float, float]]]] = {name: {n: [] for n in AT_ONCE} for name in bundles}
    for number in range(given.rounds):
        for name, bundle in bundles.items():
            for at_once in AT_ONCE:
                rate, peak = measure(speed, bundle, at_once, given.clips)
                found[name][at_once].append((rate, peak))
                print(f"round {number + 1}, {name}, {at_once} at once: {rate:.3g} clips/s, {peak:.0f} MiB", flush=True)
    print("| | " + " | ".join(f"{n} at once" for n in AT_ONCE) + " |\n|---" + "|---" * len(AT_ONCE) + "|")
    for name, of_numbers in found.items():
        medians = {n: [median(each) for each in zip(*values, strict=True)] for n, values in of_numbers.items()}
        first = medians[AT_ONCE[0]][0]
        cells = (f"{rate:.3g} clips/s, {rate / first:.2f} ×, {peak:.0f} MiB" for rate, peak in medians.values())
        print(f"| {name} | " + " | ".join(cells) + " |")
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
