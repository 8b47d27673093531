"""Behaviour of a simulated mouse on a treadmill: running, pupil size and eye movements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter


@dataclass(frozen=True, slots=True)
class Temperament:
    """What distinguishes one mouse's behaviour from another's.

    Parameters
    ----------
    bouts : running bouts that begin in a second of rest.
    speed : typical speed of a bout, cm/s.
    pupil : mean pupil dilation at rest, pixels of the eye camera.
    gaze : mean pupil centre, horizontal and vertical, pixels of the eye camera.
    """

    bouts: float
    speed: float
    pupil: float
    gaze: tuple[float, float]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Temperament:
        """Draw a mouse, within what the ten published ones span."""
        return cls(
            bouts=float(rng.uniform(0.04, 0.12)),
            speed=float(rng.uniform(12, 22)),
            pupil=float(rng.uniform(42, 54)),
            gaze=(float(rng.uniform(122, 172)), float(rng.uniform(120, 155))),
        )


def simulate_behavior(temperament: Temperament, frames: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Behaviour of one trial.

    Returns
    -------
    behavior : (2, frames) float64: pupil dilation, pixels; running speed, cm/s.
    pupil_center : (2, frames) float64: horizontal, vertical, pixels.
    """
    lead = 300  # frames of life before the trial, so that it starts in no special state
    speed = _running(temperament, lead + frames, rng)
    arousal = lfilter([1 / 45], [1, -44 / 45], speed)  # the pupil follows running within seconds
    size = temperament.pupil + 0.8 * arousal + _wander(rng, lead + frames, spread=10.0, memory=200.0)
    behavior = np.stack([np.clip(size, 18.0, 95.0), speed])
    return behavior[:, lead:], _gaze(temperament, lead + frames, rng)[:, lead:]


def _running(temperament: Temperament, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Speed (frames,), mostly 0, in bouts of some seconds, never above 47 cm/s as published."""
    target = np.zeros(frames)
    start = 0
    while (start := start + 1 + int(rng.exponential(30.0 / temperament.bouts))) < frames:
        length = int(rng.uniform(30, 180))
        target[start : start + length] = temperament.speed * rng.lognormal(0.0, 0.35)
        start += length
    jitter = 1 + _wander(rng, frames, spread=0.15, memory=8.0)
    fidgets = 0.04 * rng.exponential(1.0, frames)
    return np.clip(lfilter([0.12], [1, -0.88], target) * jitter + fidgets, 0.0, 47.0)


def _gaze(temperament: Temperament, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Pupil centre (2, frames): fixations, saccades between them every two seconds or so, and drift."""
    saccades = np.cumsum(rng.random(frames) < 1 / 60)
    fixations = rng.normal(0.0, [[4.8], [4.0]], (2, frames))[:, saccades]
    drift = np.stack([_wander(rng, frames, spread=1.5, memory=60.0) for _ in range(2)])
    tremor = rng.normal(0.0, 0.2, (2, frames))
    return np.array(temperament.gaze)[:, None] + fixations + drift + tremor


def _wander(rng: np.random.Generator, frames: int, spread: float, memory: float) -> np.ndarray:
    """Ornstein-Uhlenbeck process (frames,) of mean 0, standard deviation `spread`, `memory` in frames."""
    keep = np.exp(-1 / memory)
    kick = rng.normal(0.0, spread * np.sqrt(1 - keep**2), frames)
    kick[0] = rng.normal(0.0, spread)
    return np.asarray(lfilter([1.0], [1.0, -keep], kick))
