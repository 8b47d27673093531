"""Families are shown with their parameters, and told apart."""

import numpy as np
import pytest
from insilico.pretended import pretend

from sensorium_ray.benchmark import FAMILIES
from sensorium_ray.data.stimuli import STIMULI
from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico.experiments.families import read_parameters
from sensorium_ray.insilico.run import run_experiment
from sensorium_ray.insilico.subject import Subject

SHORT = {"seeds": 2, "settle": 0.2, "seconds": 0.8}


def test_every_family_is_shown_with_every_seed() -> None:
    subject = pretend(lambda clip: clip.video.std((1, 2))[None] * [[1], [2], [3]], neurons=3)
    found = run_experiment("families", subject, seed=7, **SHORT)
    assert found["family"].values.tolist() == list(FAMILIES)
    assert found["seed"].values.tolist() == [7, 8]
    for family in FAMILIES:
        shown = STIMULI[family](np.random.default_rng(8), 30).astype(np.float32)[6:]
        told = found["response"].sel(family=family, seed=8).values
        assert told == pytest.approx(shown.std((1, 2)).mean() * np.array([1, 2, 3]), rel=1e-4)
    assert np.allclose(found["similarity"], 1, atol=1e-6)


def test_parameters_are_those_of_the_stimuli() -> None:
    subject = pretend(lambda clip: clip.video.max((1, 2))[None])
    given = ["gaussian_dots.contrast=30", "gaussian_dots.radius=[2, 3]", "images.shown=3"]
    found = run_experiment("families", subject, families=["gaussian_dots", "images"], parameters=given, **SHORT)
    shown = STIMULI["gaussian_dots"](np.random.default_rng(0), 30, contrast=30, radius=(2, 3))[6:]
    assert found["response"][0, 0, 0] == pytest.approx(shown.max((1, 2)).mean(), rel=1e-5)
    assert read_parameters(("images",), ("images.contrast=0.5",)) == {"images": {"contrast": 0.5}}


def test_a_simulated_mouse_tells_families_apart(few: Subject) -> None:
    found = run_experiment("families", few, **SHORT)
    assert np.allclose(np.diag(found["similarity"]), 1)
    assert found["similarity"].min() < 0.95
    assert ((found["sparseness"] >= 0) & (found["sparseness"] <= 1)).all()


def test_impossible_settings_are_refused(few: Subject) -> None:
    for settings, sentence in (
        ({"families": ["film"]}, "there is no family 'film'"),
        ({"families": []}, "families: are .*; name one or more, each once"),
        ({"seeds": 0}, "seeds: is 0; give 1 or more"),
        ({"parameters": ["coherence"]}, "'coherence' is no parameter of .*; write FAMILY.NAME=VALUE"),
        ({"parameters": ["random_dots.coherence=all"]}, "random_dots.coherence: 'all' is no number"),
        (
            {"parameters": ["random_dots.coherent=1.0"]},
            "random_dots: has no setting 'coherent'; did you mean 'coheren",
        ),
        ({"parameters": ["random_dots.dots=1.5"]}, "random_dots: has 1.5 for dots; give one like 90"),
        ({"parameters": ["random_dots.dots=1000000"]}, "random_dots.dots: is 1000000; give numbers from 0 to 1000"),
        ({"parameters": ["images.shown=0", "images.blank=0"]}, "parameters of images: allow no video"),
        ({"families": ["movie"], "parameters": ["images.shown=3"]}, "'images.shown=3' is no parameter of movie"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            run_experiment("families", few, **{**SHORT, **settings})


def test_scenes_of_no_length_end() -> None:
    assert STIMULI["movie"](np.random.default_rng(0), 3, scene_frames=0.0).shape == (3, 36, 64)
