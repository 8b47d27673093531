"""A ground-truth primary visual cortex: from what a mouse sees and does to the expected response of every neuron.

A neuron is a motion-energy unit (Adelson & Bergen 1985, JOSA A 2): a pair of Gabors in quadrature, each behind
a fast and a slow causal filter, from a purely simple cell (one half-rectified subunit) to a purely complex one
(all four). A local pool of energy divides it (Heeger 1992, Vis. Neurosci. 9), a threshold makes it sparse,
running and pupil size multiply it (Niell & Stryker 2010, Neuron 65), and its receptive field moves with the eye.
The response is compound Poisson noise about the rate, so the rate is the response's exact expectation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import factorial

import numpy as np

from ..benchmark import FRAME_SHAPE
from .behavior import Temperament
from .stimuli import crops

MEMORY = 15
"""Frames of the past that a rate depends on, the present one included."""

_HEIGHT, _WIDTH = FRAME_SHAPE
_LUMINANCE, _CONTRAST = 80.0, 57.0  # mean and standard deviation of natural movies' grey levels
_EYE_GAIN = 0.15  # video pixels by which the retinal image moves as the pupil moves a pixel of the eye camera
_EYE_REACH = 3  # the most it moves, video pixels
_TEMPORAL = ((0.85, 0.5), (0.85, 0.9), (1.1, 0.5), (1.1, 0.9), (1.4, 0.5), (1.4, 0.9), (1.8, 0.7))
_SEMISATURATION = 0.3  # energy, in units of its mean over natural movies, at which the pool halves a response
_POOL_STEP = 8  # pixels between the places where the pool's energy is measured
_POOL_RADIUS = 7.0  # standard deviation of a neuron's pool, pixels
_EVENT_SPREAD = 0.9  # standard deviation of the logarithm of an event's amplitude
_BEST_CEILING = 0.75  # no neuron is more reliable than this correlation of rate and response


@dataclass(frozen=True, slots=True)
class Neurons:
    """Parameters of N neurons; every field is an array (N,).

    Parameters
    ----------
    rf_x, rf_y : centre of the receptive field at the mean eye position, pixels from the upper left.
    direction : preferred direction of motion, radians; 0 is to the right, a quarter turn upwards.
    wavelength : of the Gabor, pixels.
    width, aspect : standard deviation of the Gabor's envelope along the motion, pixels, and across it relative to that.
    phase : of the Gabor, radians.
    roundness : 0 is a Gabor, 1 a field of concentric rings, which has no orientation.
    temporal : which pair of temporal filters.
    directionality : 0 responds to both directions alike, 1 is a full motion-energy detector.
    complexity : 0 is a simple cell, 1 a complex one.
    threshold : quantile of the normalised drive over natural movies below which the neuron is silent.
    exponent : of the drive above threshold.
    spontaneous : share of the mean rate that needs no stimulus.
    running_gain, pupil_gain : of the logarithm of the rate, per 20 cm/s and per 15 pixels.
    mean : expected response over natural movies.
    variation : standard deviation of the response over natural movies, relative to `mean`.
    """

    rf_x: np.ndarray
    rf_y: np.ndarray
    direction: np.ndarray
    wavelength: np.ndarray
    width: np.ndarray
    aspect: np.ndarray
    phase: np.ndarray
    roundness: np.ndarray
    temporal: np.ndarray
    directionality: np.ndarray
    complexity: np.ndarray
    threshold: np.ndarray
    exponent: np.ndarray
    spontaneous: np.ndarray
    running_gain: np.ndarray
    pupil_gain: np.ndarray
    mean: np.ndarray
    variation: np.ndarray

    @classmethod
    def draw(cls, coordinates: np.ndarray, rng: np.random.Generator) -> Neurons:
        """Draw the neurons at `coordinates` (N, 3) micrometres; mice of one lab see a field 630 µm wide."""
        count = len(coordinates)
        place = (coordinates[:, :2] - coordinates[:, :2].mean(axis=0)) / 180.0
        wavelength = np.clip(11.0 * rng.lognormal(0.0, 0.35, count), 6.0, 24.0)
        simple = rng.random(count) < 0.35
        return cls(
            # Retinotopy: the map is smooth with a scatter of a fraction of a receptive field. At 13 µm a degree of
            # azimuth (Garrett et al. 2014, J. Neurosci. 34) and 1.9 degrees a pixel, 630 µm see some 25 pixels.
            rf_x=np.clip(_WIDTH / 2 + 7.0 * place[:, 0] + rng.normal(0, 2.5, count), 3.0, _WIDTH - 4.0),
            rf_y=np.clip(_HEIGHT / 2 + 4.0 * place[:, 1] + rng.normal(0, 2.0, count), 3.0, _HEIGHT - 4.0),
            direction=rng.uniform(0, 2 * np.pi, count),
            wavelength=wavelength,
            width=np.clip(wavelength * rng.uniform(0.14, 0.36, count), 1.5, 6.0),
            aspect=rng.uniform(0.8, 1.5, count),
            phase=rng.uniform(0, 2 * np.pi, count),
            roundness=np.clip(rng.uniform(-0.1, 1.4, count), 0, 1),
            temporal=rng.integers(0, len(_TEMPORAL), count),
            directionality=rng.beta(0.7, 0.6, count),
            complexity=np.where(simple, rng.uniform(0.0, 0.2, count), rng.uniform(0.8, 1.0, count)),
            threshold=rng.uniform(0.1, 0.45, count),
            exponent=rng.uniform(0.8, 1.4, count),
            spontaneous=rng.uniform(0.02, 0.15, count),
            running_gain=rng.normal(0.2, 0.15, count),
            pupil_gain=rng.normal(0.08, 0.1, count),
            mean=2.25 * rng.lognormal(0.0, 0.8, count),
            variation=4.7 * rng.lognormal(0.0, 0.25, count),
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """What fixes the scale of N neurons, measured on natural movies that no trial shows; arrays (N,) but `pool`.

    Parameters
    ----------
    energy : mean energy of the linear stage.
    pool : () mean energy of the pool's units.
    threshold : normalised drive at which the neuron begins to respond.
    floor : what the neuron does without a stimulus, in units of drive above threshold.
    gain : response units per unit of drive above threshold.
    event : mean amplitude of an event of the compound Poisson noise.
    ceiling : correlation of rate and response over the calibration's frames.
    """

    energy: np.ndarray
    pool: np.ndarray
    threshold: np.ndarray
    floor: np.ndarray
    gain: np.ndarray
    event: np.ndarray
    ceiling: np.ndarray


class Cortex:
    """The neurons of one mouse.

    Parameters
    ----------
    neurons : their parameters.
    temperament : of the mouse; its mean gaze is where the receptive fields were measured.
    movies : natural movies for the calibration, each (frames, height, width) uint8.
    behaviors : behaviour during each of them, (2, frames).
    """

    def __init__(
        self,
        neurons: Neurons,
        temperament: Temperament,
        movies: list[np.ndarray],
        behaviors: list[np.ndarray],
    ) -> None:
        self.neurons = neurons
        self.gaze = np.array(temperament.gaze)
        self._filters = _Filters(neurons)
        self._pool = _Filters(_pool_units())
        self._pool_weights = _pool_weights(neurons)
        self.calibration = self._calibrate(movies, behaviors)

    def rates(self, video: np.ndarray, behavior: np.ndarray, pupil_center: np.ndarray) -> np.ndarray:
        """Expected responses (neurons, frames) float32.

        Parameters
        ----------
        video : (frames, height, width), grey levels 0..255; the screen was uniform before it.
        behavior, pupil_center : (2, frames), as `simulate_behavior` gives them.
        """
        scale = self.calibration
        image = _retinal_image(video, pupil_center - self.gaze[:, None])
        drive = self._divide(self._filters.energy(image), self._local_energy(image), scale.energy, scale.pool)
        active = self._above(drive, scale.threshold)
        active += _column(scale.floor)
        active *= self._modulation(behavior)
        active *= _column(scale.gain)
        return active

    def responses(self, rates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One noisy recording (neurons, frames) float64 of which `rates` (neurons, frames) is the expectation."""
        event = self.calibration.event
        events = rng.poisson(rates / event[:, None])
        neuron, frame = np.nonzero(events)
        responses = np.zeros(rates.shape)
        if len(neuron):
            counts = events[neuron, frame]
            amplitudes = rng.lognormal(-(_EVENT_SPREAD**2) / 2, _EVENT_SPREAD, int(counts.sum()))
            first = np.concatenate([[0], np.cumsum(counts)[:-1]])
            responses[neuron, frame] = np.add.reduceat(amplitudes, first) * event[neuron]
        return responses

    def _calibrate(self, movies: list[np.ndarray], behaviors: list[np.ndarray]) -> Calibration:
        neurons = self.neurons
        images = [_contrast(movie) for movie in movies]
        late = slice(MEMORY, None)  # the onset of a movie is not typical of it
        own = np.concatenate([self._filters.energy(image)[:, late] for image in images], axis=1)
        local = np.concatenate([self._local_energy(image)[:, late] for image in images], axis=1)
        energy, pool = own.mean(axis=1), local.mean()
        drive = self._divide(own, local, energy, pool)
        threshold = np.array([np.quantile(row, q) for row, q in zip(drive, neurons.threshold, strict=True)])
        active = self._above(drive, threshold)
        floor = active.mean(axis=1) * neurons.spontaneous / (1 - neurons.spontaneous)
        active += _column(floor)
        active *= self._modulation(np.concatenate([behavior[:, late] for behavior in behaviors], axis=1))
        mean = active.mean(axis=1, dtype=np.float64)
        signal = active.std(axis=1, dtype=np.float64) / mean
        # The noise fills up what the rate leaves of the variance: the mean rate times an event's E[x²]/E[x].
        variation = np.maximum(neurons.variation, signal / _BEST_CEILING)
        event = neurons.mean * (variation**2 - signal**2) / np.exp(_EVENT_SPREAD**2)
        return Calibration(energy, pool, threshold, floor, neurons.mean / mean, event, signal / variation)

    def _local_energy(self, image: np.ndarray) -> np.ndarray:
        """Energy (places, frames) of the pool's units, over all orientations at a place."""
        energy = self._pool.energy(image)
        return np.asarray(energy.reshape(self._pool_weights.shape[1], -1, energy.shape[1]).mean(axis=1))

    def _divide(self, own: np.ndarray, local: np.ndarray, energy: np.ndarray, pool: np.ndarray) -> np.ndarray:
        """Normalised drive (neurons, frames) float32: own energy over the energy around the receptive field."""
        drive = own / _column(energy)
        drive /= np.float32(_SEMISATURATION) + self._pool_weights @ (local / np.float32(pool))
        return np.asarray(drive)

    def _above(self, drive: np.ndarray, threshold: np.ndarray) -> np.ndarray:
        above = np.maximum(drive - _column(threshold), 0)
        return np.asarray(np.power(above, _column(self.neurons.exponent), out=above))

    def _modulation(self, behavior: np.ndarray) -> np.ndarray:
        """Gain (neurons, frames) float32 by running speed and pupil size."""
        size, speed = behavior
        log_gain = _column(self.neurons.running_gain) * (speed / 20.0).astype(np.float32)
        log_gain += _column(self.neurons.pupil_gain) * ((size - 50.0) / 15.0).astype(np.float32)
        return np.asarray(np.exp(log_gain, out=log_gain))


class _Filters:
    """The linear stage of some neurons, laid out for matrix products: one over space, one a temporal filter."""

    def __init__(self, neurons: Neurons) -> None:
        self._order = np.argsort(neurons.temporal, kind="stable")
        self._ends = np.searchsorted(neurons.temporal[self._order], np.arange(len(_TEMPORAL) + 1))
        self._gabors = np.stack([_gabors(neurons, shift)[self._order] for shift in (0.0, np.pi / 2)])
        self._directionality = _column(neurons.directionality[self._order])
        self._complexity = _column(neurons.complexity[self._order])

    def energy(self, image: np.ndarray) -> np.ndarray:
        """Squared output of the subunits (neurons, frames) float32, of an image (frames, height, width) float32."""
        frames = len(image)
        even, odd = self._gabors @ image.reshape(frames, -1).T
        energy = np.empty_like(even)
        for bank in range(len(_TEMPORAL)):
            rows = slice(self._ends[bank], self._ends[bank + 1])
            fast, slow = _temporal_matrices(bank, frames)
            mixing, complexity = self._directionality[rows], self._complexity[rows]
            first = even[rows] @ fast - mixing * (odd[rows] @ slow)
            second = odd[rows] @ fast + mixing * (even[rows] @ slow)
            energy[self._order[rows]] = np.maximum(first, 0) ** 2 + complexity * (np.minimum(first, 0) ** 2 + second**2)
        return energy


def _gabors(neurons: Neurons, shift: float) -> np.ndarray:
    """Gabors (neurons, pixels) float32 without a response to uniform light, of norm 1."""
    x, y = np.arange(_WIDTH, dtype=np.float32), np.arange(_HEIGHT, dtype=np.float32)[:, None]
    out = np.empty((len(neurons.rf_x), _HEIGHT * _WIDTH), np.float32)
    rf_x, rf_y, cosine, sine, width, aspect, pitch, phase, roundness = np.stack(
        [
            neurons.rf_x,
            neurons.rf_y,
            np.cos(neurons.direction),
            np.sin(neurons.direction),
            neurons.width,
            neurons.aspect,
            2 * np.pi / neurons.wavelength,
            neurons.phase - shift,
            neurons.roundness,
        ]
    ).astype(np.float32)
    for i in range(len(out)):
        dx, dy = x - rf_x[i], y - rf_y[i]
        along = dx * cosine[i] - dy * sine[i]
        across = (dx * sine[i] + dy * cosine[i]) / aspect[i]
        squared = along**2 + across**2
        window = np.exp(squared / (-2 * width[i] ** 2))
        wave = (1 - roundness[i]) * np.cos(pitch[i] * along + phase[i])
        wave += roundness[i] * np.cos(pitch[i] * np.sqrt(squared) + phase[i])
        gabor = window * (wave - (window * wave).sum() / window.sum())
        out[i] = (gabor / np.linalg.norm(gabor)).ravel()
        # The far tails change nothing, and as subnormal numbers they would make matrix products seven times slower.
        out[i][np.abs(out[i]) < np.finfo(np.float32).tiny] = 0
    return out


@lru_cache(maxsize=64)
def _temporal_matrices(bank: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Two causal filters as matrices (frames, frames) float32 that multiply a time course from the right."""
    speed, rebound = _TEMPORAL[bank]
    time = speed * np.arange(MEMORY)
    lag = np.arange(frames) - np.arange(frames)[:, None]
    matrices = []
    for order in (3, 5):
        # Adelson & Bergen 1985, with the depth of the rebound free: mouse cells range from sustained to transient.
        kernel = time**order * np.exp(-time) * (1 / factorial(order) - rebound * time**2 / factorial(order + 2))
        kernel /= np.linalg.norm(kernel)
        inside = (lag >= 0) & (lag < MEMORY)
        matrices.append(np.where(inside, kernel[lag.clip(0, MEMORY - 1)], 0).astype(np.float32))
    return matrices[0], matrices[1]


def _pool_units() -> Neurons:
    """Complex cells of four orientations and a broad band of sizes at each of the pool's places, place by place."""
    places, angles = _pool_places(), np.arange(4) * np.pi / 4
    count = len(places) * len(angles)
    zero, one = np.zeros(count), np.ones(count)
    return Neurons(
        rf_x=places[:, 0].repeat(len(angles)),
        rf_y=places[:, 1].repeat(len(angles)),
        direction=np.tile(angles, len(places)),
        wavelength=11.0 * one,
        width=3.0 * one,
        aspect=one,
        phase=zero,
        roundness=zero,
        temporal=np.full(count, 2),
        directionality=zero,
        complexity=one,
        threshold=zero,
        exponent=one,
        spontaneous=zero,
        running_gain=zero,
        pupil_gain=zero,
        mean=one,
        variation=one,
    )


def _pool_places() -> np.ndarray:
    x = np.arange(_POOL_STEP / 2, _WIDTH, _POOL_STEP)
    y = np.arange(_POOL_STEP / 4, _HEIGHT, _POOL_STEP)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _pool_weights(neurons: Neurons) -> np.ndarray:
    """Weight of each place in a neuron's Gaussian pool, (neurons, places) float32; a row sums to 1."""
    places = _pool_places()
    squared = (neurons.rf_x[:, None] - places[:, 0]) ** 2 + (neurons.rf_y[:, None] - places[:, 1]) ** 2
    weights = np.exp(-squared / (2 * _POOL_RADIUS**2))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _retinal_image(video: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """Contrast (frames, height, width) float32 where the eye looks; the world goes on in grey beyond the screen.

    `displacement` (2, frames): of the pupil's centre, horizontal and vertical, pixels of the eye camera.
    """
    edge = _EYE_REACH + 1
    world = np.pad(_contrast(video), ((0, 0), (edge, edge), (edge, edge)))
    shift = np.clip(_EYE_GAIN * displacement[::-1].T, -_EYE_REACH, _EYE_REACH)
    return crops(world, edge + shift)


def _contrast(video: np.ndarray) -> np.ndarray:
    return np.asarray((video.astype(np.float32) - np.float32(_LUMINANCE)) / np.float32(_CONTRAST))


def _column(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)[:, None]
