"""Movies look natural in number; the artificial families are what their names say."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sensorium_ray.benchmark import FAMILIES, FRAME_SHAPE
from sensorium_ray.data import stimuli


@pytest.fixture(scope="module")
def movies() -> np.ndarray:
    return np.stack([stimuli.natural_movie(np.random.default_rng(seed), frames=120) for seed in range(24)])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("frames", [7, 60])
def test_every_family_gives_grey_values_that_depend_on_the_seed(family: str, frames: int) -> None:
    make = stimuli.STIMULI[family]
    video = make(np.random.default_rng(1), frames=frames)
    assert video.shape == (frames, *FRAME_SHAPE)
    assert video.dtype == np.uint8
    np.testing.assert_array_equal(video, make(np.random.default_rng(1), frames=frames))
    if frames == 60:
        assert not np.array_equal(video, make(np.random.default_rng(2), frames=frames))
        assert video.std() > 10


def test_movies_have_the_published_luminance(movies: np.ndarray) -> None:
    assert movies.mean() == pytest.approx(80, abs=10)
    assert movies.std() == pytest.approx(57, abs=8)
    assert np.median(movies) < movies.mean()
    assert (movies == 0).mean() < 0.03
    assert (movies == 255).mean() < 0.03


def test_the_spatial_amplitude_spectrum_of_movies_falls_as_one_over_frequency(movies: np.ndarray) -> None:
    pictures = movies[:, ::30].reshape(-1, *FRAME_SHAPE).astype(float)
    pictures -= pictures.mean(axis=(1, 2), keepdims=True)
    window = np.outer(np.hanning(FRAME_SHAPE[0]), np.hanning(FRAME_SHAPE[1]))
    amplitude = np.sqrt((np.abs(np.fft.fft2(pictures * window)) ** 2).mean(axis=0))
    frequency = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, FRAME_SHAPE), indexing="ij"))
    band = (frequency > 0.05) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[band]), np.log(amplitude[band]), 1)[0]
    assert slope == pytest.approx(-1.2, abs=0.2)


def test_movies_move_and_cut(movies: np.ndarray) -> None:
    change = np.abs(np.diff(movies.astype(float), axis=1)).mean(axis=(2, 3))
    cuts = change > 30
    assert 1 <= cuts.sum() / len(movies) <= 4  # scenes of about 90 frames in movies of 120
    assert 1 < np.median(change) < 15


def test_noise_drifts_across_its_orientation() -> None:
    video = stimuli.pink_noise(np.random.default_rng(0), frames=30, renewal=0.0, speed=1.0).astype(float)
    gradient = np.gradient(gaussian_filter(video, (0, 1.5, 1.5)))
    dt, dy, dx = (part[2:-2, 2:-2, 2:-2].ravel() for part in gradient)
    (vx, vy), *_ = np.linalg.lstsq(np.column_stack([dx, dy]), -dt, rcond=None)
    energy = np.array([[dx @ dx, dx @ dy], [dx @ dy, dy @ dy]])
    across = np.linalg.eigh(energy)[1][:, -1]  # the direction along which the noise changes most
    assert np.hypot(vx, vy) == pytest.approx(1.0, abs=0.35)
    assert abs(across @ [vx, vy]) / np.hypot(vx, vy) > 0.95


@pytest.mark.parametrize(("degrees", "dy", "dx"), [(0, 0, 1), (90, -1, 0), (180, 0, -1), (270, 1, 0)])
def test_a_grating_drifts_in_its_direction(degrees: float, dy: int, dx: int) -> None:
    constant = np.ones(3)
    video = stimuli.grating(np.deg2rad(degrees) * constant, 4 * constant, constant / 4, envelope=np.inf)
    np.testing.assert_allclose(video[1], np.roll(video[0], (dy, dx), axis=(0, 1)), atol=1.01)


def test_a_gabor_changes_every_25_frames() -> None:
    video = stimuli.drifting_gabor(np.random.default_rng(3)).astype(float)
    change = np.abs(np.diff(video, axis=0)).mean(axis=(1, 2))
    between = np.arange(1, 300) % 25 == 0
    assert np.median(change[between]) > 2 * change[~between].max()


def test_coherent_dots_share_one_direction() -> None:
    video = stimuli.random_dots(np.random.default_rng(5), frames=20, coherence=1.0, speed=1.0).astype(float)
    spectrum = np.fft.fft2(video - video.mean(axis=(1, 2), keepdims=True))
    shift = np.fft.ifft2(spectrum[5] * np.conj(spectrum[2])).real
    y, x = np.unravel_index(shift.argmax(), shift.shape)
    y, x = (min(v, v - side, key=abs) for v, side in zip((y, x), FRAME_SHAPE, strict=True))
    assert np.hypot(y, x) == pytest.approx(3.0, abs=0.8)


def test_gaussian_dots_stand_still_and_vanish() -> None:
    video = stimuli.gaussian_dots(np.random.default_rng(0), dots=1, lifetime=8).astype(float)
    changed = np.abs(np.diff(video, axis=0)).max(axis=(1, 2)) > 0
    assert set(np.diff(np.flatnonzero(changed))) == {8}


def test_images_are_flashed_between_grey() -> None:
    video = stimuli.images(np.random.default_rng(0), frames=60, shown=15, blank=10)
    assert (video[:10] == stimuli.GREY).all()
    assert (video[10:25] == video[10]).all()
    assert (video[25:35] == stimuli.GREY).all()
    assert video[10].std() > 20


def test_crops_interpolate() -> None:
    canvas = np.add.outer(10.0 * np.arange(8), np.arange(9))[None].astype(np.float32)
    offsets = np.array([[0.0, 0.0], [1.25, 2.5], [2.0, 3.0]])
    windows = stimuli.crops(canvas, offsets, (4, 5))
    base = np.add.outer(10.0 * np.arange(4), np.arange(5))
    np.testing.assert_allclose(windows, base + (offsets @ [10, 1])[:, None, None], rtol=1e-6)
