"""What experiments on single pictures have in common: how a picture is shown, and what neurons make of it.

A picture is an image (1, height, width) that is held, or a video (frames, height, width).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from ..data.clip import Clip
from ..data.stimuli import GREY, crops, still_image
from ..errors import ConfigError
from .ascent import Ascent
from .conditions import Timing, require_finite, require_least, require_positive
from .patterns import grating, grey
from .screen import MONITOR, Screen
from .subject import Subject

_TOGETHER = 32
"""Pictures that are asked about at once."""
_ORIENTATIONS = np.arange(0, 180, 22.5)
_SPATIAL_FREQUENCIES = (0.02, 0.04, 0.08)
_TEMPORAL_FREQUENCY = 2.0
_PHASES = (0.0, 90.0, 180.0, 270.0)
_PAN = 20.0
"""Speed at which natural-like pictures move in videos, degrees a second."""


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """Settings of experiments that make pictures.

    Parameters
    ----------
    moving : make videos; False: images that are held.
    contrast : RMS about grey that a picture has at most, grey levels.
    smoothness : standard deviation of the Gaussian that smooths gradients, degrees.
    smoothness_in_time : the same of videos, seconds.
    iterations : steps of the ascent.
    step : RMS of the first step, grey levels.
    seeds : from how many noises to begin, each a picture of its own.
    seed : of the noises and the natural-like pictures.
    natural : how many natural-like pictures to compare with.
    blank : seconds of a blank screen before each picture.
    settle : seconds of a picture before responses count.
    seconds : of a picture while they count.
    monitor : width, height and distance from the eye, cm.
    """

    moving: bool = False
    contrast: float = 10.0
    smoothness: float = 3.0
    smoothness_in_time: float = 0.04
    iterations: int = 30
    step: float = 2.0
    seeds: int = 2
    seed: int = 0
    natural: int = 32
    blank: float = 0.2
    settle: float = 0.0
    seconds: float = 0.5
    monitor: tuple[float, ...] = MONITOR

    def __post_init__(self) -> None:
        for name in ("contrast", "step"):
            require_positive(name, (getattr(self, name),))
        for name, least in (("iterations", 1), ("seeds", 1), ("natural", 1), ("seed", 0)):
            require_least(name, getattr(self, name), least)
        require_finite("smoothness and smoothness_in_time", (self.smoothness, self.smoothness_in_time))
        if self.contrast > GREY or min(self.smoothness, self.smoothness_in_time) < 0:
            what = f"are {self.contrast}, {self.smoothness} and {self.smoothness_in_time}"
            mend = f"give a contrast of at most {GREY:g} grey levels, the others 0 or more"
            raise ConfigError(what, "contrast, smoothness and smoothness_in_time", mend)


class Showing:
    """How a subject is shown pictures.

    Raises
    ------
    ConfigError : the monitor or the times are impossible.
    """

    def __init__(self, subject: Subject, settings: PictureSettings) -> None:
        self.subject, self.settings = subject, settings
        self.screen = Screen(settings.monitor, subject.frame_shape)
        self.timing = Timing.of(subject, settings.blank, settings.settle, settings.seconds)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a picture: frames, height, width."""
        return (len(self.timing.times) if self.settings.moving else 1, *self.screen.shape)

    @property
    def ascent(self) -> Ascent:
        """How pictures are improved, in frames and pixels."""
        chosen = self.settings
        pixels = chosen.smoothness / self.screen.degrees_per_pixel
        frames = chosen.smoothness_in_time * self.subject.rate if chosen.moving else 0.0
        return Ascent(chosen.iterations, chosen.step, chosen.contrast, (frames, pixels, pixels))

    def respond(self, pictures: np.ndarray) -> np.ndarray:
        """Mean response of every neuron to every picture: (pictures, neurons)."""
        answers = self.subject.ask(map(self._clip, pictures), len(pictures))
        return np.stack([self.timing.mean(answer) for answer in answers])

    def differentiate(self, pictures: np.ndarray, neurons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean response of one neuron to each picture, (pictures,), and its gradient, in the pictures' shape."""
        some = range(0, len(pictures), _TOGETHER)
        parts = [self._together(pictures[at : at + _TOGETHER], neurons[at : at + _TOGETHER]) for at in some]
        worth, slope = (np.concatenate(part) for part in zip(*parts, strict=True))
        return worth, slope

    def blank(self) -> np.ndarray:
        """One picture of a blank screen."""
        return grey(self.screen, self.shape[0])[None]

    def natural(self) -> np.ndarray:
        """Natural-like pictures of the greatest contrast; in videos they move."""
        chosen, (frames, height, width) = self.settings, self.shape
        speed = _PAN / self.screen.degrees_per_pixel / self.subject.rate
        reach = int(np.ceil(speed * frames)) + 1
        rng = np.random.default_rng([chosen.seed, 1])
        pictures = []
        for angle in rng.uniform(0, 2 * np.pi, chosen.natural):
            canvas = still_image(rng, (height + 2 * reach, width + 2 * reach))
            along = speed * np.arange(frames)[:, None]
            offsets = reach + along * [np.sin(angle), np.cos(angle)]
            pictures.append(crops(canvas[None].astype(np.float32), offsets, (height, width)))
        return self._of_contrast(np.stack(pictures))

    def gratings(self) -> np.ndarray:
        """Gratings of several orientations, frequencies and phases of the greatest contrast; in videos they drift."""
        return self._of_contrast(np.stack(list(self._gratings())))

    def _gratings(self) -> Iterator[np.ndarray]:
        times = self.timing.times[: self.shape[0]]
        phases = _PHASES[:1] if self.settings.moving else _PHASES  # what drifts shows them all
        both_ways = np.concatenate([_ORIENTATIONS, _ORIENTATIONS + 180]) if self.settings.moving else _ORIENTATIONS
        for direction in both_ways.tolist():
            for frequency in _SPATIAL_FREQUENCIES:
                for phase in phases:
                    yield grating(
                        self.screen,
                        times,
                        direction=direction,
                        spatial_frequency=frequency,
                        temporal_frequency=_TEMPORAL_FREQUENCY,
                        phase=phase,
                    )

    def _of_contrast(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures about grey, of the greatest contrast that is allowed."""
        about = pictures - pictures.mean(axis=(1, 2, 3), keepdims=True)
        rms = np.sqrt(np.mean(about**2, axis=(1, 2, 3), keepdims=True))
        return np.clip(GREY + about * (self.settings.contrast / np.maximum(rms, 1e-6)), 0, 255).astype(np.float32)

    def _clip(self, picture: np.ndarray) -> Clip:
        frames = len(self.timing.times)
        shown = np.broadcast_to(picture, (frames, *picture.shape[1:]))
        return self.subject.clip(np.concatenate([grey(self.screen, self.timing.blank), shown]))

    def _together(self, pictures: np.ndarray, neurons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        clips = [self._clip(picture) for picture in pictures]
        first = self.timing.blank + self.timing.settle
        weights = np.zeros((len(clips), self.subject.neurons, clips[0].frames), np.float32)
        weights[range(len(clips)), neurons, first:] = 1 / self.timing.counted
        answers = self.subject.differentiate(clips, list(weights))
        worth = [self.timing.mean(responses)[neuron] for (responses, _), neuron in zip(answers, neurons, strict=True)]
        slopes = np.stack([slope[self.timing.blank :] for _, slope in answers])
        return np.array(worth), slopes if self.settings.moving else slopes.sum(axis=1, keepdims=True)


def show(axis: Axes, picture: xr.DataArray) -> None:
    """A picture (frame, elevation, azimuth) in grey; of a video the frame of the greatest contrast."""
    axis.imshow(clearest_frame(picture), cmap="gray", vmin=0, vmax=255)
    axis.set(xticks=[], yticks=[])


def clearest_frame(pictures: xr.DataArray) -> xr.DataArray:
    """The frame of the greatest contrast of each picture."""
    contrast = ((pictures - GREY) ** 2).mean(("elevation", "azimuth"))
    return pictures.isel(frame=contrast.argmax("frame"))
