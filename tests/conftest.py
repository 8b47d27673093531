from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One Ray for all tests of this process, since starting it takes seconds."""
    import ray

    from sensorium_ray import compute

    compute.connect()
    yield
    ray.shutdown()
