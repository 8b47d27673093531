"""Search spaces: by name or by file, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium_ray.errors import ConfigError
from sensorium_ray.models import find
from sensorium_ray.search.spaces import load

GOOD = '{"model": {"channels": 4}, "training": {"learning_rate": tune.loguniform(1e-3, 1e-2)}}'


def _write(path: Path, space: str, more: str = "") -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"from ray import tune\nSPACE = {space}\n{more}\n")
    return str(path)


@pytest.mark.parametrize("name", find.names())
def test_every_architecture_has_its_published_point_and_a_space_around_it(name: str) -> None:
    (space,) = load([name])
    assert space.published is not None
    point = space.draw(0, 1)
    searched = {key for key, _ in space.domains().items()}
    for part, settings in space.published.items():
        for setting, value in settings.items():
            if (part, setting) not in searched:
                assert point[part][setting] == value, "what is not searched is as published"


def test_a_draw_repeats_itself_and_stays_in_the_space() -> None:
    (space,) = load(["factorised3d"])
    first, again, other = space.draw(0, 1), space.draw(0, 1), space.draw(0, 2)
    assert first == again
    assert first != other
    assert 1e-3 <= first["training"]["learning_rate"] <= 1e-2


def test_a_file_of_ones_own_is_a_space_of_the_architecture_that_it_is_named_like(tmp_path: Path) -> None:
    path = _write(tmp_path / "mine" / "linear_nonlinear.py", GOOD)
    (space,) = load([path])
    assert (space.architecture, space.published) == ("linear_nonlinear", None)
    assert space.draw(0, 0)["model"] == {"channels": 4}


def test_the_files_of_the_package_are_the_spaces_of_their_names() -> None:
    folder = Path(__file__).parents[2] / "tune_spaces"
    by_name, by_file = load(["dwiseneuro"])[0], load([str(folder / "dwiseneuro.py")])[0]
    assert by_name.describe() == by_file.describe()
    assert by_name.published == by_file.published


def test_two_spaces_of_one_architecture_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "linear_nonlinear.py", GOOD)
    with pytest.raises(ConfigError, match="linear_nonlinear: has two spaces"):
        load(["linear_nonlinear", path])


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (GOOD.replace("channels", "chanels"), r"linear_nonlinear: has no setting 'chanels'; did you mean 'channels'"),
        (GOOD.replace("learning_rate", "lr"), r"has no training setting 'lr'; .*known: .*learning_rate"),
        (GOOD.replace('"model"', '"modle"'), r"has no SPACE with the parts 'model' and 'training'"),
        (GOOD.replace("}}", ", 'average': tune.uniform(0.5, 1.5)}}"), r"training: average: is 1\.\d+; give 0 or more"),
        (GOOD.replace("1e-3", "-1.0").replace("loguniform", "uniform"), r"training: learning_rate: is -\d"),
        (GOOD.replace("}}", ", 'epochs': 3}}"), r"has no training setting 'epochs'"),
        (GOOD.replace("}}", ", 'batch': 'many'}}"), r"training: has a value of the wrong kind"),
        (GOOD.replace("tune.", "tuna."), r"cannot be read as Python \(NameError: name 'tuna' is not defined\)"),
        ("{", r"cannot be read as Python \(SyntaxError"),
    ],
)
def test_what_no_tune_trial_could_be_made_of_is_refused(tmp_path: Path, space: str, sentence: str) -> None:
    path = _write(tmp_path / "linear_nonlinear.py", space)
    with pytest.raises(ConfigError, match=sentence) as refused:
        load([path])
    assert path in str(refused.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("factorized3d", "there is no architecture 'factorized3d'; did you mean 'factorised3d'"),
        ("mine/dwiseneuro.py", "mine/dwiseneuro.py: file is missing; name a file, or one of .*dwiseneuro"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(name: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load([name])


def test_a_file_that_is_named_like_no_architecture_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "factorised.py", GOOD)
    with pytest.raises(ConfigError, match="there is no architecture 'factorised'; did you mean 'factorised3d'"):
        load([path])
