"""What is said where a cluster cannot be joined."""

from __future__ import annotations

from typing import Any

import pytest
import ray
from ray._private.utils import check_version_info

from sensorium_ray import compute
from sensorium_ray.errors import ConfigError


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets `ray.init` do something else, as if this process were in no cluster."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    return lambda init: monkeypatch.setattr(ray, "init", lambda **_: init())


def test_a_cluster_with_another_ray_or_python_is_refused_in_one_sentence(refusing: Any) -> None:
    refusing(lambda: check_version_info({"ray_version": "2.9.1", "python_version": "3.12.4"}, "node 10.0.0.7"))
    with pytest.raises(
        ConfigError,
        match=rf"at '10\.0\.0\.1:6379': runs Ray 2\.9\.1, Python 3\.12\.4, and this machine Ray {ray.__version__}",
    ):
        compute.connect("10.0.0.1:6379")


@pytest.mark.parametrize("error", [ConnectionError("Failed"), ray.exceptions.AuthenticationError("Token missing")])
def test_a_cluster_that_does_not_let_us_in_is_told_in_one_sentence(refusing: Any, error: Exception) -> None:
    def fail() -> None:
        raise error

    refusing(fail)
    with pytest.raises(
        ConfigError, match=r"at 'auto': does not answer, or refuses this machine's token; .*RAY_AUTH_TOKEN"
    ):
        compute.connect("auto")


def test_what_else_is_wrong_stays_what_it_is(refusing: Any) -> None:
    def fail() -> None:
        raise RuntimeError("something else")

    refusing(fail)
    with pytest.raises(RuntimeError, match="something else"):
        compute.connect("auto")
