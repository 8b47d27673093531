"""How the processes of an endpoint share the cores."""

from pathlib import Path

import pytest
import ray

from sensorium_ray.serving import deployment
from sensorium_ray.serving.catalogue import Catalogue
from sensorium_ray.serving.settings import Settings


@pytest.mark.parametrize(
    ("settings", "cores"),
    [
        (Settings(), 0),
        (Settings(replicas=2), 4),
        (Settings(replicas=3), 2),
        (Settings(replicas=20), 1),
        (Settings(replicas=2, max_replicas=4), 0),
    ],
)
def test_replicas_of_a_fixed_number_have_their_share_of_the_cores(
    bundles: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, cores: int
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0})
    application = deployment.application(Catalogue(bundles), settings)
    assert application._bound_deployment.init_args[-1] == cores
