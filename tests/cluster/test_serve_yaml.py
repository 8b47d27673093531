"""The endpoint's file for `serve deploy` is what Serve accepts, and an endpoint comes of it."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from ray.serve.schema import ServeDeploySchema
from serving.conftest import bundles  # noqa: F401 - a fixture

from sensorium_ray.errors import BundleError, ConfigError
from sensorium_ray.ports import free_port
from sensorium_ray.serving import front, keys
from sensorium_ray.serving.building import build
from sensorium_ray.serving.deployment import Replica

FILE = Path(__file__).parents[2] / "cluster" / "serve.yaml"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text())


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    keys.write(tmp_path / "keys.json", [keys.make("lab", ["predict"])[1]])
    return tmp_path / "keys.json"


def test_serves_schema_accepts_it(written: dict[str, Any]) -> None:
    [application] = ServeDeploySchema.model_validate(written).applications
    [replica] = application.deployments
    assert replica.name == Replica.__name__
    assert replica.autoscaling_config["max_replicas"] > 1
    # What Serve does not know it ignores, so that a slip would go unseen.
    known = type(replica).model_fields
    assert set(written["applications"][0]["deployments"][0]) <= set(known)


def test_it_tells_the_environment_that_the_endpoint_needs(tmp_path: Path) -> None:
    lines = [line for line in FILE.read_text().splitlines() if line.startswith("#   export ")]
    told = dict(re.findall(r"([A-Z_]+)=([^\s\"]+)", "\n".join(lines)))
    chosen = {
        "RAY_SERVE_ENABLE_HA_PROXY",
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD",
        *front.MIDDLEWARES,
        *front.MEMORY,
    }
    needed = front.environment(tmp_path, haproxy=True)
    assert told == {name: needed[name] for name in chosen}


def test_its_arguments_are_those_of_the_application(written: dict[str, Any], bundles: Path, keys_file: Path) -> None:  # noqa: F811
    arguments = written["applications"][0]["args"]
    application = build(arguments | {"bundles": str(bundles), "keys": str(keys_file)})
    assert application._bound_deployment.name == Replica.__name__
    with pytest.raises(ConfigError, match="args of the application, keyz: Extra inputs are not permitted"):
        build(arguments | {"keyz": "x"})
    with pytest.raises(ConfigError, match="no key is asked for"):
        build({"bundles": str(bundles)})
    with pytest.raises(BundleError):
        build({"bundles": "/nowhere", "insecure": True})


@pytest.fixture
def cluster() -> Iterator[Callable[..., str]]:
    """What runs a command against a Ray cluster of its own."""
    private = Path(tempfile.mkdtemp(prefix="serve-", dir="/tmp"))  # a path of a socket may have 97 characters
    dashboard = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"RAY_AUTH_MODE": "disabled", "RAY_DASHBOARD_ADDRESS": f"http://127.0.0.1:{dashboard}"}
    environment |= {"RAY_DISABLE_IMPORT_WARNING": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= front.environment(private, haproxy=True)
    ports = ["--port", str(free_port()), "--dashboard-port", str(dashboard), "--dashboard-agent-listen-port", "0"]
    ray = subprocess.Popen(
        [str(BIN / "ray"), "start", "--head", "--block", "--num-cpus=2", "--object-store-memory=100000000", *ports],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def run(*words: object) -> str:
        return subprocess.run(
            [str(BIN / words[0]), *map(str, words[1:])], env=environment, check=True, capture_output=True, text=True
        ).stdout

    try:
        yield run
    finally:
        ray.terminate()
        ray.wait(60)
        shutil.rmtree(private)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_endpoint_comes_of_it(
    written: dict[str, Any],
    cluster: Callable[..., str],
    bundles: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    key, known = keys.make("lab", ["admin"])
    keys.write(tmp_path / "keys.json", [known])
    given, port = copy.deepcopy(written), free_port()
    given["http_options"] |= {"host": "127.0.0.1", "port": port}
    given["applications"][0]["args"] |= {"bundles": str(bundles), "keys": str(tmp_path / "keys.json")}
    (tmp_path / "serve.yaml").write_text(yaml.safe_dump(given))
    end = time.monotonic() + 180
    while True:
        try:
            cluster("serve", "deploy", tmp_path / "serve.yaml")
            break
        except subprocess.CalledProcessError:  # the dashboard has not come up yet
            assert time.monotonic() < end
            time.sleep(2)
    url, headers = f"http://127.0.0.1:{port}", {"authorization": f"Bearer {key}"}
    while not ready(url):
        assert time.monotonic() < end, cluster("serve", "status")
        time.sleep(2)
    answer = httpx.get(f"{url}/v1/models", headers=headers, timeout=20)
    assert (answer.status_code, [model["name"] for model in answer.json()["models"]]) == (200, ["tiny"])
    assert len(answer.headers.get_list("x-request-id")) == 1
    assert httpx.get(f"{url}/v1/models", timeout=20).status_code == 401
    assert 'sensorium_models_loaded{replica="' in httpx.get(f"{url}/metrics", headers=headers, timeout=20).text


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v2/health/ready", timeout=20).status_code == 200
    except httpx.TransportError:
        return False
