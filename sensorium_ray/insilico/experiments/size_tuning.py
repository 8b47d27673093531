"""Size tuning and surround suppression: gratings in discs of growing diameter, centred on each neuron's field.

Fields are found with sparse noise, and the best grating of each neuron with gratings that fill the screen. A neuron's
preferred size is the smallest disc to which it gives 95 % of its greatest response (Cavanaugh, Bair & Movshon 2002,
J. Neurophysiol. 88), its suppression index 1 - (response to the largest disc) / (greatest response) (after DeAngelis,
Freeman & Ohzawa 1994, J. Neurophysiol. 71).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...errors import ConfigError
from ...report.figures import COLOURS
from .. import conditions
from ..conditions import Timing
from ..drawing import GUIDE, examples, histogram, page, spread
from ..patterns import aperture, behind, grating
from ..screen import MONITOR, Screen
from ..subject import Subject
from . import sparse_noise

_ENOUGH = 0.95
"""Of the greatest response, from which on a disc is large enough."""
_GRATING = ("direction", "spatial_frequency", "temporal_frequency")


@dataclass(frozen=True, slots=True)
class Config:
    """Settings.

    Parameters
    ----------
    diameters : of the discs, degrees.
    spacing : of the grid on which the discs' centres lie, degrees; each neuron's are at the place nearest to its field.
    directions : among which each neuron's best is looked for, how many, equally spaced.
    spatial_frequencies, temporal_frequencies : the same, cycles a degree and Hz.
    contrast : of the gratings, Michelson's, 0..1.
    suppressed : suppression index from which on a neuron counts as suppressed.
    minutes : of sparse noise, to find the fields with.
    seed : of the sparse noise.
    blank : seconds of a blank screen before each stimulus.
    settle : seconds of a stimulus before responses count.
    seconds : of a stimulus while they count.
    monitor : width, height and distance from the eye, cm.
    """

    diameters: tuple[float, ...] = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 60.0, 80.0)
    spacing: float = 4.0
    directions: int = 8
    spatial_frequencies: tuple[float, ...] = (0.05,)
    temporal_frequencies: tuple[float, ...] = (2.0,)
    contrast: float = 1.0
    suppressed: float = 0.1
    minutes: float = 5.0
    seed: int = 0
    blank: float = 0.5
    settle: float = 0.5
    seconds: float = 1.0
    monitor: tuple[float, ...] = MONITOR

    def __post_init__(self) -> None:
        for name in ("diameters", "spatial_frequencies", "temporal_frequencies"):
            conditions.require_positive(name, getattr(self, name))
        if len(set(self.diameters)) < 2:
            raise ConfigError(f"are {self.diameters}", "diameters", "give two or more different ones")
        for name in ("spacing", "minutes"):
            conditions.require_positive(name, (getattr(self, name),))
        if not 0 <= self.suppressed <= 1:
            raise ConfigError(f"is {self.suppressed}", "suppressed", "give an index from 0 to 1")
        conditions.require_contrast(self.contrast)
        conditions.require_least("directions", self.directions, 3)
        conditions.require_least("seed", self.seed, 0)


def measure(subject: Subject, config: Config) -> xr.Dataset:
    """Responses to discs of every diameter at each neuron's field, and what they say of it.

    Returns
    -------
    response : (neuron, diameter) float32; NaN where sparse noise finds no field.
    blank : (neuron,) response to a blank screen.
    preferred_size : (neuron,) degrees; NaN where no disc is answered above a blank screen.
    suppression_index : (neuron,) 0..1; NaN likewise.
    suppressed : (neuron,) bool.
    centre_azimuth, centre_elevation : (neuron,) degrees, of the discs.
    best_direction, best_spatial_frequency, best_temporal_frequency : (neuron,) of the gratings in them.
    field_azimuth, field_elevation, field_diameter, field_clearness : (neuron,) as in `sparse_noise`.
    """
    screen = Screen(config.monitor, subject.frame_shape)
    timing = Timing.of(subject, config.blank, config.settle, config.seconds)
    best = _best_gratings(subject, screen, timing, config)
    noise = sparse_noise.Config(minutes=config.minutes, seed=config.seed, monitor=config.monitor)
    fields = sparse_noise.measure(subject, noise)
    centres = {
        f"centre_{axis}": (fields[f"field_{axis}"] / config.spacing).round() * config.spacing
        for axis in ("azimuth", "elevation")
    }
    shown = np.stack([*centres.values(), *best.values()], axis=1)
    response = _responses(subject, screen, timing, shown, config)
    blank = conditions.blank_response(subject, screen, timing)
    result = xr.Dataset({"response": response, "blank": blank})
    result = result.assign(centres | {f"best_{name}": found for name, found in best.items()})
    names = [f"field_{name}" for name in ("azimuth", "elevation", "diameter", "clearness")]
    return result.assign(fields[names]).assign(summary(response, blank, config.suppressed))


def _best_gratings(subject: Subject, screen: Screen, timing: Timing, config: Config) -> dict[str, xr.DataArray]:
    """Parameters of the full-screen grating that each neuron answers best."""
    axes = {
        "direction": conditions.spaced_directions(config.directions),
        "spatial_frequency": np.asarray(config.spatial_frequencies),
        "temporal_frequency": np.asarray(config.temporal_frequencies),
    }
    response = conditions.grating_responses(subject, screen, timing, axes, contrast=config.contrast)
    best = conditions.at_best(response, *axes)
    return {name: best[name].drop_vars([*axes]) for name in axes}


def _responses(subject: Subject, screen: Screen, timing: Timing, shown: np.ndarray, config: Config) -> xr.DataArray:
    """Response (neuron, diameter) of each neuron to its own discs; `shown` are (neurons, 5) centre and grating.

    Neurons that share a centre and a grating share the clips.
    """
    diameters = np.sort(config.diameters)
    known = np.flatnonzero(np.isfinite(shown).all(axis=1))
    kinds, kind_of = np.unique(shown[known], axis=0, return_inverse=True)
    response = np.full((subject.neurons, len(diameters)), np.nan, np.float32)

    def videos() -> Iterator[np.ndarray]:
        for azimuth, elevation, *drift in kinds:
            parameters = dict(zip(_GRATING, drift, strict=True))
            full = grating(screen, timing.times, contrast=config.contrast, **parameters)
            for diameter in diameters:
                disc = behind(aperture(screen, (azimuth, elevation), diameter), full)
                yield timing.after_blank(screen, disc)

    answers = subject.ask((subject.clip(video) for video in videos()), len(kinds) * len(diameters))
    for place, answer in enumerate(answers):
        kind, diameter = divmod(place, len(diameters))
        neurons = known[kind_of == kind]
        response[neurons, diameter] = timing.mean(answer[neurons])
    return xr.DataArray(response, {"diameter": diameters}, ("neuron", "diameter"))


def summary(response: xr.DataArray, blank: xr.DataArray, suppressed: float) -> dict[str, xr.DataArray]:
    """Preferred size and suppression (neuron,) of size tuning curves (neuron, diameter); diameters ascend."""
    greatest = response.max("diameter")
    responsive = greatest > blank.clip(min=0)
    enough = (response >= _ENOUGH * greatest).argmax("diameter")
    index = (1 - response.isel(diameter=-1) / greatest.where(responsive)).drop_vars("diameter")
    return {
        "preferred_size": response["diameter"].isel(diameter=enough).drop_vars("diameter").where(responsive),
        "suppression_index": index,
        "suppressed": index >= suppressed,
    }


def draw(result: xr.Dataset) -> Figure:
    """Tuning of neurons from the least to the most suppressed, and the population's sizes and suppression."""
    with page(2.2, 3.0) as (figure, strips):
        diameters = result["diameter"].values
        chosen = spread(result["suppression_index"])
        for axis, neuron in examples(strips[0], result, chosen):
            axis.plot(diameters, result["response"].values[neuron], marker=".", color=COLOURS[0])
            axis.axhline(float(result["blank"][neuron]), color=GUIDE, linestyle=":", linewidth=1)
            axis.axvline(float(result["preferred_size"][neuron]), color=COLOURS[1], linewidth=1)
            axis.set(xlabel="diameter, degrees", ylim=(0, None))
            if neuron == chosen[0]:
                axis.set_ylabel("response")
        indices, sizes = strips[1].subplots(1, 2)
        histogram(indices, result["suppression_index"], "suppression index", colour=4)
        place, suppressed = np.arange(len(diameters)), result["suppressed"].values
        preferred = result["preferred_size"].values[:, None] == diameters
        within, without = (preferred[which].sum(axis=0) for which in (suppressed, ~suppressed))
        sizes.bar(place, within, color=COLOURS[4], label="suppressed")
        sizes.bar(place, without, bottom=within, color=COLOURS[0], label="not suppressed")
        sizes.set_xticks(place, [f"{diameter:g}" for diameter in diameters])
        sizes.set(xlabel="preferred size, degrees", ylabel="neurons")
        sizes.legend()
        return figure
