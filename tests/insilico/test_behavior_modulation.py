"""Behaviour modulation recovers the gains of running and pupil size."""

import numpy as np
import pandas as pd
import pytest
from insilico.pretended import pretend

from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico.run import run_experiment
from sensorium_ray.insilico.subject import Subject

SHORT = {"seconds": 1.0, "speeds": [0.0, 20.0, 40.0], "pupils": [-15.0, 0.0, 15.0]}


@pytest.mark.parametrize("clip", ["movie", "grating", "grey"])
def test_a_simulated_mouses_gains_are_recovered(subject: Subject, truth: pd.DataFrame, clip: str) -> None:
    found = run_experiment("behavior_modulation", subject, clip=clip, **SHORT)
    assert np.allclose(found["running_gain"], truth["running_gain"], atol=1e-4)
    assert np.allclose(found["pupil_gain"], truth["pupil_gain"], atol=1e-4)
    expected = np.tanh(truth["running_gain"].to_numpy())  # of 40 cm/s, which is twice the unit, half of it each way
    assert np.allclose(found["running_index"], expected, atol=1e-4)


@pytest.mark.parametrize(("behavior", "pupil", "running"), [((50.0, 3.0), 0, 1), ((50.0, 0.5, 3.0), 0, 2)])
def test_channels_are_those_of_the_mouse(behavior: tuple, pupil: int, running: int) -> None:
    def answer(clip):  # type: ignore[no-untyped-def]
        state = clip.behavior
        return np.exp(0.3 * state[running] / 20 - 0.1 * (state[pupil] - 50) / 15)[None]

    found = run_experiment("behavior_modulation", pretend(answer, behavior=behavior), clip="grey", **SHORT)
    assert found["running_gain"].item() == pytest.approx(0.3, abs=1e-3)
    assert found["pupil_gain"].item() == pytest.approx(-0.1, abs=1e-3)


def test_a_silent_neuron_has_no_gain() -> None:
    found = run_experiment("behavior_modulation", pretend(lambda clip: np.zeros((1, 1))), clip="grey", **SHORT)
    assert np.isnan(found["running_gain"]).all()
    assert np.isnan(found["running_index"]).all()


def test_impossible_settings_are_refused(subject: Subject) -> None:
    for settings, sentence in (
        ({"clip": "film"}, "there is no family 'film'"),
        ({"speeds": [10.0]}, "speeds: are .* give two or more different ones"),
        ({"speeds": [-5.0, 10.0]}, "speeds: are .* give none below 0"),
        ({"pupils": [float("nan"), 0.0]}, "pupils: are .* give one number or more"),
        ({"pupils": [-60.0, 0.0]}, "pupils: leave a pupil of -10 pixels; the mouse's mean is 50"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            run_experiment("behavior_modulation", subject, **settings)
    with pytest.raises(ConfigError, match="has 1 channels of behaviour; this experiment knows mice of 3 or 2"):
        run_experiment("behavior_modulation", pretend(lambda clip: np.ones((1, 1)), behavior=(50.0,)), clip="grey")
