"""Size tuning: preferred sizes and suppression are those of the neurons."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico.conditions import Timing
from sensorium_ray.insilico.experiments.size_tuning import summary
from sensorium_ray.insilico.patterns import aperture, behind, grating
from sensorium_ray.insilico.run import run_experiment
from sensorium_ray.insilico.screen import MONITOR, Screen
from sensorium_ray.insilico.subject import Subject

TIMES = {"blank": 0.3, "settle": 0.3, "seconds": 0.5}
DIAMETERS = np.array([5.0, 10.0, 20.0, 40.0])


def test_curves_tell_size_and_suppression() -> None:
    curves = [[1, 4, 8, 2], [1, 4, 7.9, 8], [0, 0, 0, 0], [np.nan] * 4, [2, 2, 1, 1]]
    response = xr.DataArray(curves, {"diameter": DIAMETERS}, ("neuron", "diameter"))
    found = summary(response, xr.DataArray([1, 1, 0, 1, 2], dims="neuron"), 0.1)
    assert found["preferred_size"].values[:2].tolist() == [20, 20]
    assert found["suppression_index"].values[:2].tolist() == pytest.approx([0.75, 0])
    assert np.isnan(found["preferred_size"].values[2:]).all()
    assert np.isnan(found["suppression_index"].values[2:]).all()
    assert found["suppressed"].values.tolist() == [True, False, False, False, False]


def test_a_simulated_mouses_suppression_is_recovered(few: Subject, truth: pd.DataFrame) -> None:
    """The same as of discs that are centred on each neuron's true field."""
    threshold = 0.85  # that about half of these neurons exceed
    found = run_experiment("size_tuning", few, suppressed=threshold, **TIMES)
    screen = Screen(MONITOR, few.frame_shape)
    timing = Timing.of(few, **TIMES)
    centres = np.column_stack(screen.degrees(truth["rf_x"].to_numpy(), truth["rf_y"].to_numpy()))
    own = found["response"].copy()
    for neuron in range(few.neurons):
        drift = {
            name: found[f"best_{name}"].values[neuron]
            for name in ("direction", "spatial_frequency", "temporal_frequency")
        }
        full = grating(screen, timing.times, **drift)
        discs = (behind(aperture(screen, centres[neuron], size), full) for size in found["diameter"].values)
        answers = few.respond(few.clip(timing.after_blank(screen, disc)) for disc in discs)
        own[neuron] = [timing.mean(answer)[neuron] for answer in answers]
    true = xr.Dataset(summary(own, found["blank"], threshold))
    assert abs(true["suppression_index"] - found["suppression_index"]).median() < 0.05
    assert (true["suppressed"] == found["suppressed"]).mean() > 0.85
    assert 0.2 < true["suppressed"].mean() < 0.8
    assert abs(np.log2(true["preferred_size"] / found["preferred_size"])).median() == 0


def test_impossible_settings_are_refused(subject: Subject) -> None:
    for settings, sentence in (
        ({"diameters": [10.0]}, "diameters: are .* give two or more different ones"),
        ({"spacing": 0.0}, "spacing: is 0.0"),
        ({"suppressed": 1.5}, "suppressed: is 1.5; give an index from 0 to 1"),
        ({"directions": 1}, "directions: is 1; give 3 or more"),
        ({"minutes": -1.0}, "minutes: is -1.0"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            run_experiment("size_tuning", subject, **settings)
