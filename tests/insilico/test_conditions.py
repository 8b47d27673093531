"""Conditions are asked in order, and only the frames count that should."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from insilico.pretended import pretend

from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico import conditions
from sensorium_ray.insilico.conditions import Timing
from sensorium_ray.insilico.screen import MONITOR, Screen

SCREEN = Screen(MONITOR, (36, 64))


def test_only_the_frames_that_count_do() -> None:
    subject = pretend(lambda clip: np.arange(clip.frames, dtype=float)[None])
    timing = Timing.of(subject, 0.1, 0.2, 0.5)
    assert (timing.blank, timing.settle, timing.counted) == (3, 6, 15)
    assert len(timing.times) == 21
    assert timing.times[1] == pytest.approx(1 / 30)
    assert conditions.blank_response(subject, SCREEN, timing).item() == pytest.approx(np.arange(9, 24).mean())


@pytest.mark.parametrize("seconds", [(-1, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 61), (float("nan"), 0, 1)])
def test_impossible_times_are_refused(seconds: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="at most 60 together"):
        Timing.of(pretend(lambda clip: np.zeros((1, 1))), *seconds)


def test_responses_belong_to_their_conditions() -> None:
    subject = pretend(lambda clip: clip.video.mean((1, 2))[None] * [[1], [2]], neurons=2)
    axes = {"level": np.array([10.0, 20.0, 40.0]), "share": np.array([0.5, 1.0])}
    timing = Timing.of(subject, 0, 0, 0.1)
    videos = (np.full((3, 36, 64), point["level"] * point["share"], np.float32) for point in conditions.points(axes))
    response = conditions.mean_responses(subject, videos, axes, timing)
    assert response.dims == ("neuron", "level", "share")
    expected = axes["level"][:, None] * axes["share"]
    assert np.allclose(response, [expected, 2 * expected])


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_the_best_place_is_where_the_greatest_response_lies(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(4, 3, 2, 5))
    axes = {"a": [1, 2, 3], "b": [0.1, 0.2], "c": range(5)}
    response = xr.DataArray(values, axes, ("neuron", *axes))
    curve = conditions.at_best(response, "a", "b")
    assert curve.dims == ("neuron", "c")
    for neuron in range(4):
        a, b, _ = np.unravel_index(values[neuron].argmax(), (3, 2, 5))
        assert np.array_equal(curve[neuron], values[neuron, a, b])
        assert (curve["a"][neuron], curve["b"][neuron]) == (axes["a"][a], axes["b"][b])


def test_gratings_that_frames_cannot_show_are_refused() -> None:
    subject = pretend(lambda clip: np.zeros((1, 1)))
    timing = Timing.of(subject, 0, 0, 0.1)
    axes = {"direction": np.array([0.0]), "spatial_frequency": np.array([0.05, 0.3])}
    with pytest.raises(ConfigError, match=r"spatial frequency: of 0.3 is more than .* at most 0.258 cycles a degree"):
        conditions.grating_responses(subject, SCREEN, timing, axes, temporal_frequency=2.0)
    axes["spatial_frequency"] = np.array([0.05])
    with pytest.raises(ConfigError, match=r"temporal frequency: of 16 .* at most 15 Hz"):
        conditions.grating_responses(subject, SCREEN, timing, axes, temporal_frequency=16.0)


@pytest.mark.parametrize("values", [(), (0.0,), (1.0, -2.0), (float("inf"),), (float("nan"),), ("a",)])
def test_what_is_not_positive_is_refused(values: tuple) -> None:
    with pytest.raises(ConfigError, match=r"speeds: (is|are) .*; give one number or more above 0"):
        conditions.require_positive("speeds", values)


@pytest.mark.parametrize("contrast", [0.0, -0.5, 1.01, float("nan")])
def test_an_impossible_contrast_is_refused(contrast: float) -> None:
    with pytest.raises(ConfigError, match="give one above 0, at most 1"):
        conditions.require_contrast(contrast)
