"""Pictures of a scored set of bundles, each as a string of SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..benchmark import FRAME_RATE, EvalWindow
from ..scoring.table import CEILING, Ranked

COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d", "#eeca3b")
_INK, _PALE = "#222222", "#bbbbbb"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "legend.frameon": False,
    "svg.hashsalt": "sensorium-ray",
}


def colours(bundles: Sequence[str]) -> dict[str, str]:
    """One colour a bundle, the same in every picture."""
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(bundles)}


def tracks(
    rankings: Mapping[str, Sequence[Ranked]], ceilings: Mapping[str, float | None], paint: Mapping[str, str]
) -> str:
    """Single-trial correlation of every bundle, a panel a track and stage, with the known ceiling as a line."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 0.5 + 0.34 * len(paint) + 0.6), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(rankings), sharey=True, sharex=True))
        order = list(paint)[::-1]
        for axis, (title, ranked) in zip(axes, rankings.items(), strict=True):
            values = {row.bundle: row.single_trial_correlation for row in ranked}
            axis.barh(order, [values.get(name, np.nan) for name in order], color=[paint[name] for name in order])
            for place, name in enumerate(order):
                if name in values:
                    axis.text(values[name], place, f" {values[name]:.3f}", va="center", fontsize=8)
            ceiling = ceilings.get(title)
            if ceiling is not None:
                axis.axvline(ceiling, color=_INK, linestyle=":", linewidth=1)
                axis.text(ceiling, len(order) - 0.45, "ceiling", ha="center", va="bottom", fontsize=7)
            axis.set_title(title, fontsize=10, pad=14)
            axis.set_xlabel("single-trial correlation")
            axis.tick_params(axis="y", length=0)
        return _svg(figure)


def histograms(values: Mapping[str, Mapping[str, np.ndarray]], paint: Mapping[str, str]) -> str:
    """Distribution over neurons of the single-trial correlation, a panel a track, a line a bundle.

    Parameters
    ----------
    values : (neurons,) by panel and bundle; 'ceiling' is drawn in grey.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 2.8), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(values), sharex=True, sharey=True))
        for axis, (title, of_bundles) in zip(axes, values.items(), strict=True):
            for name, of_neurons in of_bundles.items():
                low, high = min(-0.1, of_neurons.min()), max(0.9, of_neurons.max())
                bins = np.arange(low, high + 0.04, 0.04)
                colour = _PALE if name == CEILING else paint[name]
                kind = "stepfilled" if name == CEILING else "step"
                axis.hist(of_neurons, bins, histtype=kind, color=colour, label=name, linewidth=1.4)
            axis.set_title(title, fontsize=10)
            axis.set_xlabel("single-trial correlation of a neuron")
        axes[0].set_ylabel("neurons")
        axes[-1].legend(fontsize=8)
        return _svg(figure)


def curves(table: pd.DataFrame, paint: Mapping[str, str]) -> str:
    """Oracle correlation by epoch of every tune trial, coloured by architecture."""
    names = list(dict.fromkeys(table["architecture"]))
    shades = {name: paint.get(name, COLOURS[place]) for place, name in enumerate(names)}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3), layout="constrained")
        score, loss = figure.subplots(1, 2)
        for (name, _), trial in table.groupby(["architecture", "trial"], sort=False):
            for axis, column in ((score, "oracle_correlation"), (loss, "loss")):
                axis.plot(
                    trial["epoch"],
                    trial[column],
                    color=shades[str(name)],
                    linewidth=1.2,
                    marker=".",
                    markersize=3,
                )
        for name in names:
            score.plot([], [], color=shades[name], label=name)
        score.legend(fontsize=8, loc="lower right")
        score.set_ylabel("single-trial correlation, oracle tier")
        loss.set_ylabel("training loss (Poisson)")
        for axis in (score, loss):
            axis.set_xlabel("epoch")
        return _svg(figure)


def traces(
    group: Mapping[str, np.ndarray],
    shown: Sequence[str],
    paint: Mapping[str, str],
    window: EvalWindow,
    neurons: int = 3,
) -> str:
    """Recorded and predicted responses to one trial, a row a neuron; frames that do not count are shaded.

    Parameters
    ----------
    group : arrays `neurons`, `recorded`, maybe `rates`, and `prediction/<bundle>` (neurons, frames).
    """
    rows = min(neurons, len(group["neurons"]))
    frames = group["recorded"].shape[1]
    counted = window.slice(frames)
    seconds = np.arange(frames) / FRAME_RATE
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 1.25 * rows + 0.5), layout="constrained")
        for place, axis in enumerate(np.atleast_1d(figure.subplots(rows, 1, sharex=True))):
            axis.fill_between(seconds, group["recorded"][place], color="#dddddd", step="mid", label="recorded")
            if "rates" in group:
                axis.plot(
                    seconds,
                    group["rates"][place],
                    color=_INK,
                    linewidth=0.9,
                    linestyle=":",
                    label="true rate",
                )
            for name in shown:
                axis.plot(seconds, group[f"prediction/{name}"][place], color=paint[name], linewidth=1.2, label=name)
            _focus(axis, group, place, shown)
            axis.axvspan(-0.5 / FRAME_RATE, counted.start / FRAME_RATE, color="#f3efe6", zorder=-1)
            axis.set_ylabel(f"neuron {int(group['neurons'][place])}", fontsize=8)
            axis.set_xlim(0, seconds[-1])
            if place == 0:
                axis.legend(fontsize=7, ncols=4 + len(shown), loc="upper right")
        axis.set_xlabel("seconds; the shaded start does not count")
        return _svg(figure)


def _focus(axis: Axes, group: Mapping[str, np.ndarray], place: int, shown: Sequence[str]) -> None:
    """Cut the axis where single events would flatten everything else."""
    predicted = max(group[f"prediction/{name}"][place].max() for name in shown)
    axis.set_ylim(0, max(np.percentile(group["recorded"][place], 98), 1.5 * predicted, 1e-3))


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
