"""A picture of mice, published or stored: what they saw, how their neurons answered, how they behaved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import LogLocator

from ..benchmark import FRAME_RATE
from ..data.describe import SurveyedMouse
from ..data.raw import RawTrial
from ..errors import ConfigError
from ..storage import StrPath, atomic_path
from .figures import COLOURS, STYLE

_INCHES = (11.0, 7.0)
"""Width and height of a mouse."""
_STIMULI, _NEURONS, _IMAGES = 6, 60, 60
"""Stimuli and neurons that are shown; trials of one frame that are shown side by side."""
_LABELS = {
    "pupil dilation": "pupil\ndilation (px)",
    "change of pupil dilation": "its change\n(px/s)",
    "running speed": "running\nspeed (cm/s)",
}


def write_plot(mice: Sequence[SurveyedMouse], out: StrPath) -> None:
    """Draw mice below each other.

    Of each: some stimuli; responses, running speed and pupil over one training trial, or over some where a trial is
    an image; how much its neurons respond; trials by tier.

    Parameters
    ----------
    out : the .png file to write.

    Raises
    ------
    ConfigError : `out` has another ending.
    DataError : `out` may not be written, or a trial's file is at fault.
    """
    out = Path(out)
    if out.suffix != ".png":
        raise ConfigError(f"'{out.name}' is no name of a PNG file", "--plot", "let it end with .png")
    with mpl.rc_context(STYLE):
        width, height = _INCHES
        figure = Figure(figsize=(width, height * len(mice)), layout="constrained")
        for mouse, band in zip(mice, _split(figure, len(mice), 1, hspace=0.04), strict=True):
            _draw(mouse, band)
        with atomic_path(out) as partial:
            figure.savefig(partial, format="png", dpi=120)


def _draw(mouse: SurveyedMouse, band: SubFigure) -> None:
    about = mouse.summary
    band.suptitle(f"{about.name}\n{about.benchmark}, {about.neurons} neurons", fontsize=11, weight="bold")
    shown, title, ticks, axis_label = _excerpt(mouse)
    pictures, rest = _split(band, 2, 1, height_ratios=(1, 3.4))
    _stimuli(pictures, shown.video, ticks, axis_label)
    left, right = _split(rest, 1, 2, width_ratios=(2.3, 1))
    channels = len(mouse.benchmark.behavior)
    axes = left.subplots(1 + channels, 1, sharex=True, height_ratios=(2.6, *[1] * channels))
    _responses(axes[0], shown.responses, ticks, title)
    for axis, name, values in zip(axes[1:], mouse.benchmark.behavior, shown.behavior, strict=True):
        _behavior(axis, name, values, ticks, absent="behavior" in about.absent)
    left.align_ylabels(axes)
    axes[-1].set_xlabel(axis_label)
    top, bottom = right.subplots(2, 1)
    _means(top, mouse.response_means)
    _tiers(bottom, mouse)


def _split(figure: Figure | SubFigure, rows: int, columns: int, **layout: Any) -> list[SubFigure]:
    parts: Any = figure.subfigures(rows, columns, squeeze=False, **layout)
    return list(parts.flat)


def _excerpt(mouse: SurveyedMouse) -> tuple[RawTrial, str, np.ndarray, str]:
    """What is shown: a trial, or images one after another; its title, the place of each frame, and their axis."""
    trials = [info for info in mouse.trials if info.tier == "train"] or mouse.trials
    if max(info.frames for info in trials) > 1:
        info = max(trials, key=lambda info: info.frames)
        trial = mouse.read(info.trial)
        return trial, f"trial {info.trial}, {info.tier}", np.arange(info.frames) / FRAME_RATE, "time (s)"
    infos = trials[:_IMAGES]
    read = [mouse.read(info.trial) for info in infos]
    joined = RawTrial(
        np.concatenate([trial.video for trial in read]),
        *(
            np.concatenate([getattr(trial, name) for trial in read], axis=1)
            for name in ("responses", "behavior", "pupil_center")
        ),
    )
    return joined, f"{len(infos)} images, {infos[0].tier}", np.arange(len(infos)), "image, in the order shown"


def _stimuli(band: SubFigure, video: np.ndarray, places: np.ndarray, axis_label: str) -> None:
    chosen = np.unique(np.linspace(0, len(video) - 1, _STIMULI).round().astype(int))
    for axis, frame in zip(np.atleast_1d(band.subplots(1, len(chosen))), chosen, strict=True):
        axis.imshow(video[frame], cmap="gray", vmin=0, vmax=255)
        axis.set_title(f"{places[frame]:.1f} s" if axis_label.endswith("(s)") else f"image {frame}", fontsize=8)
        axis.set_axis_off()


def _responses(axis: Axes, responses: np.ndarray, places: np.ndarray, title: str) -> None:
    """Neurons in the order of their mean, from the most active down, evenly taken."""
    order = np.argsort(-responses.mean(axis=1), kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(_NEURONS, len(order))).round().astype(int)]
    step = places[1] - places[0] if len(places) > 1 else 1.0
    picture = axis.imshow(
        responses[chosen],
        cmap="Greys",
        vmin=0,
        vmax=max(float(np.percentile(responses[chosen], 99)), 1e-6),
        aspect="auto",
        interpolation="nearest",
        extent=(places[0] - step / 2, places[-1] + step / 2, len(chosen) - 0.5, -0.5),
    )
    axis.set_title(f"responses, {title}", fontsize=9)
    axis.set_ylabel(f"{len(chosen)} of {len(order)} neurons,\nmost active first")
    axis.set_yticks([])
    axis.figure.colorbar(picture, ax=axis, label="response (a.u.)", pad=0.01, extend="max")


def _behavior(axis: Axes, name: str, values: np.ndarray, places: np.ndarray, absent: bool) -> None:
    axis.plot(places, values, color=COLOURS[0], linewidth=1)
    axis.set_ylabel(_LABELS[name], fontsize=8)
    if absent:
        axis.text(0.5, 0.5, "absent", transform=axis.transAxes, ha="center", va="center")


def _means(axis: Axes, means: np.ndarray | None) -> None:
    axis.set_title("neurons by mean response, train", fontsize=9)
    axis.set_xlabel("mean response (a.u.)")
    axis.set_ylabel("neurons")
    if means is None or not (means > 0).any():
        axis.text(0.5, 0.5, "none", transform=axis.transAxes, ha="center", va="center")
        return
    positive = means[means > 0]
    axis.hist(positive, np.geomspace(positive.min(), positive.max() * 1.001, 31).tolist(), color=COLOURS[0])
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")
    if len(positive) < len(means):
        axis.text(0.98, 0.95, f"{len(means) - len(positive)} silent", transform=axis.transAxes, ha="right", va="top")


def _tiers(axis: Axes, mouse: SurveyedMouse) -> None:
    tiers = mouse.summary.tiers[::-1]
    bars = axis.barh([tier.tier for tier in tiers], [tier.trials for tier in tiers], color=COLOURS[0])
    axis.bar_label(bars, padding=2, fontsize=8)
    axis.margins(x=0.15)
    axis.set_title("trials by tier", fontsize=9)
    axis.set_xlabel("trials")
    axis.tick_params(axis="y", length=0)
