"""Receptive fields by sparse noise: a few black and white squares at a time, and which of them a neuron answers.

A field is the correlation of the responses with where the squares were, some frames before (reverse correlation;
Jones & Palmer 1987, J. Neurophysiol. 58), for white and black squares alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy import ndimage

from ...data.stimuli import GREY
from ...errors import ConfigError
from .. import conditions
from ..drawing import EXAMPLES, examples, histogram, page
from ..fields import describe_fields
from ..patterns import squares
from ..screen import MONITOR, Screen
from ..subject import Subject

_CLIP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Config:
    """Settings.

    Parameters
    ----------
    size : of a square, degrees.
    step : between the middles of neighbouring squares, degrees.
    at_once : squares on the screen at once.
    shown : seconds that they stay.
    minutes : of noise in all.
    lags : seconds before a response that are looked at, up to.
    contrast : of the squares, 0..1.
    seed : of where squares appear; the same one shows the same noise.
    monitor : width, height and distance from the eye, cm.
    """

    size: float = 8.0
    step: float = 4.0
    at_once: int = 6
    shown: float = 0.2
    minutes: float = 5.0
    lags: float = 0.4
    contrast: float = 1.0
    seed: int = 0
    monitor: tuple[float, ...] = MONITOR

    def __post_init__(self) -> None:
        conditions.require_contrast(self.contrast)
        for name in ("size", "step", "shown", "minutes", "lags"):
            conditions.require_positive(name, (getattr(self, name),))
        conditions.require_least("at_once", self.at_once, 1)
        conditions.require_least("seed", self.seed, 0)
        if self.shown > _CLIP_SECONDS / 2 or self.lags > _CLIP_SECONDS / 4:
            what = f"are {self.shown} and {self.lags}"
            raise ConfigError(what, "shown and lags", f"give at most {_CLIP_SECONDS / 2:g} and {_CLIP_SECONDS / 4:g} s")


def measure(subject: Subject, config: Config) -> xr.Dataset:
    """Fields of all neurons.

    Returns
    -------
    field : (neuron, polarity, elevation, azimuth) float32, response per square, at the neuron's best lag; the mean
        response is taken off, and neighbouring places are averaged within a square.
    lag : (neuron,) seconds from a square to the response that it changes most.
    field_azimuth, field_elevation, field_diameter, field_clearness : (neuron,) as in `fields.describe_fields`, of both
        polarities' energy together.
    field_x, field_y : (neuron,) the same centre in pixels of the model's frame, from its upper left.
    """
    screen = Screen(config.monitor, subject.frame_shape)
    elevation, azimuth = _places(screen, config.step)
    shown, lags = subject.frames(config.shown), subject.frames(config.lags)
    epochs = max(1, subject.frames(_CLIP_SECONDS) // shown)
    clips = max(1, round(config.minutes * 60 * subject.rate / (epochs * shown)))
    noise = _Noise(screen, elevation, azimuth, config, epochs, shown)
    answers = subject.ask((subject.clip(noise.video(clip)) for clip in range(clips)), clips)
    # Large where neurons are many, so it is worked on in place.
    fields = np.zeros((lags, subject.neurons, noise.kinds), np.float32)
    total, times, frames = np.zeros(subject.neurons), np.zeros(noise.kinds, np.float32), 0
    for clip, answer in enumerate(answers):
        was = noise.squares(clip).repeat(shown, axis=0)  # (frames, kinds)
        for lag in range(lags):
            fields[lag] += answer[:, lags:] @ was[lags - lag : len(was) - lag]
        total += answer[:, lags:].sum(axis=1)
        times += was[lags:].sum(axis=0)
        frames += answer.shape[1] - lags
    # Squares come independently of each other, so that what one adds is the mean when it is there, less the mean. All
    # are counted as if shown equally often: one that was seldom shown tells little, and shall not look like a field.
    fields -= np.outer(total / frames, times).astype(np.float32)
    fields /= max(times.mean(), 1)
    fields = fields.reshape(lags, subject.neurons, 2, len(elevation), len(azimuth))
    # Squares that overlap tell of the same place: alone, none is shown often enough to be trusted. At the edge, where
    # there are fewer, what lies beyond counts as nothing.
    width = config.size / 2 / config.step
    for field in fields:
        field[...] = ndimage.gaussian_filter(field, (0, 0, width, width), mode="constant")
    everywhere = (2, 3, 4)
    best = np.maximum(fields.max(everywhere), -fields.min(everywhere)).argmax(axis=0)
    field = fields[best, np.arange(subject.neurons)]
    dims = ("neuron", "polarity", "elevation", "azimuth")
    places = {"polarity": ["white", "black"], "elevation": elevation, "azimuth": azimuth}
    result = xr.Dataset({"field": (dims, field)}, places)
    result["lag"] = ("neuron", best / subject.rate)
    result = result.assign(describe_fields((result["field"] ** 2).sum("polarity")))
    x, y = screen.pixel(result["field_azimuth"].values, result["field_elevation"].values)
    return result.assign(field_x=("neuron", x), field_y=("neuron", y))


def _places(screen: Screen, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Elevations, downwards, and azimuths of squares that fill the screen."""
    if step < screen.degrees_per_pixel:
        mend = f"give at least {screen.degrees_per_pixel:.3g}, which is a pixel"
        raise ConfigError(f"is {step}", "step", mend)
    rows, columns = (max(2, int(side * screen.degrees_per_pixel // step)) for side in screen.shape)
    return ((rows - 1) / 2 - np.arange(rows)) * step, (np.arange(columns) - (columns - 1) / 2) * step


class _Noise:
    """The squares of every clip, drawn when they are asked for; `kinds` are places, white ones first, then black."""

    def __init__(
        self, screen: Screen, elevation: np.ndarray, azimuth: np.ndarray, config: Config, epochs: int, shown: int
    ) -> None:
        rows, columns = (each.ravel() for each in np.meshgrid(elevation, azimuth, indexing="ij"))
        self._opacity = squares(screen, rows, columns, config.size)
        self._config, self._epochs, self._shown = config, epochs, shown
        self.kinds = 2 * len(rows)

    def squares(self, clip: int) -> np.ndarray:
        """Whether a square is shown: (epochs, kinds) float32.

        Places are dealt, so that each has had its turn, white or black, before the next round; in every second round
        they have the other colour than in the one before.
        """
        places = self.kinds // 2
        some = min(self._config.at_once, places)
        turns = np.arange(clip * self._epochs * some, (clip + 1) * self._epochs * some)
        rounds = {number: self._dealt(number) for number in np.unique(turns // places).tolist()}
        kinds = [rounds[turn // places][turn % places] for turn in turns.tolist()]
        shown = np.zeros((self._epochs, self.kinds), np.float32)
        shown[np.arange(self._epochs).repeat(some), kinds] = 1
        return shown

    def _dealt(self, number: int) -> np.ndarray:
        """Kinds of a round, in their order: (places,)."""
        places, seed = self.kinds // 2, self._config.seed
        black = np.random.default_rng([seed, number // 2, 0]).integers(0, 2, places) ^ (number % 2)
        order = np.random.default_rng([seed, number, 1]).permutation(places)
        return order + places * black[order]

    def video(self, clip: int) -> np.ndarray:
        """Video (frames, height, width) float32 of a clip; where squares overlap they add up, as far as screens go."""
        shown = self.squares(clip)
        places = self.kinds // 2
        pictures = np.tensordot(shown[:, :places] - shown[:, places:], self._opacity, axes=1)
        levels = np.clip(GREY + 127 * self._config.contrast * pictures, 0, 255)
        return np.asarray(levels.repeat(self._shown, axis=0), np.float32)


def draw(result: xr.Dataset) -> Figure:
    """The clearest fields, and where all fields lie."""
    with page(1.3, 1.1, 3.6) as (figure, strips):
        clearest = np.argsort(-result["field_clearness"].values)[:EXAMPLES]
        azimuth, elevation = result["azimuth"].values, result["elevation"].values
        half = abs(azimuth[1] - azimuth[0]) / 2
        extent = (azimuth[0] - half, azimuth[-1] + half, elevation[-1] - half, elevation[0] + half)
        for row, polarity in enumerate(("white", "black")):
            for axis, neuron in examples(strips[row], result, clearest):
                field = result["field"].values[neuron]
                limit = abs(field).max()
                axis.imshow(field[row], cmap="RdBu_r", vmin=-limit, vmax=limit, extent=extent)
                axis.set(xticks=[], yticks=[])
                if row:
                    axis.set_title("")
                if neuron == clearest[0]:
                    axis.set_ylabel(polarity)
        where, sizes = strips[2].subplots(1, 2, width_ratios=(2, 1))
        centres = (result["field_azimuth"], result["field_elevation"])
        shade = where.scatter(*centres, 8, c=result["field_clearness"], cmap="viridis")
        strips[2].colorbar(shade, ax=where, label="clearness", shrink=0.9)
        where.set(xlabel="azimuth, degrees", ylabel="elevation, degrees", xlim=extent[:2], ylim=extent[2:])
        where.set_aspect("equal")
        histogram(sizes, result["field_diameter"], "diameter, degrees")
        return figure
