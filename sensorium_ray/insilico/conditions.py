"""What experiments of conditions have in common: a video a condition after a blank screen, and its mean response."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from ..data.clip import Clip
from ..errors import ConfigError
from .patterns import grating, grey
from .screen import Screen
from .subject import Subject

LONGEST = 60.0
"""Seconds that a stimulus may last: a clip is held in memory as a whole."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When a stimulus is shown, and when the response counts.

    Parameters
    ----------
    blank : frames of a blank screen before it.
    settle : frames of it that do not count, since the response has just begun.
    counted : frames of it that count.
    rate : frames per second.
    """

    blank: int
    settle: int
    counted: int
    rate: float

    @classmethod
    def of(cls, subject: Subject, blank: float, settle: float, seconds: float) -> Timing:
        """Timing from seconds.

        Raises
        ------
        ConfigError : one is negative, none counts, or they last longer than a minute.
        """
        if not (blank >= 0 and settle >= 0 and seconds > 0 and blank + settle + seconds <= LONGEST):
            what = f"are {blank}, {settle} and {seconds}"
            mend = f"give seconds of 0 or more, some that count, and at most {LONGEST:g} together"
            raise ConfigError(what, "blank, settle and seconds", mend)
        rate = subject.rate
        return cls(round(blank * rate), round(settle * rate), subject.frames(seconds), rate)

    @property
    def times(self) -> np.ndarray:
        """Seconds from the stimulus' onset of each of its frames."""
        return np.arange(self.settle + self.counted) / self.rate

    def after_blank(self, screen: Screen, video: np.ndarray) -> np.ndarray:
        """A stimulus with the blank screen before it."""
        return np.concatenate([grey(screen, self.blank), video])

    def counting(self, response: np.ndarray) -> np.ndarray:
        """The frames that count, (neurons, counted), of a response (neurons, frames)."""
        return response[:, self.blank + self.settle :]

    def mean(self, response: np.ndarray) -> np.ndarray:
        """Mean over the frames that count: (neurons, frames) to (neurons,)."""
        return np.asarray(self.counting(response).mean(axis=1))


def points(axes: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
    """Every combination of the axes' values, the last axis fastest."""
    for values in product(*axes.values()):
        yield dict(zip(axes, map(float, values), strict=True))


def mean_responses(
    subject: Subject, videos: Iterable[np.ndarray], axes: Mapping[str, np.ndarray], timing: Timing
) -> xr.DataArray:
    """Mean response to a video a condition.

    Parameters
    ----------
    videos : in the order of `points(axes)`.

    Returns
    -------
    (neuron, *axes) float32.
    """
    return mean_answers(subject, (subject.clip(video) for video in videos), axes, timing)


def mean_answers(
    subject: Subject, clips: Iterable[Clip], axes: Mapping[str, np.ndarray], timing: Timing
) -> xr.DataArray:
    """The same of clips, whose behaviour may differ."""
    shape = tuple(len(values) for values in axes.values())
    means = [timing.mean(answer) for answer in subject.ask(clips, math.prod(shape))]
    return xr.DataArray(np.stack(means, axis=1).reshape(subject.neurons, *shape), axes, ("neuron", *axes))


def traces(
    subject: Subject, videos: Iterable[np.ndarray], axes: Mapping[str, np.ndarray], timing: Timing
) -> xr.DataArray:
    """Responses (neuron, *axes, frame) float32, frame by frame, as far as they count, to a video a condition."""
    shape = tuple(len(values) for values in axes.values())
    answers = subject.ask((subject.clip(video) for video in videos), math.prod(shape))
    values = np.stack([timing.counting(answer) for answer in answers], axis=1)
    return xr.DataArray(values.reshape(subject.neurons, *shape, timing.counted), axes, ("neuron", *axes, "frame"))


def blank_response(subject: Subject, screen: Screen, timing: Timing) -> xr.DataArray:
    """Mean response (neuron,) float32 to a blank screen, over the same frames."""
    return mean_responses(subject, [timing.after_blank(screen, grey(screen, len(timing.times)))], {}, timing)


def grating_responses(
    subject: Subject, screen: Screen, timing: Timing, axes: Mapping[str, np.ndarray], **others: float
) -> xr.DataArray:
    """Mean response to gratings that fill the screen.

    Parameters
    ----------
    axes, others : parameters of `patterns.grating`, those that change and those that do not.

    Returns
    -------
    (neuron, *axes) float32.

    Raises
    ------
    ConfigError : a grating is too fine or too fast for the model's frames.
    """
    settings: dict[str, Any] = {**others, **axes}
    require_gratings(screen, timing.rate, settings["spatial_frequency"], settings["temporal_frequency"])
    gratings = (grating(screen, timing.times, **others, **point) for point in points(axes))
    return mean_responses(subject, (timing.after_blank(screen, video) for video in gratings), axes, timing)


def at_best(response: xr.DataArray, *over: str) -> xr.DataArray:
    """Each neuron's responses where, along some axes, its greatest response lies.

    Parameters
    ----------
    response : (neuron, *axes).
    over : the axes along which a neuron's best place is looked for.

    Returns
    -------
    (neuron, *the other axes), whose coordinates named as in `over` are (neuron,), the best place.
    """
    others = [dim for dim in response.dims if dim not in ("neuron", *over)]
    return response.isel(response.max(others).argmax(over))


def spaced_directions(count: int) -> np.ndarray:
    """Directions (count,) equally spaced from 0, degrees."""
    return np.arange(count) * 360 / count


def require_gratings(screen: Screen, rate: float, spatial: float | np.ndarray, temporal: float | np.ndarray) -> None:
    """Refuse gratings that frames cannot show: finer than two pixels a cycle, or faster than two frames a cycle.

    Raises
    ------
    ConfigError : one is.
    """
    for name, asked, most, unit in (
        ("spatial frequency", np.max(spatial), 0.5 / screen.degrees_per_pixel, "cycles a degree"),
        ("temporal frequency", np.max(temporal), rate / 2, "Hz"),
    ):
        if asked > most:
            raise ConfigError(
                f"of {asked:g} is more than this model's frames show", name, f"give at most {most:.3g} {unit}"
            )


def require_positive(name: str, values: tuple[float, ...]) -> None:
    """Refuse a setting that is not some numbers above 0.

    Raises
    ------
    ConfigError : it is not.
    """
    _require(name, values, [isinstance(value, int | float) and 0 < value < math.inf for value in values], " above 0")


def require_finite(name: str, values: tuple[float, ...]) -> None:
    """Refuse a setting that is not some finite numbers.

    Raises
    ------
    ConfigError : it is not.
    """
    _require(name, values, [isinstance(value, int | float) and math.isfinite(value) for value in values], "")


def _require(name: str, values: tuple[float, ...], good: list[bool], kind: str) -> None:
    if not good or not all(good):
        what = f"is {values[0]}" if len(values) == 1 else f"are {values}"
        raise ConfigError(what, name, f"give one number or more{kind}")


def require_contrast(contrast: float) -> None:
    """Refuse a contrast that a screen cannot show.

    Raises
    ------
    ConfigError : it is not above 0, or above 1.
    """
    if not 0 < contrast <= 1:
        raise ConfigError(f"is {contrast}", "contrast", "give one above 0, at most 1")


def require_least(name: str, value: int, least: int) -> None:
    """Refuse a whole number that is too small.

    Raises
    ------
    ConfigError : it is.
    """
    if value < least:
        raise ConfigError(f"is {value}", name, f"give {least} or more")
