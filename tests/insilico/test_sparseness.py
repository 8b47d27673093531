"""Lifetime sparseness is that of Vinje & Gallant."""

import numpy as np
import pytest
import xarray as xr

from sensorium_ray.insilico.sparseness import lifetime_sparseness


def test_it_is_between_one_response_alone_and_all_alike() -> None:
    one, alike, silent = np.eye(1, 8)[0], np.full(8, 3.0), np.zeros(8)
    half = np.repeat([1.0, 0.0], 4)
    found = lifetime_sparseness(xr.DataArray([one, alike, silent, half], dims=("neuron", "frame")), "frame")
    assert found.values[:2].tolist() == pytest.approx([1, 0])
    assert np.isnan(found[2])
    assert found[3] == pytest.approx((1 - 0.5) / (1 - 1 / 8))


def test_frames_that_do_not_count_do_not() -> None:
    responses = np.random.default_rng(0).exponential(size=(3, 20)).astype(np.float32)
    padded = np.pad(responses, ((0, 0), (5, 3)), constant_values=np.nan)
    full, gaps = (lifetime_sparseness(xr.DataArray(r, dims=("n", "t")), "t") for r in (responses, padded))
    assert np.allclose(full, gaps)
