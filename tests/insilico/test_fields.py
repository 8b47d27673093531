"""A field is found where it is."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sensorium_ray.insilico.fields import describe_fields

ELEVATION, AZIMUTH = np.arange(28, -29, -4.0), np.arange(-56, 57, 4.0)


def maps(*values: np.ndarray) -> xr.DataArray:
    places = {"elevation": ELEVATION, "azimuth": AZIMUTH}
    return xr.DataArray(np.stack(values), places, ("neuron", "elevation", "azimuth"))


def gaussian(azimuth: float, elevation: float, width: float) -> np.ndarray:
    squared = (AZIMUTH - azimuth) ** 2 + (ELEVATION[:, None] - elevation) ** 2
    return np.exp(-squared / (2 * width**2))


@given(st.floats(-40, 40), st.floats(-15, 15), st.floats(3, 8), st.floats(0.1, 100))
def test_a_gaussians_centre_and_size_are_recovered(
    azimuth: float, elevation: float, width: float, scale: float
) -> None:
    field = describe_fields(maps(scale * gaussian(azimuth, elevation, width)))
    assert field["field_azimuth"].item() == pytest.approx(azimuth, abs=1.5)
    assert field["field_elevation"].item() == pytest.approx(elevation, abs=1.5)
    # Half of the greatest energy is reached 1.18 widths from the centre; a place is 4 degrees wide.
    assert field["field_diameter"].item() == pytest.approx(2 * 1.18 * width, abs=4.5)


def test_a_second_spot_elsewhere_does_not_pull_the_centre() -> None:
    both = gaussian(-30, 10, 5) + 0.8 * gaussian(30, -10, 5)
    field = describe_fields(maps(both))
    assert field["field_azimuth"].item() == pytest.approx(-30, abs=1.5)
    assert field["field_elevation"].item() == pytest.approx(10, abs=1.5)


def test_a_field_is_clearer_than_noise_and_a_flat_map_has_none() -> None:
    noise = np.random.default_rng(0).uniform(size=(len(ELEVATION), len(AZIMUTH)))
    field = describe_fields(maps(gaussian(0, 0, 4), noise, np.full_like(noise, 3.0), np.zeros_like(noise)))
    clear, unclear, flat, none = field["field_clearness"].values
    assert clear > 6
    assert unclear < 3
    assert flat == none == 0
    assert np.isnan(field["field_azimuth"].values[2:]).all()
