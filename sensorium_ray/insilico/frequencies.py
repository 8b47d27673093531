"""What a tuning curve over frequencies says: the preferred one, the bandwidth in octaves and the kind of pass."""

from __future__ import annotations

import numpy as np

_HALF = 0.5
"""Of the greatest response, less that to a blank screen, at which a curve's sides lie."""

PASSES = ("low", "band", "high", "all")
"""Kinds of tuning: to low frequencies, to a band, to high ones, and to none."""


def describe_frequencies(
    curves: np.ndarray, frequencies: np.ndarray, blank: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Preferred frequencies, bandwidths and passes, as De Valois, Albrecht & Thorell (1982, Vision Res. 22) tell them.

    Parameters
    ----------
    curves : (neurons, frequencies), responses.
    frequencies : in ascending order.
    blank : (neurons,), responses to a blank screen.

    Returns
    -------
    preferred : (neurons,), at the top of the parabola through the greatest response and its two neighbours, over the
        frequencies' logarithms; the frequency itself where it is the lowest or the highest. NaN where no response is
        above that to a blank screen.
    bandwidth : (neurons,) octaves, between the sides on which the curve falls to half; NaN where it does not on both.
    passes : (neurons,) unicode: 'band', 'low' where it does not fall at lower frequencies, 'high' where it does not at
        higher ones, 'all' where it does on neither side; '' where no response is above that to a blank screen.
    """
    octaves = np.log2(frequencies)
    described = [_describe(curve, octaves) for curve in curves - blank[:, None]]
    preferred, bandwidth, passes = zip(*described, strict=True)
    return 2.0 ** np.asarray(preferred), np.asarray(bandwidth), np.asarray(passes, "<U4")


def _describe(curve: np.ndarray, octaves: np.ndarray) -> tuple[float, float, str]:
    best = int(curve.argmax())
    if not curve[best] > 0:
        return np.nan, np.nan, ""
    below = _side(curve[best::-1], octaves[best::-1])
    above = _side(curve[best:], octaves[best:])
    falls = np.isfinite(below), np.isfinite(above)
    passes = {(True, True): "band", (False, True): "low", (True, False): "high", (False, False): "all"}[falls]
    return _top(curve, octaves, best), abs(above - below), passes


def _top(curve: np.ndarray, octaves: np.ndarray, best: int) -> float:
    """Where the parabola through a greatest response and its neighbours is highest."""
    if best in (0, len(curve) - 1):
        return float(octaves[best])
    left, right = octaves[best] - octaves[best - 1], octaves[best + 1] - octaves[best]
    rise, fall = (curve[best] - curve[best - 1]) / left, (curve[best] - curve[best + 1]) / right
    if rise + fall == 0:
        return float(octaves[best])
    return float(octaves[best] + (rise * right - fall * left) / (rise + fall) / 2)


def _side(curve: np.ndarray, octaves: np.ndarray) -> float:
    """Where a curve that begins with its greatest value falls to half of it; NaN where it does not."""
    half = _HALF * curve[0]
    low = np.flatnonzero(curve < half)
    if not len(low):
        return np.nan
    end = low[0]
    share = (curve[end - 1] - half) / (curve[end - 1] - curve[end])
    return float(octaves[end - 1] + share * (octaves[end] - octaves[end - 1]))
