"""What several test folders share: one Ray, one tiny world."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from world import World

# One thread a process: the simulator's own threads, and Ray's processes, share two cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One Ray for all tests of this process, since starting it takes seconds."""
    import ray

    from sensorium_ray import compute

    compute.connect()
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> World:
    """One tiny simulation, ingested, for all tests; nobody writes into it."""
    from sensorium_ray.data.ingest import ingest
    from sensorium_ray.data.simulate import SCALES, simulate

    folder = tmp_path_factory.mktemp("world")
    simulate(folder / "mice", SCALES["tiny"], seed=0)
    ingest(folder / "mice", folder / "store")
    return World(folder / "mice", folder / "store")
