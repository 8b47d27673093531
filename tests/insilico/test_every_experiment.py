"""Every experiment of conditions is found by its name, says what made it, survives a file and draws itself."""

import json
from dataclasses import fields
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from insilico.pretended import pretend

from sensorium_ray.benchmark import RESPONSE_UNITS
from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico import find
from sensorium_ray.insilico.run import draw_experiment, run_experiment
from sensorium_ray.insilico.subject import Subject
from sensorium_ray.results import ENDINGS, load_result, save_result
from sensorium_ray.version import package_version

CHEAP = {
    "behavior_modulation": {"speeds": [0.0, 20.0], "pupils": [-5.0, 5.0], "seconds": 0.3},
    "contrast_response": {"contrasts": [0.1, 0.2, 0.5, 1.0], "directions": 2, "seconds": 0.3},
    "direction_tuning": {"directions": 4, "spatial_frequencies": [0.05], "seconds": 0.3},
    "families": {"seeds": 1, "settle": 0.1, "seconds": 0.3},
    "frequency_tuning": {
        "directions": 2,
        "spatial_frequencies": [0.02, 0.04, 0.08],
        "temporal_frequencies": [1.0, 2.0, 4.0],
        "seconds": 0.5,
    },
    "natural_clips": {"clips": 2, "settle": 0.2, "seconds": 0.3},
    "size_tuning": {"diameters": [10.0, 40.0], "spacing": 20.0, "directions": 4, "minutes": 0.5, "seconds": 0.3},
    "sparse_noise": {"minutes": 0.5},
}


@pytest.mark.parametrize("name", CHEAP)
def test_an_experiment_from_its_name_to_its_picture(few: Subject, tmp_path: Path, name: str) -> None:
    found = run_experiment(name, few, **CHEAP[name])
    assert found["unit_id"].values.tolist() == few.unit_ids.tolist()
    settings = json.loads(found.attrs.pop("settings"))
    assert {key: settings[key] for key in CHEAP[name]} == CHEAP[name]
    assert found.attrs == {
        "experiment": name,
        "model": "simulation",
        "checksum": few.checksum,
        "mouse": few.mouse,
        "version": package_version(),
        "units": RESPONSE_UNITS,
    }
    for ending in ENDINGS:
        save_result(found, tmp_path / f"result{ending}")
        xr.testing.assert_identical(load_result(tmp_path / f"result{ending}"), found)
    picture = BytesIO()
    draw_experiment(found).savefig(picture, dpi=30)
    assert picture.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", CHEAP)
def test_silent_neurons_are_drawn_too(name: str) -> None:
    """Two of them, fewer than a picture has room for, which answer nothing at all."""
    found = run_experiment(name, pretend(lambda clip: np.zeros((2, 1)), neurons=2), **CHEAP[name])
    draw_experiment(found)


@pytest.mark.parametrize("name", CHEAP)
def test_every_setting_is_explained(name: str) -> None:
    config = find.experiment(name).Config
    for field in fields(config):
        assert any(
            field.name in line.partition(" : ")[0].split(", ")
            for line in (text.strip() for text in config.__doc__.splitlines())
            if " : " in line
        ), field.name


def test_unknown_experiments_and_settings_are_refused(few: Subject) -> None:
    assert set(CHEAP) <= set(find.names())
    with pytest.raises(ConfigError, match="there is no experiment 'size_tunning'; did you mean 'size_tuning'"):
        run_experiment("size_tunning", few)
    with pytest.raises(ConfigError, match="size_tuning: has no setting 'diameter'; did you mean 'diameters'"):
        run_experiment("size_tuning", few, diameter=3)
    with pytest.raises(ConfigError, match="size_tuning: has 3 for diameters; give one like"):
        run_experiment("size_tuning", few, diameters=3)
    with pytest.raises(ConfigError, match=r"monitor: is .*; give width, height and distance in cm"):
        run_experiment("size_tuning", few, monitor=[50.0, 30.0])
    with pytest.raises(ConfigError, match="there is no experiment ''"):
        draw_experiment(xr.Dataset())
