"""Direction tuning recovers what a neuron prefers, and tells how much."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico.experiments.direction_tuning import summary
from sensorium_ray.insilico.run import run_experiment
from sensorium_ray.insilico.subject import Subject


def circular(difference: np.ndarray, period: float) -> np.ndarray:
    """Distance on a circle, degrees."""
    return np.abs((difference + period / 2) % period - period / 2)


def curve(values: np.ndarray) -> xr.DataArray:
    directions = np.arange(len(values)) * 360 / len(values)
    return xr.DataArray(values[None], {"direction": directions}, ("neuron", "direction"))


@settings(max_examples=30)
@given(st.floats(0, 360), st.floats(0.3, 5), st.floats(0, 2), st.integers(8, 24))
def test_a_von_mises_curves_direction_is_recovered(peak: float, sharpness: float, floor: float, count: int) -> None:
    angle = np.radians(np.arange(count) * 360 / count - peak)
    found = summary(curve(floor + np.exp(sharpness * (np.cos(angle) - 1))))
    assert circular(found["preferred_direction"].item() - peak, 360) < 3
    assert 0 < found["dsi"].item() <= 1


@settings(max_examples=30)
@given(st.floats(0, 180), st.floats(0.3, 2))
def test_bars_lie_across_the_way_that_they_move(axis: float, sharpness: float) -> None:
    angle = np.radians(np.arange(16) * 22.5 - axis)
    found = summary(curve(np.exp(sharpness * (np.cos(2 * angle) - 1))))
    assert circular(found["preferred_orientation"].item() - axis - 90, 180) < 1
    assert found["dsi"].item() == pytest.approx(0, abs=1e-6)
    assert found["osi"].item() > 0.1


def test_selectivity_is_none_where_all_directions_are_alike_and_whole_where_there_is_one() -> None:
    alike, silent, one = (summary(curve(values)) for values in (np.ones(8), np.zeros(8), np.eye(1, 8, 2)[0]))
    for found in (alike, silent):
        assert found["osi"].item() == pytest.approx(0, abs=1e-6)
        assert found["dsi"].item() == pytest.approx(0, abs=1e-6)
    assert one["osi"].item() == pytest.approx(1)
    assert one["dsi"].item() == pytest.approx(1)
    assert one["preferred_direction"].item() == pytest.approx(90)


def test_a_simulated_mouses_preferences_are_recovered(subject: Subject, truth: pd.DataFrame) -> None:
    found = run_experiment("direction_tuning", subject)
    direction = np.degrees(truth["direction"].to_numpy())
    selective, oriented = found["dsi"].values > 0.2, found["osi"].values > 0.2
    assert selective.sum() > 15
    assert oriented.sum() > 30
    error = circular(found["preferred_direction"].values - direction, 360)
    assert np.median(error[selective]) < 1
    assert error[selective].max() < 10
    assert np.median(circular(found["preferred_orientation"].values - direction - 90, 180)[oriented]) < 2
    assert np.corrcoef(found["dsi"], truth["directionality"] * (1 - truth["roundness"]))[0, 1] > 0.6


def test_impossible_settings_are_refused(subject: Subject) -> None:
    for wrong, sentence in (
        ({"directions": 2}, "directions: is 2; give 3 or more"),
        ({"spatial_frequencies": []}, "spatial_frequencies: are"),
        ({"temporal_frequencies": [-1.0]}, "temporal_frequencies: is -1.0; give one number or more above 0"),
        ({"spatial_frequencies": [0.5]}, "spatial frequency: of 0.5 is more than this model's frames show"),
        ({"contrast": 2.0}, "contrast: is 2.0"),
        ({"direction": 3}, "did you mean 'directions'"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            run_experiment("direction_tuning", subject, **wrong)


def test_frames_decide_what_can_be_shown(subject: Subject) -> None:
    coarse = replace(subject, frame_shape=(9, 16))
    with pytest.raises(ConfigError, match=r"give at most 0.0645 cycles a degree"):
        run_experiment("direction_tuning", coarse, spatial_frequencies=[0.08])
