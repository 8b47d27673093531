"""Orientation and direction tuning by drifting gratings.

Selectivities are the lengths of vector sums over directions (Mazurek, Kager & Van Hooser 2014, Front. Neural Circuits
8:92): OSI = |Σ r exp(2iθ)| / Σ r, DSI = |Σ r exp(iθ)| / Σ r.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...report.figures import COLOURS
from .. import conditions
from ..conditions import Timing
from ..drawing import EXAMPLES, examples, histogram, page
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
    blank : seconds of a blank screen before each stimulus.
    settle : seconds of a stimulus before responses count.
    seconds : of a stimulus while they count.
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
        conditions.require_least("directions", self.directions, 3)
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
    axes = {
        "spatial_frequency": np.asarray(config.spatial_frequencies),
        "temporal_frequency": np.asarray(config.temporal_frequencies),
        "direction": conditions.spaced_directions(config.directions),
    }
    timing = Timing.of(subject, config.blank, config.settle, config.seconds)
    screen = Screen(config.monitor, subject.frame_shape)
    response = conditions.grating_responses(subject, screen, timing, axes, contrast=config.contrast)
    best = ("spatial_frequency", "temporal_frequency")
    tuning = conditions.at_best(response, *best)
    result = xr.Dataset({"response": response, "tuning": tuning.drop_vars(best)})
    result = result.assign({f"best_{name}": tuning[name].drop_vars(best) for name in best})
    return result.assign(summary(result["tuning"]))


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
    with page(2.2, 3.0) as (figure, strips):
        most = np.argsort(-(result["osi"] + result["dsi"]).values)[:EXAMPLES]
        angle = np.radians(np.append(result["direction"].values, result["direction"].values[0]))
        for axis, neuron in examples(strips[0], result, most, projection="polar"):
            curve = result["tuning"].values[neuron]
            axis.plot(angle, np.append(curve, curve[0]), color=COLOURS[0])
            axis.set_xticks(np.radians([0, 90, 180, 270]))
            axis.set_yticks([])
        panels = (("preferred_direction", "preferred direction, degrees", 360), ("osi", "OSI", 1), ("dsi", "DSI", 1))
        for place, (axis, (name, label, end)) in enumerate(zip(strips[1].subplots(1, 3), panels, strict=True)):
            histogram(axis, result[name], label, np.linspace(0, end, 25).tolist(), place)
        return figure
