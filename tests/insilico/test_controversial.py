"""Controversial pictures excite one model and not the other, as long as the two differ."""

from dataclasses import replace

import numpy as np
import pytest
from insilico.gabors import filters, gabor_subject
from matplotlib.figure import Figure

from sensorium_ray.bundle.manifest import Manifest
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.errors import ConfigError, DataError
from sensorium_ray.insilico.local import bundle_subject
from sensorium_ray.insilico.run import draw_experiment, run_experiment

QUICK = {"iterations": 25, "natural": 4, "smoothness": 1.0, "seconds": 0.2}


def test_models_of_opposite_phases_are_told_apart_and_equal_ones_are_not() -> None:
    """They differ about the simple cell, whose phase is turned, and not about the complex one, which has none."""
    result = run_experiment("controversial", gabor_subject().beside(gabor_subject(-1.0)), **QUICK)
    assert result["image"].sizes["excited"] == 2
    best = result.isel(start=result["best"])
    assert (best["controversy"].values[0] > 1).all()
    np.testing.assert_allclose(best["controversy"].values[1], 0, atol=1e-4)
    excited = best["drive"].values[0]
    assert excited[0, 0] > excited[0, 1] + 1
    assert excited[1, 1] > excited[1, 0] + 1
    simple = filters()[0].sum(axis=0).real
    likeness = [np.corrcoef(picture[0].ravel(), simple.ravel())[0, 1] for picture in best["image"].values[0]]
    assert likeness[0] > 0.9
    assert likeness[1] < -0.9
    assert result.attrs["against"] == "gabors -1"


def test_two_real_models_differ_more_about_such_pictures_than_about_noise() -> None:
    mouse = Manifest.read(PRETRAINED / "gru").mice[0].name
    first, second = (
        bundle_subject(PRETRAINED / name, mouse, [50, 100]) for name in ("linear_nonlinear", "factorised3d")
    )
    quick = {"iterations": 6, "natural": 2, "seconds": 0.1, "blank": 0.1, "seeds": 1}
    result = run_experiment("controversial", first.beside(second), **quick)
    difference = result["drive"].sel(answering="model") - result["drive"].sel(answering="against")
    np.testing.assert_allclose(abs(difference).isel(start=0), abs(result["controversy"]), rtol=1e-3, atol=1e-4)
    assert (result["controversy"] > result["ascent"].isel(iteration=0, start=0)).all()
    assert result.attrs["against_checksum"] == second.checksum
    assert isinstance(draw_experiment(result), Figure)


def test_what_cannot_be_compared_is_refused() -> None:
    subject = gabor_subject()
    with pytest.raises(ConfigError, match="controversial: has no other model to compare with"):
        run_experiment("controversial", subject)
    for change, sentence in (
        ({"unit_ids": np.array([7, 8])}, "has other neurons than gabors"),
        ({"mouse": "another"}, "has another mouse than gabors"),
        ({"rate": 8.0}, "has another rate than gabors"),
    ):
        with pytest.raises(DataError, match=sentence):
            subject.beside(replace(gabor_subject(), **change))  # type: ignore[arg-type]
