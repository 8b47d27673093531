"""What the experiments' pictures have in common: a page of strips, example neurons, and histograms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ..report.figures import COLOURS, STYLE

EXAMPLES = 6
"""Neurons that a picture shows one by one."""
GUIDE = "#888888"
"""Colour of lines that only guide the eye."""


@contextmanager
def page(*heights: float) -> Iterator[tuple[Figure, Sequence[SubFigure]]]:
    """A figure in this project's style, and the strips below each other in it, each with a layout of its own.

    Parameters
    ----------
    heights : of the strips, inches; two or more.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, sum(heights)), layout="constrained")
        strips = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)
        yield figure, strips.ravel().tolist()


def examples(
    strip: SubFigure, result: xr.Dataset, neurons: np.ndarray, rows: int = 1, projection: str | None = None
) -> Iterator[tuple[Axes, int]]:
    """Axes for some neurons in a strip, each with its unit id, and the neuron; six at most."""
    axes = strip.subplots(rows, EXAMPLES // rows, squeeze=False, subplot_kw={"projection": projection}).ravel()
    for axis in axes[len(neurons) :]:
        axis.remove()
    for axis, neuron in zip(axes, neurons, strict=False):
        axis.set_title(f"unit {int(result['unit_id'][neuron])}", fontsize=8)
        yield axis, int(neuron)


def spread(values: xr.DataArray) -> np.ndarray:
    """Six neurons from the least to the greatest of some values, evenly by rank, of those that have one."""
    order = np.argsort(values.values)[: int(values.notnull().sum())]
    return order[np.linspace(0, len(order) - 1, min(EXAMPLES, len(order))).round().astype(int)]


def histogram(axis: Axes, values: xr.DataArray, label: str, bins: Sequence[float] | int = 25, colour: int = 0) -> None:
    """How many neurons have which value; `colour` is the place of one of `report.figures.COLOURS`."""
    axis.hist(values.values[np.isfinite(values.values)], bins, color=COLOURS[colour])
    axis.locator_params(axis="x", nbins=5)
    axis.set(xlabel=label, ylabel="neurons")


def counts(axis: Axes, kinds: Sequence[str], values: xr.DataArray, label: str, colour: int = 0) -> None:
    """How many neurons are of each of some kinds."""
    axis.bar(kinds, [int((values == kind).sum()) for kind in kinds], color=COLOURS[colour])
    axis.set(xlabel=label, ylabel="neurons")
