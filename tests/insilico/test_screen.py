"""Degrees of visual angle are pixels of a frame, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico.screen import MONITOR, Screen

SIDES = st.floats(1, 200)
SCREENS = st.builds(Screen, st.tuples(SIDES, SIDES, SIDES), st.tuples(st.integers(1, 200), st.integers(1, 200)))
PLACES = st.floats(-300, 300)


@given(SCREENS, PLACES, PLACES)
def test_pixels_and_degrees_are_inverses(screen: Screen, column: float, row: float) -> None:
    assert screen.pixel(*screen.degrees(column, row)) == pytest.approx((column, row), abs=1e-6)


@given(SCREENS)
def test_the_grid_tells_where_pixels_lie(screen: Screen) -> None:
    azimuth, elevation = screen.grid()
    rows, columns = np.indices(screen.shape)
    expected = screen.degrees(columns, rows)
    assert np.allclose(np.broadcast_to(azimuth, screen.shape), expected[0])
    assert np.allclose(np.broadcast_to(elevation, screen.shape), expected[1])


def test_a_frame_is_as_wide_as_the_monitor_looks_from_the_eye() -> None:
    screen = Screen(MONITOR, (36, 64))
    assert screen.degrees_per_pixel * 64 == pytest.approx(2 * np.degrees(np.arctan(56.5 / 2 / 15)))


def test_the_right_and_the_top_are_positive() -> None:
    azimuth, elevation = Screen(MONITOR, (36, 64)).grid()
    assert azimuth[0, 0] < 0 < azimuth[0, -1]
    assert elevation[-1, 0] < 0 < elevation[0, 0]


@pytest.mark.parametrize("monitor", [(), (50.0, 30.0), (50.0, 30.0, 0.0), (50.0, 30.0, "far")])
def test_an_impossible_monitor_is_refused(monitor: tuple) -> None:
    with pytest.raises(ConfigError, match="give width, height and distance in cm"):
        Screen(monitor, (36, 64))
