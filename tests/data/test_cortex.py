"""The simulated cortex is as the published one in the numbers that are known of it."""

from pathlib import Path

import numpy as np
import pytest

from sensorium_ray.data import cortex, stimuli
from sensorium_ray.data.behavior import Temperament, simulate_behavior

REAL = Path(__file__).parents[3] / "shared" / "data" / "sensorium2023"
NEURONS, MOVIES, FRAMES = 200, 36, 300
# Wavelength in pixels and cycles a frame: the pairs that the published drifting Gabors are made of.
CARRIERS = (
    *((6.5, 0.055), (6.5, 0.022), (13.7, 0.055), (13.7, 0.022)),
    *((13.7, 0.008), (23.4, 0.022), (23.4, 0.008)),
)


@pytest.fixture(scope="module")
def temperament() -> Temperament:
    return Temperament.draw(np.random.default_rng(0))


@pytest.fixture(scope="module")
def v1(temperament: Temperament) -> cortex.Cortex:
    rng = np.random.default_rng(1)
    coordinates = np.column_stack([rng.uniform(-315, 315, (NEURONS, 2)), rng.uniform(200, 425, NEURONS)])
    return cortex.Cortex(
        cortex.Neurons.draw(coordinates, rng),
        temperament,
        [stimuli.natural_movie(np.random.default_rng(seed)) for seed in range(8)],
        [simulate_behavior(temperament, FRAMES, np.random.default_rng(seed))[0] for seed in range(8)],
    )


@pytest.fixture(scope="module")
def recording(v1: cortex.Cortex, temperament: Temperament) -> tuple[np.ndarray, np.ndarray]:
    """Rates and responses (neurons, movies, frames)."""
    rates, responses = [], []
    for seed in range(100, 100 + MOVIES):
        rng = np.random.default_rng(seed)
        rates.append(v1.rates(stimuli.natural_movie(rng), *simulate_behavior(temperament, FRAMES, rng)))
        responses.append(v1.responses(rates[-1], rng))
    return np.stack(rates, axis=1), np.stack(responses, axis=1)


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


def tuning(v1: cortex.Cortex, temperament: Temperament) -> tuple[np.ndarray, np.ndarray]:
    """Mean rates (neurons, 8) to gratings of eight directions as the drifting Gabors have them, and the angles."""
    frames = 60
    angles = np.arange(8) * np.pi / 4
    still = np.stack([np.full(frames, temperament.pupil), np.zeros(frames)])
    gaze = np.repeat(np.array(temperament.gaze)[:, None], frames, axis=1)
    curves = np.zeros((NEURONS, 8))
    for wavelength, frequency in CARRIERS:
        for i, angle in enumerate(angles):
            video = stimuli.grating(
                np.full(frames, angle), np.full(frames, wavelength), np.full(frames, frequency), envelope=16
            )
            curves[:, i] += v1.rates(video, still, gaze)[:, cortex.MEMORY :].mean(axis=1)
    return curves, angles


def test_responses_are_sparse_and_heavy_tailed_as_published(recording: tuple[np.ndarray, np.ndarray]) -> None:
    flat = recording[1].reshape(NEURONS, -1)
    mean, std = flat.mean(axis=1), flat.std(axis=1)
    assert 1.7 <= np.median(mean) <= 3.3
    assert 0.65 <= np.log(mean).std() <= 1.0
    assert 4.0 <= np.median(std / mean) <= 5.3
    assert 20 <= np.median(flat.max(axis=1) / std) <= 45
    assert np.corrcoef(np.log(mean), np.log(std))[0, 1] > 0.9
    assert (np.median(flat, axis=1) == 0).mean() >= 0.95
    assert flat.min() >= 0


def test_the_ceiling_is_known_and_leaves_room(v1: cortex.Cortex, recording: tuple[np.ndarray, np.ndarray]) -> None:
    rates, responses = (array[..., 50:].reshape(NEURONS, -1).astype(float) for array in recording)
    ceiling = correlation(rates, responses)
    assert 0.35 <= ceiling.mean() <= 0.5
    assert np.corrcoef(ceiling, v1.calibration.ceiling)[0, 1] > 0.8


def test_scales_come_from_the_calibration(v1: cortex.Cortex, recording: tuple[np.ndarray, np.ndarray]) -> None:
    ratio = recording[0].mean(axis=(1, 2)) / v1.neurons.mean
    assert np.median(ratio) == pytest.approx(1, abs=0.15)
    assert (np.abs(np.log(ratio)) < np.log(2)).mean() > 0.95


def test_rates_are_the_expectation_of_responses(v1: cortex.Cortex) -> None:
    rng = np.random.default_rng(7)
    rates = np.repeat(v1.neurons.mean[:, None] * [0.0, 0.5, 1.0, 8.0], 20_000, axis=1).astype(np.float32)
    drawn = v1.responses(rates, rng).reshape(NEURONS, 4, -1)
    expected = rates.reshape(NEURONS, 4, -1)[..., 0]
    assert (drawn[:, 0] == 0).all()
    error = drawn.std(axis=2)[:, 1:] / np.sqrt(drawn.shape[2])
    z = (drawn.mean(axis=2)[:, 1:] - expected[:, 1:]) / error
    assert abs(z.mean()) < 0.2
    assert np.abs(z).max() < 5.5
    assert z.std() == pytest.approx(1, abs=0.15)


def test_selectivity_is_as_published(v1: cortex.Cortex, temperament: Temperament) -> None:
    curves, angles = tuning(v1, temperament)
    orientation = np.abs(curves @ np.exp(2j * angles)) / curves.sum(axis=1)
    direction = np.abs(curves @ np.exp(1j * angles)) / curves.sum(axis=1)
    assert 0.5 <= (orientation > 0.2).mean() <= 0.7
    assert 0.25 <= (direction > 0.2).mean() <= 0.43
    preferred = np.angle(curves @ np.exp(1j * angles))
    error = np.angle(np.exp(1j * (preferred - v1.neurons.direction)))
    assert np.abs(error[direction > 0.2]).max() < np.pi / 4


def test_a_complex_cell_does_not_care_about_contrast_sign_and_a_simple_cell_does(
    v1: cortex.Cortex, temperament: Temperament
) -> None:
    behavior, _ = simulate_behavior(temperament, FRAMES, np.random.default_rng(0))
    gaze = np.repeat(np.array(temperament.gaze)[:, None], FRAMES, axis=1)
    video = stimuli.natural_movie(np.random.default_rng(3)).astype(float)
    agreement = correlation(v1.rates(video, behavior, gaze), v1.rates(160 - video, behavior, gaze))
    is_complex = v1.neurons.complexity > 0.5
    assert is_complex.mean() > 0.5
    assert agreement[is_complex].min() > 0.9
    assert agreement[~is_complex].mean() < 0.3


def test_rates_are_mostly_driven_by_the_stimulus(v1: cortex.Cortex, temperament: Temperament) -> None:
    video = stimuli.natural_movie(np.random.default_rng(3))
    repeats = np.stack(
        [v1.rates(video, *simulate_behavior(temperament, FRAMES, np.random.default_rng(k))) for k in range(10)]
    )
    shared = repeats.mean(axis=0).var(axis=1) / repeats.var(axis=(0, 2))
    assert 0.6 < np.median(shared) < 0.95


def test_rates_are_causal_and_forget(v1: cortex.Cortex, temperament: Temperament) -> None:
    rng = np.random.default_rng(0)
    video, other = stimuli.natural_movie(rng, frames=60), stimuli.natural_movie(rng, frames=60)
    behavior = simulate_behavior(temperament, 60, rng)
    changed = video.copy()
    changed[20] = other[20]
    difference = np.abs(v1.rates(changed, *behavior) - v1.rates(video, *behavior)).max(axis=0)
    assert difference[:20].max() < 1e-3
    assert difference[20 : 20 + cortex.MEMORY].max() > 1
    assert difference[20 + cortex.MEMORY :].max() < 1e-3


def test_receptive_fields_follow_the_eye_and_the_retinotopic_map(v1: cortex.Cortex, temperament: Temperament) -> None:
    behavior, _ = simulate_behavior(temperament, 60, np.random.default_rng(0))
    gaze = np.repeat(np.array(temperament.gaze)[:, None], 60, axis=1)
    video = stimuli.natural_movie(np.random.default_rng(3), frames=60)
    looking_right = gaze + np.array([[2 / 0.15], [0.0]])
    inside = (v1.neurons.rf_x > 15) & (v1.neurons.rf_x < 48)
    moved = v1.rates(np.roll(video, 2, axis=2), behavior, looking_right)[inside]
    stayed = v1.rates(video, behavior, gaze)[inside]
    assert np.median(correlation(moved, stayed)) > 0.98


def test_published_mice_lie_in_the_ranges_that_simulated_ones_are_held_to() -> None:
    if not REAL.is_dir():
        pytest.skip(f"real metadata is not at {REAL}")
    for folder in sorted(REAL.glob("mouse*")):
        mean, std, largest = (
            np.load(folder / "response" / f"{name}.npy").astype(float) for name in ("mean", "std", "max")
        )
        assert 1.7 <= np.median(mean) <= 3.3
        assert 0.65 <= np.log(mean).std() <= 1.0
        assert 4.0 <= np.median(std / mean) <= 5.3
        assert 20 <= np.median(largest / std) <= 45
        assert np.corrcoef(np.log(mean), np.log(std))[0, 1] > 0.9


def test_simulated_behavior_lies_among_the_published_mice() -> None:
    if not REAL.is_dir():
        pytest.skip(f"real metadata is not at {REAL}")
    folders = sorted(REAL.glob("mouse*"))
    real = {
        (kind, name): np.stack([np.load(folder / kind / f"{name}.npy") for folder in folders])
        for kind in ("behavior", "pupil_center")
        for name in ("mean", "std", "max")
    }
    for mouse in range(4):
        rng = np.random.default_rng(mouse)
        temperament = Temperament.draw(rng)
        trials = [simulate_behavior(temperament, FRAMES, rng) for _ in range(150)]
        for kind, part in (("behavior", 0), ("pupil_center", 1)):
            values = np.concatenate([trial[part] for trial in trials], axis=1)
            for name, summary in (("mean", values.mean(axis=1)), ("std", values.std(axis=1))):
                low, high = real[kind, name].min(axis=0), real[kind, name].max(axis=0)
                assert (summary > 0.7 * low).all(), (kind, name, summary, low)
                assert (summary < 1.3 * high).all(), (kind, name, summary, high)
        speed = np.concatenate([trial[0][1] for trial in trials])
        assert np.median(speed) < 0.2
        assert speed.max() <= real["behavior", "max"][:, 1].max()
