"""What is shown is what was asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_ray.benchmark import FAMILIES
from sensorium_ray.data.stimuli import GREY, STIMULI
from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico import patterns
from sensorium_ray.insilico.screen import MONITOR, Screen

SCREEN = Screen(MONITOR, (36, 64))
TIMES = np.arange(30) / 30


def test_a_blank_screen_is_grey() -> None:
    blank = patterns.grey(SCREEN, 3)
    assert blank.shape == (3, 36, 64)
    assert blank.dtype == np.float32
    assert (blank == GREY).all()


@pytest.mark.parametrize(("direction", "step"), [(0, (0, 1)), (90, (-1, 0)), (180, (0, -1)), (270, (1, 0))])
def test_a_grating_drifts_in_its_direction(direction: float, step: tuple[int, int]) -> None:
    # A pixel a frame, so that the next frame is the one before, shifted.
    speed = 30 * SCREEN.degrees_per_pixel * 0.05
    video = patterns.grating(SCREEN, TIMES, direction=direction, spatial_frequency=0.05, temporal_frequency=speed)
    shifted = np.roll(video[0], step, axis=(0, 1))
    inside = (slice(1, -1), slice(1, -1))
    assert np.allclose(video[1][inside], shifted[inside], atol=0.01)


@given(st.floats(0.02, 0.1), st.floats(0, 360))
def test_a_grating_has_its_frequencies(spatial: float, phase: float) -> None:
    still = patterns.grating(
        SCREEN, np.zeros(1), direction=0, spatial_frequency=spatial, temporal_frequency=4, phase=phase
    )[0]
    azimuth = SCREEN.grid()[0][0]
    expected = GREY + 127 * np.cos(2 * np.pi * spatial * azimuth + np.radians(phase))
    assert np.allclose(still, expected, atol=0.01)
    video = patterns.grating(SCREEN, TIMES, direction=0, spatial_frequency=spatial, temporal_frequency=4, phase=phase)
    assert np.abs(np.fft.rfft(video[:, 18, 32] - GREY)).argmax() == 4  # of one second


@given(st.floats(0.01, 1))
def test_contrast_is_michelsons(contrast: float) -> None:
    video = patterns.grating(
        SCREEN, TIMES, direction=0, spatial_frequency=0.02, temporal_frequency=1, contrast=contrast
    )
    assert video.min() >= 0
    assert video.max() <= 255
    assert (video.max() - video.min()) / 2 == pytest.approx(127 * contrast, rel=0.02)


@given(st.floats(-20, 20), st.floats(-10, 10), st.floats(8, 40))
def test_an_aperture_has_its_area_and_its_centre(azimuth: float, elevation: float, diameter: float) -> None:
    opacity = patterns.aperture(SCREEN, (azimuth, elevation), diameter)
    assert 0 <= opacity.min() <= opacity.max() <= 1
    area = opacity.sum() * SCREEN.degrees_per_pixel**2
    assert area == pytest.approx(np.pi * diameter**2 / 4, rel=0.06)
    across, up = SCREEN.grid()
    assert (opacity * across).sum() / opacity.sum() == pytest.approx(azimuth, abs=0.3)
    assert (opacity * up).sum() / opacity.sum() == pytest.approx(elevation, abs=0.3)


def test_behind_an_aperture_all_else_is_grey() -> None:
    video = patterns.grating(SCREEN, TIMES, direction=30, spatial_frequency=0.05, temporal_frequency=2)
    opacity = patterns.aperture(SCREEN, (0.0, 0.0), 20.0)
    seen = patterns.behind(opacity, video)
    assert (seen[:, opacity == 0] == GREY).all()
    assert np.allclose(seen[:, opacity == 1], video[:, opacity == 1], atol=0.01)


def test_squares_have_their_places_and_sizes() -> None:
    rows, columns = np.array([10.0, -6.0]), np.array([-20.0, 15.0])
    opacity = patterns.squares(SCREEN, rows, columns, 8.0)
    assert opacity.shape == (2, 36, 64)
    across, up = SCREEN.grid()
    for place in range(2):
        assert opacity[place].sum() * SCREEN.degrees_per_pixel**2 == pytest.approx(64, rel=0.05)
        assert (opacity[place] * across).sum() / opacity[place].sum() == pytest.approx(columns[place], abs=0.1)
        assert (opacity[place] * up).sum() / opacity[place].sum() == pytest.approx(rows[place], abs=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_families_are_those_of_the_simulator(family: str) -> None:
    video = patterns.benchmark_stimulus(SCREEN, family, 3, 20)
    assert np.array_equal(video, STIMULI[family](np.random.default_rng(3), 20))
    assert video.dtype == np.float32
    assert patterns.parameters_of(family)


def test_an_impossible_family_is_refused_with_a_sentence() -> None:
    with pytest.raises(ConfigError, match="did you mean 'pink_noise'"):
        patterns.benchmark_stimulus(SCREEN, "pink_nose", 0, 20)
    with pytest.raises(ConfigError, match="parameters of gaussian_dots: allow no video"):
        patterns.benchmark_stimulus(SCREEN, "gaussian_dots", 0, 20, lifetime=0)
    with pytest.raises(ConfigError, match="frames are 4×6; the benchmark's stimuli are 36×64"):
        patterns.benchmark_stimulus(Screen(MONITOR, (4, 6)), "movie", 0, 20)
