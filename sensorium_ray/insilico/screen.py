"""The monitor before the mouse: degrees of visual angle in pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError

MONITOR = (56.5, 31.8, 15.0)
"""Width, height and distance from the eye, cm, of the benchmark's monitor (Willeke et al. 2022, arXiv 2206.08666)."""


@dataclass(frozen=True, slots=True)
class Screen:
    """A flat monitor that shows a model's frames.

    Degrees are counted from its middle, to the right and upwards, and every pixel has the same number of them, the
    mean over the monitor's width: the benchmark's movies were not corrected for the monitor's flatness either.

    Parameters
    ----------
    monitor : width, height and distance from the eye, cm.
    shape : height and width of a frame, pixels.

    Raises
    ------
    ConfigError : the monitor is not three positive numbers.
    """

    monitor: tuple[float, ...]
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        if len(self.monitor) != 3 or not all(isinstance(side, int | float) and side > 0 for side in self.monitor):
            raise ConfigError(f"is {self.monitor}", "monitor", "give width, height and distance in cm, all above 0")

    @property
    def degrees_per_pixel(self) -> float:
        """Degrees of visual angle of a pixel."""
        width, _, distance = self.monitor
        return math.degrees(2 * math.atan(width / 2 / distance)) / self.shape[1]

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Where pixels lie: azimuth (1, width) and elevation (height, 1), degrees."""
        height, width = self.shape
        azimuth, elevation = self.degrees(np.arange(width), np.arange(height))
        return azimuth[None, :], elevation[:, None]

    def pixel(self, azimuth: np.ndarray, elevation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Column and row of places in degrees; the upper left pixel's middle is 0, 0."""
        height, width = self.shape
        return (width - 1) / 2 + azimuth / self.degrees_per_pixel, (height - 1) / 2 - elevation / self.degrees_per_pixel

    def degrees(self, column: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Azimuth and elevation of places in pixels; the inverse of `pixel`."""
        height, width = self.shape
        return (column - (width - 1) / 2) * self.degrees_per_pixel, ((height - 1) / 2 - row) * self.degrees_per_pixel
