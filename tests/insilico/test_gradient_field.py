"""Fields by gradient are the filters of neurons whose filters are known; those of models hold all that neurons see."""

import numpy as np
import pytest
from insilico.gabors import CENTRES, LAGS, RATE, filters, gabor_subject
from matplotlib.figure import Figure

from sensorium_ray.bundle.manifest import Manifest
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico.local import bundle_subject
from sensorium_ray.insilico.patterns import aperture, behind
from sensorium_ray.insilico.run import draw_experiment, run_experiment
from sensorium_ray.insilico.screen import MONITOR, Screen

QUICK = {"noises": 4, "lags": LAGS / RATE, "before": 0.1}


def test_the_field_of_a_simple_cell_is_its_filter_at_every_lag() -> None:
    result = run_experiment("gradient_field", gabor_subject(), **QUICK)
    field, expected = result["field"].values[0], filters()[0].real
    assert field.shape == expected.shape
    assert np.corrcoef(field.ravel(), expected.ravel())[0, 1] > 0.99
    np.testing.assert_allclose(result["lag"], np.arange(LAGS) / RATE)
    assert result["best_lag"].values[0] == result["lag"].values[(expected**2).sum(axis=(1, 2)).argmax()]
    place = result[["field_y", "field_x"]].isel(neuron=0).to_array().values
    np.testing.assert_allclose(place, CENTRES[0], atol=1.5)


def test_what_the_neuron_does_not_see_yet_does_not_count() -> None:
    longer = run_experiment("gradient_field", gabor_subject(), **{**QUICK, "lags": 2 * LAGS / RATE})["field"]
    assert abs(longer.values[:, LAGS:]).max() == 0


def test_a_models_neurons_see_what_lies_in_their_fields() -> None:
    bundle = PRETRAINED / "linear_nonlinear"
    subject = bundle_subject(bundle, Manifest.read(bundle).mice[0].name, [3, 50, 100])
    found = run_experiment("gradient_field", subject, noises=2, before=0.0)
    rng = np.random.default_rng(5)
    frames = rng.uniform(0, 255, (20, *subject.frame_shape))
    screen = Screen(MONITOR, subject.frame_shape)
    (whole,) = subject.respond([subject.clip(frames)])
    for neuron in range(subject.neurons):
        centre = (float(found["field_azimuth"][neuron]), float(found["field_elevation"][neuron]))
        inside = aperture(screen, centre, 2 * float(found["field_diameter"][neuron]))
        near, far = subject.respond(subject.clip(behind(part, frames)) for part in (inside, 1 - inside))
        np.testing.assert_allclose(near[neuron], whole[neuron], rtol=0.05)
        assert abs(far[neuron] - whole[neuron]).max() > 5 * abs(near[neuron] - whole[neuron]).max()


def test_a_blank_screen_serves_as_well_and_seeds_decide() -> None:
    blank, noisy, other = (
        run_experiment("gradient_field", gabor_subject(), **{**QUICK, **change})["field"].values
        for change in ({"contrast": 0.0, "noises": 1}, {}, {"seed": 1})
    )
    assert np.corrcoef(blank[0].ravel(), noisy[0].ravel())[0, 1] > 0.99
    assert abs(noisy - other).max() > 0


def test_it_draws_itself() -> None:
    assert isinstance(draw_experiment(run_experiment("gradient_field", gabor_subject(), **QUICK)), Figure)


def test_impossible_settings_are_refused() -> None:
    for settings, sentence in (
        ({"noises": 0}, "noises: is 0; give 1 or more"),
        ({"before": -0.1}, "give 0 or more, and at most 60 seconds in all"),
        ({"lags": 61.0}, "at most 60 seconds in all"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            run_experiment("gradient_field", gabor_subject(), **settings)
