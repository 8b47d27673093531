"""What a published model of 2022 is like: whether its tuning is smooth, and its most exciting images look like Gabors.

    python examples/checkpoint_2022.py sensorium_sota_model.pth build/2022

The checkpoint is the starter kit's. It says neither the mean nor the standard deviation of the images that it was
trained with; those of the settings below are near them, and only change what contrast of an image is how strong.
Neurons are evenly spaced among all, not chosen by how their images look. The pictures are in docs/gallery.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import least_squares

import sensorium_ray as sr
from sensorium_ray.bundle.importing import import_checkpoint
from sensorium_ray.data.stimuli import GREY
from sensorium_ray.insilico.subject import Subject
from sensorium_ray.report.figures import STYLE

GREY_LEVELS = (113.0, 60.0)
NEURONS = 12
TUNED = 60
"""Neurons whose tuning is measured."""
WAVES = 4
"""Slowest waves around the circle of directions that a smooth tuning curve is made of."""
ONE_FRAME = 1 / 30
"""Seconds: this model sees every frame alone."""


def gabor(place: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Gabor (height, width): middle (x, y), angle, length, width, cycles a pixel, phase, height."""
    x, y, angle, length, width, frequency, phase, height = place
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    envelope = np.exp(-(along**2) / (2 * width**2) - across**2 / (2 * length**2))
    return np.asarray(height * envelope * np.cos(2 * np.pi * frequency * along + phase))


def fitted(image: np.ndarray) -> np.ndarray:
    """The Gabor nearest to an image about 0, from the best of many starts."""
    energy = image**2 / np.sum(image**2)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    middle = (np.sum(energy * columns), np.sum(energy * rows))

    def starts() -> Iterator[np.ndarray]:
        for angle in np.arange(0, np.pi, np.pi / 6):
            for frequency in (0.04, 0.09, 0.15):
                for phase in np.arange(0, 2 * np.pi, np.pi / 2):
                    yield np.array([*middle, angle, 3, 3, frequency, phase, np.abs(image).max()])

    def error(place: np.ndarray) -> np.ndarray:
        return np.ravel(gabor(place, image.shape) - image)

    start = min(starts(), key=lambda place: float(np.sum(error(place) ** 2)))
    return gabor(least_squares(error, start, max_nfev=300).x, image.shape)


def smoothness(tuning: np.ndarray) -> np.ndarray:
    """Share (neurons,) of curves' variance that the slowest waves explain; curves are (neurons, directions)."""
    power = np.abs(np.fft.rfft(tuning, axis=1)[:, 1:]) ** 2
    return power[:, :WAVES].sum(axis=1) / power.sum(axis=1)


def main() -> None:
    """Import what is not there yet, make the experiments, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    bundle = given.out / "bundle"
    if not (bundle / "manifest.json").exists():
        import_checkpoint("sensorium2022", given.checkpoint, bundle)
    subject = some_neurons(bundle, NEURONS)
    exciting = sr.run_experiment("most_exciting", subject, blank=0.0, seconds=ONE_FRAME)
    fields = sr.run_experiment("gradient_field", subject, before=0.0, lags=ONE_FRAME)
    images = exciting["image"].isel(start=exciting["best"], frame=0).values - GREY
    gabors, maps = np.stack([fitted(image) for image in images]), fields["field"].isel(lag=0).values
    likeness = alike(images, gabors)
    told = {
        "images and the nearest Gabors": likeness,
        "fields and the nearest Gabors": alike(maps, np.stack([fitted(field / np.abs(field).max()) for field in maps])),
        "images and fields": alike(images, maps),
        "images from two noises": alike(*np.moveaxis(exciting["image"].isel(frame=0).values, 1, 0)),
        "responses, in those to the best gratings": (exciting["activation"].max("start") / exciting["grating"]).values,
    }
    for what, values in told.items():
        print(f"{what}: median {np.median(values):.2f}, {np.round(np.sort(values), 2)}")
    picture(images, gabors, maps, likeness).savefig(given.out / "most_exciting.png", dpi=80)
    show_tuning(bundle, given.out / "direction_tuning.png")


def some_neurons(bundle: Path, number: int) -> Subject:
    """As many of the model's neurons, evenly spaced among all."""
    count = len(sr.load(bundle).manifest.mice[0].unit_ids)
    neurons = np.linspace(0, count, number, endpoint=False).astype(int)
    return sr.open_subject(bundle, neurons=neurons, grey_levels=GREY_LEVELS)


def show_tuning(bundle: Path, out: Path) -> None:
    """Measure and draw tuning to gratings of half the contrast, and tell how smooth it is."""
    result = sr.run_experiment("direction_tuning", some_neurons(bundle, TUNED), directions=24, contrast=0.5)
    sr.draw_experiment(result).savefig(out, dpi=80)
    share = smoothness(result["tuning"].values)
    least, median = share.min(), np.median(share)
    print(f"variance over 24 directions in the {WAVES} slowest waves: median {median:.3f}, least {least:.3f}")
    print(f"OSI: median {float(result['osi'].median()):.2f}; DSI at most {float(result['dsi'].max()):.1e}")


def alike(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Correlation over pixels of each image of some and of others."""
    return np.array([np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in zip(some, others, strict=True)])


def picture(images: np.ndarray, gabors: np.ndarray, fields: np.ndarray, likeness: np.ndarray) -> Figure:
    """Rows: images, the Gabors nearest to them, and fields by gradient; columns: neurons, likest a Gabor first."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 6), layout="constrained")
        half = NEURONS // 2
        axes = figure.subplots(6, half)
        for place, neuron in enumerate(np.argsort(likeness)[::-1]):
            column = axes[3 * (place // half) : 3 * (place // half) + 3, place % half]
            for axis, shown in zip(column, (images, gabors, fields), strict=True):
                limit = np.abs(shown[neuron]).max()
                axis.imshow(shown[neuron], cmap="RdBu_r" if shown is fields else "gray", vmin=-limit, vmax=limit)
                axis.set(xticks=[], yticks=[])
            column[0].set_title(f"r = {likeness[neuron]:.2f}", fontsize=8)
        for row, label in enumerate(("most exciting", "a Gabor", "by gradient") * 2):
            axes[row, 0].set_ylabel(label, fontsize=7)
        return figure


if __name__ == "__main__":
    main()
