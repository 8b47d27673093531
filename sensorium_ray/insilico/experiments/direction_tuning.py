"""Orientation and direction tuning by drifting gratings.

Selectivities are the lengths of vector sums over directions (Mazurek, Kager & Van Hooser 2014, Front. Neural Circuits
8:92): OSI = |Σ r exp(2iθ)| / Σ r, DSI = |Σ r exp(iθ)| / Σ r.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...errors import ConfigError
from ...report.figures import COLOURS, STYLE
from .. import conditions
from ..conditions import Timing
from ..patterns import grating
from ..screen import MONITOR, Screen
from ..subject import Subject


@dataclass(frozen=True, slots=True)
class Config:
    """Settings.

    Parameters
    ----------
    directions : of the motion, how many, equally spaced from 0 (to the right), against the clock.
    spatial_frequencies : cycles a degree.
    temporal_frequencies : cycles a second, Hz.
    contrast : Michelson's, 0..1.
    blank, settle, seconds : as in `conditions.Timing`.
    monitor : width, height and distance from the eye, cm.
    """

    directions: int = 16
    spatial_frequencies: tuple[float, ...] = (0.03, 0.05, 0.08)
    temporal_frequencies: tuple[float, ...] = (1.0, 3.0)
    contrast: float = 1.0
    blank: float = 0.5
    settle: float = 0.5
    seconds: float = 1.0
    monitor: tuple[float, ...] = MONITOR

    def __post_init__(self) -> None:
        if self.directions < 3:
            raise ConfigError(f"is {self.directions}", "directions", "give 3 or more")
        conditions.require_contrast(self.contrast)
        conditions.require_positive("spatial_frequencies", self.spatial_frequencies)
        conditions.require_positive("temporal_frequencies", self.temporal_frequencies)


def measure(subject: Subject, config: Config) -> xr.Dataset:
    """Mean responses to gratings of every direction and frequency, and what they say of each neuron.

    Returns
    -------
    response : (neuron, spatial_frequency, temporal_frequency, direction).
    tuning : (neuron, direction), at the frequencies at which the neuron's best response is greatest.
    preferred_direction, preferred_orientation : (neuron,) degrees, of the vector sums: 0..360 the way that the grating
        moves, 0..180 the way that its bars lie.
    osi, dsi : (neuron,) 0..1.
    best_spatial_frequency, best_temporal_frequency : (neuron,).
    """
    directions = np.arange(config.directions) * 360 / config.directions
    axes = {
        "spatial_frequency": np.asarray(config.spatial_frequencies),
        "temporal_frequency": np.asarray(config.temporal_frequencies),
        "direction": directions,
    }
    timing = Timing.of(subject, config.blank, config.settle, config.seconds)
    screen = Screen(config.monitor, subject.frame_shape)

    def videos() -> Iterator[np.ndarray]:
        for point in conditions.points(axes):
            yield timing.after_blank(screen, grating(screen, timing.times, contrast=config.contrast, **point))

    response = conditions.mean_responses(subject, videos(), axes, timing)
    best = response.max("direction").stack(pair=("spatial_frequency", "temporal_frequency")).argmax("pair")
    tuning = response.stack(pair=("spatial_frequency", "temporal_frequency")).isel(pair=best)
    result = xr.Dataset({"response": response, "tuning": tuning.drop_vars(_PAIR).transpose("neuron", "direction")})
    result["best_spatial_frequency"] = ("neuron", tuning["spatial_frequency"].values)
    result["best_temporal_frequency"] = ("neuron", tuning["temporal_frequency"].values)
    return result.assign(summary(result["tuning"]))


_PAIR = ("pair", "spatial_frequency", "temporal_frequency")


def summary(tuning: xr.DataArray) -> dict[str, xr.DataArray]:
    """Selectivity and preference (neuron,) of tuning curves (neuron, direction); directions in degrees."""
    angle = np.radians(tuning["direction"])
    total = tuning.sum("direction")
    motion, axis = ((tuning * np.exp(turns * 1j * angle)).sum("direction") for turns in (1, 2))
    known = total > 0
    return {
        "preferred_direction": np.degrees(np.angle(motion)) * xr.ones_like(total) % 360,
        # Bars lie across the way that they move.
        "preferred_orientation": (np.degrees(np.angle(axis)) / 2 + 90) * xr.ones_like(total) % 180,
        "osi": (abs(axis) / total).where(known, 0.0),
        "dsi": (abs(motion) / total).where(known, 0.0),
    }


def draw(result: xr.Dataset) -> Figure:
    """Polar curves of the most selective neurons, and the population's preferences and selectivities."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 5.5), layout="constrained")
        grid = figure.add_gridspec(2, 6)
        most = np.argsort(-(result["osi"] + result["dsi"]).values)[:6]
        angle = np.radians(np.append(result["direction"].values, result["direction"].values[0]))
        for place, neuron in enumerate(most):
            axis = figure.add_subplot(grid[0, place], projection="polar")
            curve = result["tuning"].values[neuron]
            axis.plot(angle, np.append(curve, curve[0]), color=COLOURS[0])
            axis.set_title(f"unit {int(result['unit_id'][neuron])}", fontsize=8)
            axis.set_xticks(np.radians([0, 90, 180, 270]))
            axis.set_yticks([])
        panels = (
            ("preferred_direction", "preferred direction, degrees", 360),
            ("osi", "OSI", 1),
            ("dsi", "DSI", 1),
        )
        for place, (name, label, most_of_it) in enumerate(panels):
            axis = figure.add_subplot(grid[1, 2 * place : 2 * place + 2])
            axis.hist(result[name], np.linspace(0, most_of_it, 25).tolist(), color=COLOURS[place])
            axis.set(xlabel=label, ylabel="neurons")
        return figure
