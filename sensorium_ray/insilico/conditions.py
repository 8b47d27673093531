"""What experiments of conditions have in common: a video a condition after a blank screen, and its mean response."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import xarray as xr

from ..errors import ConfigError
from .patterns import grey
from .screen import Screen
from .subject import Subject


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
        ConfigError : one is negative, or none counts.
        """
        if min(blank, settle) < 0 or seconds <= 0:
            what = f"are {blank}, {settle} and {seconds}"
            raise ConfigError(what, "blank, settle and seconds", "give seconds of 0 or more, and some that count")
        rate = subject.rate
        return cls(round(blank * rate), round(settle * rate), subject.frames(seconds), rate)

    @property
    def times(self) -> np.ndarray:
        """Seconds from the stimulus' onset of each of its frames."""
        return np.arange(self.settle + self.counted) / self.rate

    def after_blank(self, screen: Screen, video: np.ndarray) -> np.ndarray:
        """A stimulus with the blank screen before it."""
        return np.concatenate([grey(screen, self.blank), video])

    def mean(self, response: np.ndarray) -> np.ndarray:
        """Mean over the frames that count: (neurons, frames) to (neurons,)."""
        return np.asarray(response[:, self.blank + self.settle :].mean(axis=1))


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
    shape = tuple(len(values) for values in axes.values())
    answers = subject.ask((subject.clip(video) for video in videos), math.prod(shape))
    means = [timing.mean(answer) for answer in answers]
    return xr.DataArray(np.stack(means, axis=1).reshape(subject.neurons, *shape), axes, ("neuron", *axes))


def require_positive(name: str, values: tuple[float, ...]) -> None:
    """Refuse a setting that is not some numbers above 0.

    Raises
    ------
    ConfigError : it is not.
    """
    if not values or not all(isinstance(value, int | float) and value > 0 for value in values):
        raise ConfigError(f"are {values}", name, "give one or more numbers above 0")


def require_contrast(contrast: float) -> None:
    """Refuse a contrast that a screen cannot show.

    Raises
    ------
    ConfigError : it is not above 0, or above 1.
    """
    if not 0 < contrast <= 1:
        raise ConfigError(f"is {contrast}", "contrast", "give one above 0, at most 1")
