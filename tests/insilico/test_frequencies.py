"""What a tuning curve over frequencies says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_ray.insilico.frequencies import describe_frequencies

FREQUENCIES = 2.0 ** np.arange(-4, 3.5, 0.5)


def curve(preferred: float, width: float) -> np.ndarray:
    """Gaussian of the frequency's octaves; width is its standard deviation."""
    return np.exp(-((np.log2(FREQUENCIES / preferred)) ** 2) / (2 * width**2))


@given(st.floats(0.3, 2.0), st.floats(0.5, 0.9), st.floats(0, 5), st.floats(0.1, 100))
def test_a_gaussian_of_octaves_is_recovered(preferred: float, width: float, blank: float, scale: float) -> None:
    values = blank + scale * curve(preferred, width)
    found, bandwidth, passes = describe_frequencies(values[None], FREQUENCIES, np.array([blank]))
    assert np.log2(found[0] / preferred) == pytest.approx(0, abs=0.03)
    assert bandwidth[0] == pytest.approx(2 * np.sqrt(2 * np.log(2)) * width, abs=0.2)
    assert passes[0] == "band"


def test_passes_are_told_apart() -> None:
    band = curve(0.5, 0.8)
    top = int(band.argmax())
    low, high = band.copy(), band.copy()
    low[:top] = high[top:] = 1
    curves = np.stack([band, low, high, np.ones_like(band), np.zeros_like(band)])
    found, bandwidth, passes = describe_frequencies(curves, FREQUENCIES, np.zeros(5))
    assert passes.tolist() == ["band", "low", "high", "all", ""]
    assert np.isfinite(bandwidth).tolist() == [True, False, False, False, False]
    assert np.isfinite(found).tolist() == [True, True, True, True, False]


def test_the_ends_are_not_extrapolated() -> None:
    rising = np.arange(len(FREQUENCIES), dtype=float)
    found, _, passes = describe_frequencies(np.stack([rising, rising[::-1]]), FREQUENCIES, np.zeros(2))
    assert found.tolist() == [FREQUENCIES[-1], FREQUENCIES[0]]
    assert passes.tolist() == ["high", "low"]
