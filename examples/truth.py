"""Do experiments find the truth? The tables of docs/insilico.md, and the pictures of docs/gallery.md.

    python examples/truth.py build/truth

A simulated mouse, whose neurons' parameters are known; a network trained on what a benchmark would publish of it; and
the same experiments on both. On the mouse itself, without noise, they show what the experiment can find; on the
network, what a model has learned. A step is finished when its last file is there, so that the same command goes on
after an interruption.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import spearmanr

import sensorium_ray as sr
from sensorium_ray.data.simulate import SCALES
from sensorium_ray.insilico.simulated import simulated_subject, true_parameters
from sensorium_ray.insilico.subject import Subject
from sensorium_ray.results import load_result
from sensorium_ray.training.settings import TrainSettings

SCALE = replace(SCALES["demo"], neurons=(400,), train=350)
NETWORK = {
    "channels": (8, 16, 32),
    "spatial_kernels": (11, 5, 3),
    "temporal_kernels": (11, 3, 3),
    "stride": 2,
    "batch_norm_momentum": 0.1,
    "gabor_start": True,
}
TRAINING = TrainSettings(epochs=12, steps=120, frames=48, learning_rate=5e-3)
EXPERIMENTS = ("direction_tuning", "sparse_noise", "size_tuning", "frequency_tuning", "behavior_modulation")
SHOWN = ("contrast_response", "families", "natural_clips", "gradient_field", "most_exciting")
"""Made on the network alone, for their pictures."""


def prepare(folder: Path) -> tuple[Path, Path]:
    """The simulated mouse, and a bundle of a network trained on it; what is not there yet."""
    mice, store, trained, bundle = (folder / name for name in ("mice", "store", "trained", "bundle"))
    if not (mice / "truth/truth.json").exists():
        sr.simulate(mice, SCALE, seed=0)
    if not (store / "store.json").exists():
        sr.ingest(mice, store)
    if not (bundle / "manifest.json").exists():
        begun = (trained / "checkpoint.json").exists()
        sr.train(store, "factorised3d", trained, NETWORK, TRAINING, resume=begun)
        sr.export(trained, bundle, name="factorised3d")
    return mice, bundle


def measure(folder: Path, subject: Subject, names: tuple[str, ...]) -> dict[str, xr.Dataset]:
    """Results of experiments, kept with their pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    results = {}
    for name in names:
        kept = folder / f"{name}.nc"
        if not kept.exists():
            result = sr.run_experiment(name, subject)
            sr.draw_experiment(result).savefig(folder / f"{name}.png", dpi=90)
            sr.save_result(result, kept)
        results[name] = load_result(kept)
    return results


def compare(
    found: dict[str, xr.Dataset], mouse: dict[str, xr.Dataset], truth: pd.DataFrame
) -> Iterator[tuple[str, str]]:
    """What is told of a subject: lines of a table.

    Parameters
    ----------
    found : the subject's results.
    mouse : those of the simulated mouse itself.
    truth : the simulator's parameters, a row a neuron.
    """
    tuning, field, size = (found[name] for name in ("direction_tuning", "sparse_noise", "size_tuning"))
    direction = np.degrees(truth["direction"].to_numpy())
    motion = _circular(tuning["preferred_direction"].values - direction, 360)
    bars = _circular(tuning["preferred_orientation"].values - direction - 90, 180)
    selective = truth["directionality"].to_numpy() > 0.5
    oriented = truth["roundness"].to_numpy() < 0.5
    both = selective & oriented
    yield "preferred direction, median circular error, oriented and directional neurons", _degrees(motion[both])
    yield "preferred orientation, the same, oriented neurons", _degrees(bars[oriented])
    distance = np.hypot(*(field[f"field_{axis}"].values - truth[f"rf_{axis}"].to_numpy() for axis in "xy"))
    yield "receptive field's centre, median distance, all neurons", f"{np.nanmedian(distance):.2f} pixels"
    ours, theirs = (sizes["suppression_index"].values for sizes in (size, mouse["size_tuning"]))
    known = np.isfinite(ours) & np.isfinite(theirs)
    ours, theirs = ours[known], theirs[known]
    same = (ours > np.median(ours)) == (theirs > np.median(theirs))
    yield "suppressed by the surround (index of 0.1 or more)", f"{size['suppressed'].values.mean():.0%}"
    yield "size-tuning class, the more or the less suppressed half, same as the mouse's", f"{same.mean():.0%}"
    rank = spearmanr(ours, theirs).statistic
    yield "suppression index, rank correlation with the mouse's", f"{rank:.2f}"
    for gain in ("running_gain", "pupil_gain"):
        r = np.corrcoef(found["behavior_modulation"][gain].values, truth[gain].to_numpy())[0, 1]
        yield f"{gain.replace('_', ' ')}, correlation with the true one", f"{r:.2f}"


def _circular(difference: np.ndarray, period: float) -> np.ndarray:
    """How far angles are from each other, degrees."""
    return np.abs((difference + period / 2) % period - period / 2)


def _degrees(errors: np.ndarray) -> str:
    return f"{np.median(errors):.1f}° ({len(errors)} neurons)"


def main() -> None:
    """Read the arguments, run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    mice, bundle = prepare(folder)
    itself = simulated_subject(mice)
    truth = true_parameters(mice, itself.mouse)
    mouse = measure(folder / "mouse", itself, EXPERIMENTS)
    model = measure(folder / "model", sr.open_subject(bundle), EXPERIMENTS)
    measure(folder / "model", sr.open_subject(bundle, neurons=range(40)), SHOWN)
    print("| | the mouse itself | the network |\n|---|---|---|")
    columns = (compare(found, mouse, truth) for found in (mouse, model))
    for (what, on_mouse), (_, on_model) in zip(*columns, strict=True):
        print(f"| {what} | {on_mouse} | {on_model} |")


if __name__ == "__main__":
    main()
