"""What several test folders share: one Ray, one tiny world."""

from __future__ import annotations

import os

# One thread a process: the simulator's own threads, and Ray's processes, share two cores. These are read when numpy and
# torch are loaded, so they come before all that loads them: else this process and its children would add up in
# different orders.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import settings
from tiny_store import Tiny, write_tiny
from world import World
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from sensorium_ray.ports import free_port

LONG = ("test_main_job", "test_job_faults", "test_trainer", "test_serving_faults", "test_streaming")
"""Files that take a minute or more: they begin first, so that no process is left alone with one in the end."""
TOGETHER = ("tests/bundle", "tests/insilico")
"""Folders whose files share what takes long to make, so that one process runs them all."""


class _Scheduling(LoadFileScheduling):
    """A file stays in one process, and so do the files of some folders."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Scheduling:
    """How tests are given to processes: this stands in for what `--dist` names."""
    return _Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the long files to the front; all else stays in its order."""
    items.sort(key=lambda item: item.path.stem not in LONG)


# The same examples in every run, however slow the machine.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Address of a real S3 server process, whose credentials and endpoint are in the environment from now on."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    os.environ |= {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "tester",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    while True:
        assert server.poll() is None, "the S3 server ended at once"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            break
        time.sleep(0.05)
    yield url
    server.kill()
    server.wait()


@pytest.fixture(scope="session")
def ray_session(s3_server: str) -> Iterator[None]:
    """One Ray for all tests of this process, since starting it takes seconds; its workers know the S3 server."""
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


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A tiny store with its truth and bundles that answer at once; nobody writes into it."""
    return write_tiny(tmp_path_factory.mktemp("tiny"))
