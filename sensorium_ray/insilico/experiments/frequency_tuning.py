"""Spatial and temporal frequency tuning by drifting gratings, in the direction that each neuron answers best.

Preferred frequencies, bandwidths and passes are told as De Valois, Albrecht & Thorell (1982, Vision Res. 22) do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...errors import ConfigError
from .. import conditions
from ..conditions import Timing
from ..drawing import counts, examples, histogram, page, spread
from ..frequencies import PASSES, describe_frequencies
from ..screen import MONITOR, Screen
from ..subject import Subject

_UNITS = {"spatial": "cycles a degree", "temporal": "Hz"}


@dataclass(frozen=True, slots=True)
class Config:
    """Settings.

    Parameters
    ----------
    spatial_frequencies : cycles a degree, three or more.
    temporal_frequencies : cycles a second, Hz, three or more.
    directions : among which each neuron's best is looked for, how many, equally spaced.
    contrast : Michelson's, 0..1.
    blank : seconds of a blank screen before each stimulus.
    settle : seconds of a stimulus before responses count.
    seconds : of a stimulus while they count; a slow grating takes 1 / its frequency to go by once.
    monitor : width, height and distance from the eye, cm.
    """

    spatial_frequencies: tuple[float, ...] = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.16)
    temporal_frequencies: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)
    directions: int = 8
    contrast: float = 1.0
    blank: float = 0.5
    settle: float = 0.5
    seconds: float = 2.0
    monitor: tuple[float, ...] = MONITOR

    def __post_init__(self) -> None:
        for name in ("spatial_frequencies", "temporal_frequencies"):
            given = getattr(self, name)
            conditions.require_positive(name, given)
            if len(set(given)) < 3:
                raise ConfigError(f"are {given}", name, "give three or more different ones")
        conditions.require_least("directions", self.directions, 1)
        conditions.require_contrast(self.contrast)


def measure(subject: Subject, config: Config) -> xr.Dataset:
    """Mean responses to gratings of every direction and frequency, and what they say of each neuron.

    Returns
    -------
    response : (neuron, spatial_frequency, temporal_frequency), in the direction in which the neuron's best response is
        greatest.
    blank : (neuron,) response to a blank screen.
    best_direction : (neuron,) degrees.
    spatial_tuning : (neuron, spatial_frequency), at the best temporal frequency; temporal_tuning the other way round.
    preferred_spatial_frequency, preferred_temporal_frequency : (neuron,) cycles a degree, Hz.
    spatial_bandwidth, temporal_bandwidth : (neuron,) octaves.
    spatial_pass, temporal_pass : (neuron,) 'low', 'band', 'high' or 'all', as in `frequencies.describe_frequencies`.
    """
    axes = {
        "direction": conditions.spaced_directions(config.directions),
        "spatial_frequency": np.unique(config.spatial_frequencies),
        "temporal_frequency": np.unique(config.temporal_frequencies),
    }
    timing = Timing.of(subject, config.blank, config.settle, config.seconds)
    screen = Screen(config.monitor, subject.frame_shape)
    everywhere = conditions.grating_responses(subject, screen, timing, axes, contrast=config.contrast)
    response = conditions.at_best(everywhere, "direction")
    blank = conditions.blank_response(subject, screen, timing)
    result = xr.Dataset({"response": response.drop_vars("direction"), "blank": blank})
    result["best_direction"] = response["direction"].drop_vars("direction")
    for kind, other in (("spatial", "temporal"), ("temporal", "spatial")):
        tuning = conditions.at_best(result["response"], f"{other}_frequency").drop_vars(f"{other}_frequency")
        preferred, bandwidth, passes = describe_frequencies(tuning.values, axes[f"{kind}_frequency"], blank.values)
        result[f"{kind}_tuning"] = tuning
        result[f"preferred_{kind}_frequency"] = ("neuron", preferred)
        result[f"{kind}_bandwidth"] = ("neuron", bandwidth)
        result[f"{kind}_pass"] = ("neuron", passes)
    return result


def draw(result: xr.Dataset) -> Figure:
    """Responses of neurons from the lowest to the highest preferred spatial frequency, and the population's tuning."""
    with page(2.3, 2.4, 2.4) as (figure, strips):
        chosen = spread(result["preferred_spatial_frequency"])
        labels = {kind: [f"{value:g}" for value in result[f"{kind}_frequency"].values] for kind in _UNITS}
        for axis, neuron in examples(strips[0], result, chosen):
            axis.imshow(result["response"].values[neuron].T, cmap="viridis", origin="lower", aspect="auto", vmin=0)
            axis.set_xticks(range(len(labels["spatial"])), labels["spatial"], rotation=90, fontsize=7)
            axis.set_yticks(range(len(labels["temporal"])), labels["temporal"], fontsize=7)
            axis.set_xlabel(_UNITS["spatial"], fontsize=8)
            if neuron == chosen[0]:
                axis.set_ylabel(_UNITS["temporal"], fontsize=8)
        for row, (kind, unit) in enumerate(_UNITS.items(), 1):
            best, widths, passes = strips[row].subplots(1, 3)
            frequencies = result[f"{kind}_frequency"].values
            bins = np.geomspace(frequencies[0], frequencies[-1], 20).tolist()
            histogram(best, result[f"preferred_{kind}_frequency"], f"preferred {kind} frequency, {unit}", bins, row)
            best.set_xscale("log")
            best.set_xticks(frequencies, labels[kind], fontsize=7)
            best.minorticks_off()
            histogram(widths, result[f"{kind}_bandwidth"], f"{kind} bandwidth, octaves", 20, row)
            counts(passes, PASSES, result[f"{kind}_pass"], f"{kind} pass", row)
        return figure
