"""Does every architecture find the truth? The tables of docs/results.md, through the public commands.

    python examples/results.py build/results                                    # demo scale: 2 mice, 180 to 720 steps
    python examples/results.py build/results-large --mice 4 --epochs 9          # more data, longer trainings

Simulated mice, then, for each seed, one training of every architecture at the sweep's demo size (`--samples 1`: seed
0 gives one point and one start, seed 1 another), an ensemble of them all, and one scoring of everything on both
tracks' final stage. A step is finished when its last file is there, so that the same command goes on after an
interruption.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

import pandas as pd

from demo import once
from sensorium_ray.models import find
from sensorium_ray.scoring.table import Ranked, ScoreTable
from sensorium_ray.search.settings import METRIC
from sensorium_ray.storage import read_json

ENSEMBLE = "ensemble"
Results = dict[str, dict[tuple[str, str], list[Ranked]]]
"""By architecture, and track and stage: one line of the ranking a seed."""


def run(folder: Path, architectures: list[str], seeds: int, mice: int, budget: list[object]) -> ScoreTable:
    """Do what is not done yet."""
    store, bundles = folder / "store", []
    once(folder / "mice/truth/truth.json", "simulate", folder / "mice", "--scale", "demo", "--mice", mice)
    once(store / "store.json", "ingest", folder / "mice", store)
    for seed in range(seeds):
        sweep = folder / f"sweep-{seed}"
        how = ["--size", "demo", "--samples", 1, "--scheduler", "none", "--seed", seed, *budget, "--resume"]
        once(sweep / "sweep.json", "sweep", store, *architectures, "--out", sweep, *how)
        members = [folder / "bundles" / f"{name}-{seed}" for name in architectures]
        for name, bundle in zip(architectures, members, strict=True):
            once(bundle / "manifest.json", "export", sweep / "best" / name, "--out", bundle)
        ensemble = folder / "bundles" / f"{ENSEMBLE}-{seed}"
        once(ensemble / "manifest.json", "ensemble", store, *members, "--out", ensemble)
        bundles += [*members, ensemble]
    scores = folder / "scores"
    judged = ["--truth", folder / "mice", "--stage", "final"]
    once(scores / "summary.json", "score", store, *bundles, *judged, "--out", scores)
    return ScoreTable.read(scores / "scores.parquet")


def by_architecture(table: ScoreTable) -> Results:
    """Lines of all rankings, gathered over seeds."""
    results: Results = defaultdict(lambda: defaultdict(list))
    for place, ranking in table.rankings.items():
        for line in ranking:
            results[line.bundle.rpartition("-")[0]][place].append(line)
    return results


def show(results: Results) -> None:
    """Print a Markdown table, worst first, and by how much each seed's ensemble beats its best member."""
    places = list(next(iter(results.values())))
    print("| | " + " | ".join(f"{track}, {stage}" for track, stage in places) + " |")
    print("|---" * (len(places) + 1) + "|")
    for name in sorted(results, key=lambda name: mean(fractions(results[name][places[0]]))):
        print(f"| {name} | " + " | ".join(cell(results[name][place]) for place in places) + " |")
    members = [lines for name, lines in results.items() if name != ENSEMBLE]
    for track, stage in places:
        best = map(max, zip(*(fractions(lines[track, stage]) for lines in members), strict=True))
        ours = fractions(results[ENSEMBLE][track, stage])
        gains = ", ".join(f"{100 * (a / b - 1):+.1f} %" for a, b in zip(ours, best, strict=True))
        print(f"\nensemble against the best member, {track}, {stage}, by seed: {gains}")


def show_curves(sweeps: list[Path]) -> None:
    """Print how the mean over seeds of the oracle tier's correlation grows with the training."""
    curves = pd.concat([pd.read_csv(sweep / "curves.csv") for sweep in sweeps])
    found = read_json(sweeps[0] / "sweep.json")
    steps = {
        trial["architecture"]: trial["config"]["training"].get("steps", found["settings"]["steps"])
        for trial in found["trials"]
    }
    means = curves.pivot_table(METRIC, "architecture", "epoch")
    print("\n| | steps an epoch | " + " | ".join(f"epoch {epoch}" for epoch in means) + " |")
    print("|---" * (len(means.columns) + 2) + "|")
    for name, row in means.sort_values(means.columns[-1]).iterrows():
        print(f"| {name} | {steps[name]} | " + " | ".join(f"{value:.3f}" for value in row) + " |")


def cell(lines: list[Ranked]) -> str:
    """Mean fraction of the ceiling over seeds, its standard deviation, and the mean correlation."""
    found = fractions(lines)
    spread = f" ± {stdev(found):.3f}" if len(found) > 1 else ""
    return f"{mean(found):.3f}{spread} ({mean(line.single_trial_correlation for line in lines):.3f})"


def fractions(lines: list[Ranked]) -> list[float]:
    """Fractions of the ceiling, by seed."""
    ordered = sorted(lines, key=lambda line: line.bundle)
    return [line.fraction_of_ceiling for line in ordered if line.fraction_of_ceiling is not None]


def main() -> None:
    """Read the arguments, run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("architectures", nargs="*", default=find.names(), help="all unless named")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--mice", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60, help="an epoch, unless the architecture's space says more")
    given = parser.parse_args()
    unknown = [name for name in given.architectures if name not in find.names()]
    if unknown:
        parser.error(f"there is no architecture '{unknown[0]}'; known: {', '.join(find.names())}")
    budget = ["--epochs", given.epochs, "--steps", given.steps]
    show(by_architecture(run(given.folder, given.architectures, given.seeds, given.mice, budget)))
    show_curves([given.folder / f"sweep-{seed}" for seed in range(given.seeds)])


if __name__ == "__main__":
    main()
