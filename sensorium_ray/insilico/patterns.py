"""What experiments show: videos (frames, height, width) float32, grey levels 0..255, on a grey screen."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np

from ..benchmark import FRAME_SHAPE
from ..data.stimuli import GREY, STIMULI
from ..errors import ConfigError
from ..settings import suggestion
from .screen import Screen

_FULL = 127.0
"""Grey levels of a contrast of 1 above and below grey."""


def grey(screen: Screen, frames: int) -> np.ndarray:
    """A blank screen."""
    return np.full((frames, *screen.shape), GREY, np.float32)


def grating(
    screen: Screen,
    times: np.ndarray,
    *,
    direction: float,
    spatial_frequency: float,
    temporal_frequency: float,
    contrast: float = 1.0,
    phase: float = 0.0,
) -> np.ndarray:
    """A drifting sinusoidal grating that fills the screen.

    Parameters
    ----------
    times : (frames,) seconds.
    direction : of the motion, degrees; 0 is to the right, 90 upwards.
    spatial_frequency : cycles a degree.
    temporal_frequency : cycles a second, Hz.
    contrast : Michelson's, 0..1.
    phase : of the middle of the screen at time 0, degrees.
    """
    azimuth, elevation = screen.grid()
    angle = math.radians(direction)
    along = azimuth * math.cos(angle) + elevation * math.sin(angle)
    cycles = spatial_frequency * along - temporal_frequency * times[:, None, None] + phase / 360
    return (GREY + _FULL * contrast * np.cos(2 * np.pi * cycles)).astype(np.float32)


def parameters_of(family: str) -> dict[str, Any]:
    """Parameters of a family of the benchmark's stimuli by name, and what they are unless told otherwise.

    Raises
    ------
    ConfigError : there is no such family.
    """
    if family not in STIMULI:
        raise ConfigError(f"there is no family '{family}'", "", suggestion(family, list(STIMULI)))
    named = inspect.signature(STIMULI[family]).parameters.values()
    return {each.name: each.default for each in named if each.kind is each.KEYWORD_ONLY}


def benchmark_stimulus(screen: Screen, family: str, seed: int, frames: int, **parameters: Any) -> np.ndarray:
    """A video of one of the benchmark's families, as `data.stimuli` makes it.

    Parameters
    ----------
    family : one of `benchmark.FAMILIES`.
    seed : the same one makes the same video.
    parameters : of the family, see `parameters_of`.

    Raises
    ------
    ConfigError : there is no such family, no video can be made with these parameters, or frames are of another shape.
    """
    parameters_of(family)
    if screen.shape != FRAME_SHAPE:
        what = f"frames are {screen.shape[0]}×{screen.shape[1]}"
        raise ConfigError(what, "the model", f"the benchmark's stimuli are {FRAME_SHAPE[0]}×{FRAME_SHAPE[1]}")
    try:
        with np.errstate(divide="raise", invalid="raise"):
            return STIMULI[family](np.random.default_rng(seed), frames, **parameters).astype(np.float32)
    except (ArithmeticError, ValueError, TypeError, IndexError) as error:
        raise ConfigError(f"allow no video ({error})", f"parameters of {family}", "change them") from error


def aperture(screen: Screen, centre: tuple[float, float], diameter: float) -> np.ndarray:
    """Opacity (height, width) float32, 0..1, of a disc whose edge is one pixel soft.

    Parameters
    ----------
    centre : azimuth and elevation, degrees.
    diameter : degrees.
    """
    azimuth, elevation = screen.grid()
    distance = np.hypot(azimuth - centre[0], elevation - centre[1])
    return _within(screen, distance, diameter).astype(np.float32)


def behind(opacity: np.ndarray, video: np.ndarray) -> np.ndarray:
    """A video seen through an aperture (height, width) in a grey screen."""
    return np.asarray(GREY + opacity * (video - GREY), np.float32)


def squares(screen: Screen, rows: np.ndarray, columns: np.ndarray, size: float) -> np.ndarray:
    """Opacity (places, height, width) float32 of squares by their middles.

    Parameters
    ----------
    rows, columns : (places,) elevation and azimuth, degrees.
    size : of a side, degrees.
    """
    azimuth, elevation = screen.grid()
    across = _within(screen, np.abs(azimuth - columns[:, None]), size)
    upright = _within(screen, np.abs(elevation - rows[:, None, None])[..., 0], size)
    return (upright[:, :, None] * across[:, None, :]).astype(np.float32)


def _within(screen: Screen, distance: np.ndarray, size: float) -> np.ndarray:
    """How much of a pixel lies nearer than half of `size`, 0..1."""
    return np.clip((size / 2 - distance) / screen.degrees_per_pixel + 0.5, 0.0, 1.0)
