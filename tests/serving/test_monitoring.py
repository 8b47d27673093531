"""What /metrics tells, and that the board and its queries ask for nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fastapi.testclient import TestClient
from npz import pack
from prometheus_client.parser import text_string_to_metric_families
from ray._private.ray_constants import PROMETHEUS_SERVICE_DISCOVERY_FILE

from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.serving import keys, monitoring
from sensorium_ray.serving.answers import NPZ
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.requests import METRICS
from sensorium_ray.serving.served import Served

CLUSTER = Path(__file__).parents[2] / "cluster"
BOARD = json.loads((CLUSTER / "grafana" / "sensorium.json").read_text())
WORDS = {"sum", "max", "rate", "by", "le", "or", "vector", "histogram_quantile", "clamp_min"}
"""Of PromQL, as far as it is used here."""


async def two_parts(model: str, clip: Clip, mouse: str, neurons: np.ndarray | None) -> AsyncIterator[np.ndarray]:
    """Stands in for the replicas."""
    yield np.zeros((3, 20), np.float32)
    yield np.zeros((3, clip.frames - 20), np.float32)


@pytest.fixture
def web(bundles: Path) -> TestClient:
    return TestClient(make_app({"tiny": Served.read(bundles / "tiny")}, two_parts))


def told(web: TestClient) -> dict[str, float]:
    """Samples by name and labels."""
    answer = web.get(METRICS)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    return {
        sample.name + json.dumps({k: v for k, v in sorted(sample.labels.items()) if k != "replica"}): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_prediction_is_counted(web: TestClient, clip: Clip) -> None:
    body = pack({name: getattr(clip, name) for name in CLIP_ARRAYS})
    before = told(web)
    answer = web.post("/v1/models/tiny/predict?mouse=mouse-a", content=body, headers={"content-type": NPZ})
    after = told(web)
    path = "/v1/models/{name}/predict"

    def grew(name: str, **labels: str) -> float:
        series = name + json.dumps(dict(sorted(labels.items())))
        return after[series] - before.get(series, 0)

    assert grew("sensorium_requests_total", method="POST", path=path, status="200") == 1
    assert grew("sensorium_request_seconds_count", path=path) == 1
    assert grew("sensorium_predicted_frames_total", model="tiny") == 50
    assert grew("sensorium_predicting_seconds_total", model="tiny") > 0
    assert grew("sensorium_received_bytes_total") == len(body)
    assert grew("sensorium_sent_bytes_total") >= len(answer.content)
    assert after["sensorium_requests_in_flight{}"] == after["sensorium_requests_running{}"] == 1  # the one that asks
    assert after["process_resident_memory_bytes{}"] > 1e7


def test_replicas_are_told_apart() -> None:
    families = list(monitoring.REGISTRY.collect())
    text = monitoring.exposition({"one": families, "two": families}).decode()
    assert text.count("# TYPE sensorium_requests_total counter") == 1
    assert {'sensorium_models_loaded{replica="one"}', 'sensorium_models_loaded{replica="two"}'} <= {
        line.partition(" ")[0] for line in text.splitlines()
    }


def test_metrics_are_for_keys_of_scope_admin_and_open_without_keys(bundles: Path, web: TestClient) -> None:
    made = {scope: keys.make(scope, [scope]) for scope in ("predict", "admin")}
    known = [key for _, key in made.values()]
    locked = TestClient(make_app({"tiny": Served.read(bundles / "tiny")}, two_parts, known))
    statuses = {
        scope: locked.get(METRICS, headers={"authorization": f"Bearer {key}"}).status_code
        for scope, (key, _) in made.items()
    }
    assert statuses == {"predict": 403, "admin": 200}
    assert locked.get(METRICS).status_code == 401
    assert web.get(METRICS).status_code == 200


def queries() -> Iterator[str]:
    """PromQL of the board."""

    def search(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if "expr" in node:
                yield node["expr"]
            node = list(node.values())
        if isinstance(node, list):
            for inner in node:
                yield from search(inner)

    yield from search(BOARD)


def test_the_board_asks_for_what_is_exported(web: TestClient) -> None:
    exported, labels = set(), {"job", "instance"}
    for family in text_string_to_metric_families(web.get(METRICS).text):
        # A series comes with its first value, its family always.
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        exported |= {family.name + suffix for suffix in suffixes}
        labels |= {label for sample in family.samples for label in sample.labels}
    asked = list(queries())
    assert len(asked) >= 8
    for query in asked:
        bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", query)
        names = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", bare))
        metrics = {name for name in names if name.startswith(("sensorium_", "process_"))}
        assert metrics, query
        assert metrics <= exported, query
        assert names - metrics - WORDS <= labels | {"replica", "status", "path", "model", "method"}, query


def test_the_board_names_its_source_and_every_panel() -> None:
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] and panel["datasource"]["uid"] == "${source}" for panel in panels)


def test_prometheus_is_told_where_to_scrape() -> None:
    endpoint, ray = yaml.safe_load((CLUSTER / "prometheus.yml").read_text())["scrape_configs"]
    assert endpoint["metrics_path"] == METRICS
    assert endpoint["static_configs"][0]["targets"] == ["127.0.0.1:8000"]
    assert ray["file_sd_configs"][0]["files"] == [f"/tmp/ray/{PROMETHEUS_SERVICE_DISCOVERY_FILE}"]
