"""Receptive fields by gradient: how a neuron's response changes with every pixel, some frames before.

The mean over several noises of the gradient of the response to their last frame. Of a linear neuron it is the filter
itself; of any other, with Gaussian white noise, the filter of the best linear description, as reverse correlation finds
it from responses alone (Bussgang's theorem; Chichilnisky 2001, Network 12:199).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...data.clip import Clip
from ...data.stimuli import GREY
from ...errors import ConfigError
from ...report.figures import COLOURS
from ..conditions import LONGEST, require_finite, require_least, require_positive
from ..drawing import EXAMPLES, examples, page
from ..fields import describe_fields, envelope
from ..screen import MONITOR, Screen
from ..subject import Subject


@dataclass(frozen=True, slots=True)
class Config:
    """Settings.

    Parameters
    ----------
    noises : over how many clips of noise the mean is taken.
    contrast : standard deviation of the noise about grey, grey levels; 0: a blank screen, of which one will do.
    lags : seconds before a response that are looked at, up to.
    before : seconds of noise before those.
    seed : of the noise.
    monitor : width, height and distance from the eye, cm.
    """

    noises: int = 16
    contrast: float = 10.0
    lags: float = 0.4
    before: float = 0.4
    seed: int = 0
    monitor: tuple[float, ...] = MONITOR

    def __post_init__(self) -> None:
        require_least("noises", self.noises, 1)
        require_least("seed", self.seed, 0)
        require_positive("lags", (self.lags,))
        require_finite("contrast and before", (self.contrast, self.before))
        if min(self.contrast, self.before) < 0 or self.before + self.lags > LONGEST:
            what = f"are {self.contrast}, {self.before} and {self.lags}"
            mend = f"give 0 or more, and at most {LONGEST:g} seconds in all"
            raise ConfigError(what, "contrast, before and lags", mend)


_TOGETHER = 16
"""Neurons that are asked about at once."""


def measure(subject: Subject, config: Config) -> xr.Dataset:
    """Fields of all neurons.

    Returns
    -------
    field : (neuron, lag, elevation, azimuth) float32, response a grey level; lag in seconds, 0 is the response's frame.
    best_lag : (neuron,) seconds, that at which the field's energy is greatest.
    field_azimuth, field_elevation, field_diameter, field_clearness : (neuron,) of its envelope there, as in
        `fields.describe_fields`.
    field_x, field_y : (neuron,) the same centre in pixels of the model's frame, from its upper left.
    """
    screen = Screen(config.monitor, subject.frame_shape)
    lags = subject.frames(config.lags)
    frames = lags + round(config.before * subject.rate)
    field = np.zeros((subject.neurons, lags, *screen.shape), np.float32)
    noises = (subject.clip(_noise(config, number, (frames, *screen.shape))) for number in range(config.noises))
    slopes = subject.track((_slopes(subject, clip, lags) for clip in noises), config.noises, "noises")
    for slope in slopes:
        field += slope / config.noises
    azimuth, elevation = screen.grid()
    places = {"lag": np.arange(lags) / subject.rate, "elevation": elevation[:, 0], "azimuth": azimuth[0]}
    result = xr.Dataset({"field": (("neuron", "lag", "elevation", "azimuth"), field)}, places)
    best = (result["field"] ** 2).sum(("elevation", "azimuth")).argmax("lag")
    result["best_lag"] = ("neuron", result["lag"].values[best])
    result = result.assign(describe_fields(envelope(result["field"].isel(lag=best))))
    x, y = screen.pixel(result["field_azimuth"].values, result["field_elevation"].values)
    return result.assign(field_x=("neuron", x), field_y=("neuron", y))


def _noise(config: Config, number: int, shape: tuple[int, ...]) -> np.ndarray:
    """White noise (frames, height, width), as far as a screen shows it."""
    rng = np.random.default_rng([config.seed, number])
    return np.clip(GREY + config.contrast * rng.standard_normal(shape), 0, 255).astype(np.float32)


def _slopes(subject: Subject, clip: Clip, lags: int) -> np.ndarray:
    """Gradient of every neuron's response to the last frame of a clip: (neurons, lags, height, width)."""
    slopes = []
    for start in range(0, subject.neurons, _TOGETHER):
        some = range(start, min(start + _TOGETHER, subject.neurons))
        weights = np.zeros((len(some), subject.neurons, clip.frames), np.float32)
        weights[range(len(some)), some, -1] = 1
        answers = subject.differentiate([clip] * len(some), list(weights))
        slopes += [slope[::-1][:lags] for _, slope in answers]
    return np.stack(slopes)


def draw(result: xr.Dataset) -> Figure:
    """The clearest fields at their best lags, how strong these fields are at others, and where all fields lie."""
    clearest = np.argsort(-result["field_clearness"].values, kind="stable")[:EXAMPLES]
    azimuth, elevation = result["azimuth"].values, result["elevation"].values
    extent = (azimuth[0], azimuth[-1], elevation[-1], elevation[0])
    with page(1.4, 3.0) as (figure, strips):
        for axis, neuron in examples(strips[0], result, clearest):
            field = result["field"].isel(neuron=neuron).sel(lag=result["best_lag"][neuron])
            limit = float(abs(field).max())
            axis.imshow(field, cmap="RdBu_r", vmin=-limit, vmax=limit, extent=extent)
            axis.set(xticks=[], yticks=[])
        times, where = strips[1].subplots(1, 2)
        size = np.linalg.norm(result["field"].values[clearest], axis=(2, 3))
        times.plot(1000 * result["lag"], (size / size.max(axis=1, keepdims=True)).T, ".-", linewidth=1)
        times.set(xlabel="before the response, ms", ylabel="size of the field", ylim=(0, None))
        where.scatter(result["field_azimuth"], result["field_elevation"], 6, color=COLOURS[0])
        where.set(xlabel="azimuth, degrees", ylabel="elevation, degrees", xlim=extent[:2], ylim=extent[2:])
        return figure
