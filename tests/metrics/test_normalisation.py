from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensorium_ray.metrics.normalisation import time_precision


def test_precision_is_the_starter_kits() -> None:
    """1/std where the std exceeds 0.01 nanmean(std), else 1/threshold; NaN where no trial is that long."""
    std = np.array([[4.0, 2.0, 0.0], [6.0, 0.01, np.nan]])
    threshold = 0.01 * (12.01 / 5)
    expected = [[1 / 4, 1 / 2, 1 / threshold], [1 / 6, 1 / threshold, 1 / threshold]]
    assert np.allclose(time_precision(std), expected, rtol=1e-12)


@given(st.floats(1e-3, 1e3))
def test_normalised_responses_have_no_unit(scale: float) -> None:
    std = np.random.default_rng(0).gamma(1.0, 1.0, (3, 5))
    assert np.allclose(time_precision(std * scale) * scale, time_precision(std), rtol=1e-9)
