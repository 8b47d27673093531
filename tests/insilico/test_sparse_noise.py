"""Sparse noise finds where receptive fields lie."""

import numpy as np
import pandas as pd
import pytest
from insilico.pretended import pretend

from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico.run import run_experiment
from sensorium_ray.insilico.subject import Subject


def test_a_simulated_mouses_fields_are_recovered(subject: Subject, truth: pd.DataFrame) -> None:
    found = run_experiment("sparse_noise", subject)
    distance = np.hypot(found["field_x"] - truth["rf_x"].to_numpy(), found["field_y"] - truth["rf_y"].to_numpy())
    assert np.median(distance) < 0.7  # pixels
    assert (distance > 4).sum() <= 2
    assert (found["lag"] > 0).all()


def test_fields_tell_white_from_black_and_when() -> None:
    """A neuron that answers a white pixel, and one that answers a black one, three frames later."""

    def answer(clip):  # type: ignore[no-untyped-def]
        white, black = clip.video[:, 10, 20] > 200, clip.video[:, 25, 50] < 50
        return np.roll(np.stack([white, black]), 3, axis=1)

    subject = pretend(answer, neurons=2)
    found = run_experiment("sparse_noise", subject, minutes=3.0)
    assert found["field_x"].values == pytest.approx([20, 50], abs=1)
    assert found["field_y"].values == pytest.approx([10, 25], abs=1)
    # Squares stay for six frames, so a response begins with them and outlasts them.
    assert ((found["lag"].values >= 3 / 30) & (found["lag"].values < 9 / 30)).all()
    white, black = found["field"].max(("elevation", "azimuth")).values.T
    assert white[0] > 1.5 * black[0]
    assert black[1] > 1.5 * white[1]


def test_the_same_seed_shows_the_same_noise(subject: Subject) -> None:
    first, again, other = (
        run_experiment("sparse_noise", subject, minutes=0.3, seed=seed)["field"] for seed in (1, 1, 2)
    )
    assert first.equals(again)
    assert not first.equals(other)


def test_a_silent_neuron_has_no_field() -> None:
    found = run_experiment("sparse_noise", pretend(lambda clip: np.zeros((1, 1))), minutes=0.3)
    assert np.isnan(found["field_azimuth"]).all()
    assert (found["field_clearness"] == 0).all()


def test_impossible_settings_are_refused(subject: Subject) -> None:
    for settings, sentence in (
        ({"size": 0.0}, "size: is 0.0; give one number or more above 0"),
        ({"step": 0.5}, "step: is 0.5; give at least 1.94, which is a pixel"),
        ({"at_once": 0}, "at_once: is 0; give 1 or more"),
        ({"seed": -1}, "seed: is -1; give 0 or more"),
        ({"lags": 20.0}, "shown and lags: are 0.2 and 20.0; give at most 5 and 2.5 s"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            run_experiment("sparse_noise", subject, **settings)
