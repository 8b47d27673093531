"""KubeRay's schemas as they are shipped, and as another release's are taken over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from sensorium_ray.cluster import crds
from sensorium_ray.cluster.crds.renew import plain
from sensorium_ray.cluster.kuberay_schema import KINDS, kuberay_version, misshapen

QUANTITY = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
SCHEMA = {
    "description": "of a pod",
    "type": "object",
    "required": ["name", "count"],
    "properties": {
        "name": {"type": "string"},
        "count": {"type": "integer", "default": 1},
        "note": {"type": "string", "nullable": True},
        "limits": {"type": "object", "additionalProperties": QUANTITY},
        "ports": {"type": "array", "items": {"type": "object", "properties": {"port": {"type": "integer"}}}},
        "free": {"type": "object", "properties": {}, "x-kubernetes-preserve-unknown-fields": True},
    },
}


@pytest.mark.parametrize(
    ("document", "sound"),
    [
        ({"name": "a"}, True),  # what has a default may be missing
        ({}, False),
        ({"name": "a", "note": None}, True),
        ({"name": None}, False),
        ({"name": "a", "limits": {"cpu": 1, "memory": "1Gi"}}, True),
        ({"name": "a", "limits": {"cpu": 1.5}}, False),
        ({"name": "a", "ports": [{"port": 1}]}, True),
        ({"name": "a", "ports": [{"prot": 1}]}, False),
        ({"name": "a", "free": {"as": "the wind"}}, True),
        ({"name": "a", "nam": "b"}, False),
    ],
)
def test_a_schema_says_the_same_without_kubernetes_own_words(document: dict[str, Any], sound: bool) -> None:
    assert Draft7Validator(plain(SCHEMA)).is_valid(document) is sound


@pytest.mark.parametrize("kind", [*KINDS, "Service", "Pod template"])
def test_every_kind_is_known(kind: str) -> None:
    [finding] = misshapen({"specs": {}}, kind, "f.yaml")
    assert finding.mend == "did you mean 'spec'?"


def test_the_licence_and_the_release_lie_beside_them() -> None:
    folder = Path(crds.__file__).parent
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert f"KubeRay {kuberay_version()}," in (folder / "NOTICE").read_text()
