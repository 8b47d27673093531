"""Frequency tuning recovers the frequencies that neurons prefer."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico.run import run_experiment
from sensorium_ray.insilico.screen import MONITOR, Screen
from sensorium_ray.insilico.subject import Subject


def test_a_simulated_mouses_frequencies_are_recovered(subject: Subject, truth: pd.DataFrame) -> None:
    found = run_experiment("frequency_tuning", subject, directions=4, seconds=1.0)
    pixels = 1 / (found["preferred_spatial_frequency"].values * Screen(MONITOR, subject.frame_shape).degrees_per_pixel)
    octaves = np.log2(truth["wavelength"].to_numpy() / pixels)
    assert spearmanr(pixels, truth["wavelength"]).statistic > 0.8
    # Not the same: a narrow Gabor is of many frequencies, none of them low, and its neighbours' energy divides it.
    assert np.median(np.abs(octaves)) < 0.75
    # The simulator's pairs of temporal filters are sorted by how fast they are.
    assert spearmanr(found["preferred_temporal_frequency"], truth["temporal"]).statistic > 0.7
    assert found["spatial_pass"].isin(["low", "band"]).mean() > 0.9
    widths = found["spatial_bandwidth"].values
    assert np.array_equal(np.isfinite(widths), found["spatial_pass"].values == "band")


def test_tuning_goes_through_the_best_response(subject: Subject) -> None:
    found = run_experiment(
        "frequency_tuning",
        subject,
        directions=2,
        spatial_frequencies=[0.08, 0.02, 0.04],
        temporal_frequencies=[1.0, 2.0, 4.0],
    )
    assert found["spatial_frequency"].values.tolist() == [0.02, 0.04, 0.08]
    greatest = found["response"].max(("spatial_frequency", "temporal_frequency"))
    assert found["spatial_tuning"].max("spatial_frequency").equals(greatest)
    assert found["temporal_tuning"].max("temporal_frequency").equals(greatest)


def test_impossible_settings_are_refused(subject: Subject) -> None:
    for settings, sentence in (
        ({"spatial_frequencies": [0.02, 0.04]}, "spatial_frequencies: are .* give three or more different ones"),
        ({"temporal_frequencies": [1.0, 2.0, 20.0]}, "temporal frequency: of 20 .* give at most 15 Hz"),
        ({"directions": 0}, "directions: is 0; give 1 or more"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            run_experiment("frequency_tuning", subject, **settings)
