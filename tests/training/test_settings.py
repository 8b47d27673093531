"""Settings: the nearest of a misspelt one, and what is out of range."""

import pytest

from sensorium_ray.errors import ConfigError
from sensorium_ray.training.settings import TrainSettings


def test_a_misspelt_setting_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="training: has no setting 'learning_rte'; did you mean 'learning_rate'"):
        TrainSettings.of({"learning_rte": 1e-3})


def test_a_value_of_the_wrong_kind_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="has a value of the wrong kind"):
        TrainSettings.of({"epochs": "many"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("mice", 0),
        ("micro_batch", 0),
        ("cutmix", 1.5),
        ("distil", 1.0),
        ("average", -0.1),
        ("clip_norm", -1.0),
        ("fold", 8),
        ("folds", 1),
        ("precision", "float8"),
    ],
)
def test_what_is_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"training: {name}: is {value}"):
        TrainSettings.of({name: value})
