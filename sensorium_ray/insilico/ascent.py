"""Images and videos that are improved step by step: gradient ascent on pixels, smoothed and of a contrast at most.

Gradients are normalised, so that a step is as long for every neuron, and blurred, which keeps images free of the fine
noise that networks answer and eyes do not (Walker et al. 2019, Nat. Neurosci. 22:2060; Bashivan, Kar & DiCarlo 2019,
Science 364:eaav9436).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..data.stimuli import GREY
from .subject import Track

Objective = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Images (images, frames, height, width), grey levels, to what each is worth, (images,), and its gradient."""

_AWAY = 0.3
"""Contrast of the noise that tells the first variants apart, as a share of the images'."""
_AROUND = 2.0
"""Pixels by which the energy of an image is blurred to tell where it lies."""
_INSIDE = 0.2
"""Share of its greatest energy from which on a place is wholly inside an image."""


@dataclass(frozen=True, slots=True)
class Ascent:
    """How images are improved.

    Parameters
    ----------
    iterations : steps.
    step : RMS of the first step, grey levels; they shorten to 0.
    contrast : RMS about grey that an image has at most, grey levels.
    blur : standard deviations of the Gaussian that smooths gradients: frames, pixels, pixels.
    """

    iterations: int
    step: float
    contrast: float
    blur: tuple[float, float, float]

    def start(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Blurred noise (images, frames, height, width) of a quarter of the contrast, to begin with."""
        return self._allowed(GREY + self.contrast / 4 * self._direction(rng.standard_normal(shape)))

    def climb(self, objective: Objective, images: np.ndarray, track: Track) -> tuple[np.ndarray, np.ndarray]:
        """Improve images, each by itself.

        Parameters
        ----------
        images : (images, frames, height, width) to begin with.
        track : is told every iteration.

        Returns
        -------
        The best that each image was, float32, and what it was worth before every step and after the last:
        (iterations + 1, images).
        """
        best, most = images.copy(), np.full(len(images), -np.inf)

        def steps(images: np.ndarray) -> Iterator[np.ndarray]:
            for length in self._lengths():
                worth, slope = objective(images)
                better = worth > most
                best[better], most[better] = images[better], worth[better]
                yield worth
                images = self._allowed(images + length * self._direction(slope))

        worth = np.stack(list(track(steps(images), self.iterations + 1, "iterations")))
        return best, worth

    def diversify(
        self,
        objective: Objective,
        best: np.ndarray,
        variants: int,
        floors: np.ndarray,
        rng: np.random.Generator,
        track: Track,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images that are worth enough, as different from each other and from the best ones as they may be.

        Each begins as noise and improves until it is worth enough; then it moves away from the nearest of its kind,
        along where its worth does not change (Cadena et al. 2018, arXiv 1807.10589; Ding et al. 2023, bioRxiv
        2023.03.15.532836). Where the best image is grey the variants are: there all would differ, and none matter.

        Parameters
        ----------
        best : (kinds, frames, height, width).
        variants : how many of a kind.
        floors : (kinds,) what a variant is worth at least.

        Returns
        -------
        Each variant when it was last worth enough, or else when it was worth most, (kinds, variants, frames, height,
        width) float32; and what it is worth, (kinds, variants).
        """
        shape = (len(best), variants, *best.shape[1:])
        inside = _inside(best)[:, None]
        noise = self.start(rng, shape[1:])  # the same for every kind, so that it matters to none which others there are
        found, kept = np.empty(shape, np.float32), np.full(shape[:2], -np.inf)

        def steps(images: np.ndarray) -> Iterator[np.ndarray]:
            for length in self._lengths():
                worth, slope = objective(images.reshape(-1, *shape[2:]))
                worth, slope = worth.reshape(shape[:2]), slope.reshape(shape)
                enough = worth >= floors[:, None]
                better = enough | ((kept < floors[:, None]) & (worth > kept))
                found[better], kept[better] = images[better], worth[better]
                yield worth
                uphill, away = (
                    self._direction(inside * direction) for direction in (slope, images - _nearest(images, best))
                )
                away -= uphill * np.mean(away * uphill, axis=(2, 3, 4), keepdims=True)
                images = self._allowed(images + length * inside * np.where(enough[..., None, None, None], away, uphill))

        list(track(steps(self._allowed(GREY + inside * (noise - GREY))), self.iterations + 1, "iterations"))
        return found, kept

    def _lengths(self) -> np.ndarray:
        """RMS of every step, and of none after the last."""
        return self.step * np.linspace(1, 0, self.iterations + 1)

    def _direction(self, slope: np.ndarray) -> np.ndarray:
        """Smoothed gradients (…, frames, height, width) of RMS 1."""
        smooth = ndimage.gaussian_filter(slope.astype(np.float32), self.blur, axes=(-3, -2, -1))
        return np.asarray(smooth / np.maximum(_rms(smooth), 1e-20))

    def _allowed(self, images: np.ndarray) -> np.ndarray:
        """The nearest images of the contrast at most that a screen can show, float32."""
        contrast = images - GREY
        contrast *= np.minimum(1, self.contrast / np.maximum(_rms(contrast), 1e-20))
        return np.clip(GREY + contrast, 0, 255).astype(np.float32)


def _rms(images: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(np.square(images, dtype=np.float64), axis=(-3, -2, -1), keepdims=True))


def _inside(images: np.ndarray) -> np.ndarray:
    """How much a place belongs to images (…, frames, height, width), 0..1: (…, 1, height, width)."""
    energy = np.square(images - GREY).mean(axis=-3, keepdims=True)
    energy = ndimage.gaussian_filter(energy, _AROUND, axes=(-2, -1))
    return np.minimum(1, energy / (_INSIDE * np.maximum(energy.max(axis=(-2, -1), keepdims=True), 1e-20)))


def _nearest(images: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Of every image (kinds, variants, …) the nearest other one of its kind, the best ones (kinds, …) among them."""
    variants = images.shape[1]
    others = np.concatenate([images, best[:, None]], axis=1)
    rows = others.reshape(*others.shape[:2], -1)
    between = np.linalg.norm(rows[:, :variants, None] - rows[:, None], axis=3)
    between[:, range(variants), range(variants)] = np.inf
    return np.take_along_axis(others, between.argmin(axis=2)[..., None, None, None], axis=1)
