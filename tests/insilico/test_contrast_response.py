"""Contrast response curves are recovered, and hold at contrasts that were not shown."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico.experiments.contrast_response import fit, naka_rushton
from sensorium_ray.insilico.run import run_experiment
from sensorium_ray.insilico.subject import Subject

CONTRASTS = np.array([0, 0.02, 0.04, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0])


@settings(max_examples=25)
@given(st.floats(0.08, 0.6), st.floats(1, 4), st.floats(0.1, 50), st.floats(0, 5))
def test_a_curve_is_recovered(c50: float, exponent: float, r_max: float, baseline: float) -> None:
    found = fit(CONTRASTS, naka_rushton(CONTRASTS, c50, exponent, r_max, baseline))
    assert found[:4] == pytest.approx([c50, exponent, r_max, baseline], rel=0.02, abs=0.02 * r_max)
    assert found[4] > 0.999


def test_a_flat_response_has_no_curve() -> None:
    assert np.isnan(fit(CONTRASTS, np.full(len(CONTRASTS), 2.0))).all()


def test_what_no_curve_describes_is_told_by_r_squared() -> None:
    assert fit(CONTRASTS, np.array([0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0.0]))[4] < 0.5


def test_a_simulated_mouses_responses_at_other_contrasts_are_foretold(subject: Subject) -> None:
    short = {"directions": 4, "spatial_frequencies": [0.05], "settle": 0.3, "seconds": 0.5}
    found = run_experiment("contrast_response", subject, **short)
    assert found["r_squared"].median() > 0.99
    # Energy over a constant and the pool's energy (data.cortex) is a curve of exponent 2; a threshold makes it steeper.
    assert 1.8 < found["exponent"].median() < 3
    others = run_experiment("contrast_response", subject, **short, contrasts=[0.06, 0.15, 0.3, 0.6])
    same = found["best_direction"].values == others["best_direction"].values
    assert same.mean() > 0.8
    curve = [found[name].values[same, None] for name in ("c50", "exponent", "r_max", "baseline")]
    foretold = naka_rushton(others["contrast"].values, *curve)
    error = np.abs(foretold - others["response"].values[same]) / found["response"].values[same].max(axis=1)[:, None]
    assert np.isfinite(error).mean() > 0.9  # of the others this grating drives none
    assert np.nanmedian(error) < 0.02
    assert np.nanquantile(error, 0.95) < 0.06


def test_impossible_settings_are_refused(subject: Subject) -> None:
    for wrong, sentence in (
        ({"contrasts": [0.1, 0.5, 1.0]}, "contrasts: are .* give four or more different ones, at most 1"),
        ({"contrasts": [0.1, 0.3, 0.5, 1.5]}, "contrasts: are .* at most 1"),
        ({"contrasts": [0.0, 0.3, 0.5, 1.0]}, "contrasts: are .* above 0"),
        ({"directions": 0}, "directions: is 0; give 1 or more"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            run_experiment("contrast_response", subject, **wrong)
