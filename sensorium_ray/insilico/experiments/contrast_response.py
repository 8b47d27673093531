"""Contrast response by drifting gratings, in the direction that each neuron answers best.

The response r to a contrast c is described by r = baseline + r_max cⁿ / (cⁿ + c50ⁿ) (Naka & Rushton 1966, J. Physiol.
185; of cortical neurons Albrecht & Hamilton 1982, J. Neurophysiol. 48).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.optimize import least_squares

from ...errors import ConfigError
from ...report.figures import COLOURS
from .. import conditions
from ..conditions import Timing
from ..drawing import GUIDE, examples, histogram, page, spread
from ..screen import MONITOR, Screen
from ..subject import Subject

Value = float | np.ndarray


@dataclass(frozen=True, slots=True)
class Config:
    """Settings.

    Parameters
    ----------
    contrasts : Michelson's, above 0 up to 1, four or more.
    directions : among which each neuron's best is looked for, how many, equally spaced.
    spatial_frequencies, temporal_frequencies : the same, cycles a degree and Hz.
    blank : seconds of a blank screen before each stimulus.
    settle : seconds of a stimulus before responses count.
    seconds : of a stimulus while they count.
    monitor : width, height and distance from the eye, cm.
    """

    contrasts: tuple[float, ...] = (0.02, 0.04, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0)
    directions: int = 8
    spatial_frequencies: tuple[float, ...] = (0.03, 0.06)
    temporal_frequencies: tuple[float, ...] = (2.0,)
    blank: float = 0.5
    settle: float = 0.5
    seconds: float = 1.0
    monitor: tuple[float, ...] = MONITOR

    def __post_init__(self) -> None:
        for name in ("contrasts", "spatial_frequencies", "temporal_frequencies"):
            conditions.require_positive(name, getattr(self, name))
        if max(self.contrasts) > 1 or len(set(self.contrasts)) < 4:
            raise ConfigError(f"are {self.contrasts}", "contrasts", "give four or more different ones, at most 1")
        conditions.require_least("directions", self.directions, 1)


def measure(subject: Subject, config: Config) -> xr.Dataset:
    """Mean responses at every contrast, and the curve through them.

    Returns
    -------
    response : (neuron, contrast), to the grating to which the neuron's best response is greatest.
    blank : (neuron,) response to a blank screen, which is a contrast of 0.
    best_direction, best_spatial_frequency, best_temporal_frequency : (neuron,) of that grating.
    c50, exponent, r_max, baseline : (neuron,) of the curve; r_max is what the response gains, on top of the baseline,
        where the contrast is without bounds, and a c50 of 1 or more only says that it does not saturate on any
        screen. NaN where the response does not change.
    r_squared : (neuron,) share of the response's variance that the curve explains.
    """
    kinds = {
        "direction": conditions.spaced_directions(config.directions),
        "spatial_frequency": np.asarray(config.spatial_frequencies),
        "temporal_frequency": np.asarray(config.temporal_frequencies),
    }
    timing = Timing.of(subject, config.blank, config.settle, config.seconds)
    screen = Screen(config.monitor, subject.frame_shape)
    axes = {**kinds, "contrast": np.unique(config.contrasts)}
    response = conditions.at_best(conditions.grating_responses(subject, screen, timing, axes), *kinds)
    blank = conditions.blank_response(subject, screen, timing)
    result = xr.Dataset({"response": response.drop_vars([*kinds]), "blank": blank})
    result = result.assign({f"best_{name}": response[name].drop_vars([*kinds]) for name in kinds})
    contrasts = np.append(0.0, axes["contrast"])
    curves = np.column_stack([blank.values, response.values])
    fitted = np.stack([fit(contrasts, curve) for curve in curves])
    return result.assign({name: ("neuron", fitted[:, place]) for place, name in enumerate(_FITTED)})


_FITTED = ("c50", "exponent", "r_max", "baseline", "r_squared")
_LEAST, _MOST = (0.005, 0.3), (2.0, 8.0)
"""Bounds of c50 and exponent."""
_STARTS = [(c50, exponent) for c50 in np.geomspace(0.03, 1.5, 6) for exponent in (0.7, 1.5, 3.0, 6.0)]
"""Of which the best is where a fit begins, so that it does not end in a hollow of its own."""


def naka_rushton(contrast: np.ndarray, c50: Value, exponent: Value, r_max: Value, baseline: Value) -> np.ndarray:
    """Response at a contrast."""
    raised = contrast**exponent
    return np.asarray(baseline + r_max * raised / (raised + c50**exponent))


def fit(contrasts: np.ndarray, response: np.ndarray) -> np.ndarray:
    """The curve through the responses of one neuron: c50, exponent, r_max, baseline and r²; NaN where it is flat.

    For a c50 and an exponent the other two are those of a straight line, so that only two are looked for (variable
    projection, Golub & Pereyra 1973, SIAM J. Numer. Anal. 10).
    """
    low, height = float(response.min()), float(np.ptp(response))
    if not height > 1e-6 * max(abs(low), 1e-12):
        return np.full(len(_FITTED), np.nan)
    scaled = (response.astype(np.float64) - low) / height

    def line(shape: np.ndarray) -> tuple[np.ndarray, float, float]:
        """The curve of a c50 and an exponent, and what it is best multiplied with, 0 or more, and put upon."""
        curve = naka_rushton(contrasts, shape[0], shape[1], 1.0, 0.0)
        about = curve - curve.mean()
        slope = max(0.0, float(about @ scaled / (about @ about)))
        return curve, slope, float(scaled.mean() - slope * curve.mean())

    def error(logarithms: np.ndarray) -> np.ndarray:
        curve, slope, offset = line(np.exp(logarithms))
        return np.asarray(offset + slope * curve - scaled)

    logarithms = np.log(_STARTS)
    start = min(logarithms, key=lambda shape: float((error(shape) ** 2).sum()))
    found = least_squares(error, start, bounds=(np.log(_LEAST), np.log(_MOST)))
    c50, exponent = np.exp(found.x)
    _, slope, offset = line(np.exp(found.x))
    explained = 1 - 2 * found.cost / float(((scaled - scaled.mean()) ** 2).sum())
    return np.array([c50, exponent, slope * height, low + offset * height, explained])


def draw(result: xr.Dataset) -> Figure:
    """Curves of neurons from the lowest to the highest c50, and the population's curves."""
    with page(2.2, 3.0) as (figure, strips):
        chosen = spread(result["c50"])
        contrasts = result["contrast"].values
        fine = np.geomspace(contrasts[0], contrasts[-1], 100)
        for axis, neuron in examples(strips[0], result, chosen):
            axis.plot(contrasts, result["response"].values[neuron], ".", color=COLOURS[0])
            curve = [float(result[name][neuron]) for name in _FITTED[:4]]
            axis.plot(fine, naka_rushton(fine, *curve), color=COLOURS[1], linewidth=1.2)
            axis.axhline(float(result["blank"][neuron]), color=GUIDE, linestyle=":", linewidth=1)
            axis.set(xscale="log", xlabel="contrast", ylim=(0, None))
            if neuron == chosen[0]:
                axis.set_ylabel("response")
        panels = (("c50", "semi-saturation contrast"), ("exponent", "exponent"), ("r_squared", "r²"))
        for place, (axis, (name, label)) in enumerate(zip(strips[1].subplots(1, 3), panels, strict=True), 1):
            histogram(axis, result[name], label, colour=place)
        return figure
