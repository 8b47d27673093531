"""Keys that nobody knows, and words that were to be replaced.

Ray's schema lets anything pass below `provider` and `node_config`; what AWS takes there is known from botocore's
model of its interface, which lies on this machine.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .findings import Finding, nearest
from .reading import at

PLACEHOLDER = "REPLACE_"
_PROVIDER = {
    "aws": {
        "type",
        "region",
        "availability_zone",
        "cache_stopped_nodes",
        "use_internal_ips",
        "security_group",
        "key_pair",
        "aws_credentials",
        "cloudwatch",
    },
    "local": {
        "type",
        "head_ip",
        "worker_ips",
        "external_head_ip",
        "use_external_head_ip",
        "use_internal_ips",
        "coordinator_address",
    },
}
"""What Ray reads below `provider`; of other clouds it is not known here."""
OF_RAY = {"SubnetIds"}
"""What Ray takes out of `node_config` before AWS sees it."""


def check_spelling(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """An error for every key that nobody knows, with the nearest that there is."""
    yield from _by_schema(_schema(), config, file)
    provider = config.get("provider")
    if not isinstance(provider, dict):
        return
    kind = provider.get("type")
    if kind in _PROVIDER:
        yield from _unknown(provider, _PROVIDER[kind], file, "provider")
    types = config.get("available_node_types")
    if kind == "aws" and isinstance(types, dict):
        for name, node in types.items():
            if isinstance(node, dict) and isinstance(node.get("node_config"), dict):
                place = ("available_node_types", name, "node_config")
                yield from _by_shape(run_instances(), node["node_config"], file, *place)


def check_placeholders(value: Any, file: str, *place: object) -> Iterator[Finding]:
    """An error for every word that begins with REPLACE_ still."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from check_placeholders(inner, file, *place, key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from check_placeholders(inner, file, *place, index)
    elif isinstance(value, str) and PLACEHOLDER in value:
        yield Finding(at(file, *place), f"still is '{value}'", "put your own in its place", "error")


@cache
def run_instances() -> Any:
    """The shape of what AWS takes to start instances."""
    from botocore.session import Session

    return Session().get_service_model("ec2").operation_model("RunInstances").input_shape


def _by_schema(schema: Mapping[str, Any], value: Any, file: str, *place: object) -> Iterator[Finding]:
    if not isinstance(value, dict):
        return
    properties = schema.get("properties", {})
    if properties and not schema.get("additionalProperties", True):
        yield from _unknown(value, properties, file, *place)
    for key, inner in value.items():
        named = properties.get(key) or schema.get("patternProperties", {}).get(".*")
        if named:
            yield from _by_schema(named, inner, file, *place, key)


def _by_shape(shape: Any, value: Any, file: str, *place: object) -> Iterator[Finding]:
    if shape.type_name == "list" and isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _by_shape(shape.member, inner, file, *place, index)
    elif shape.type_name == "structure" and isinstance(value, dict):
        known = set(shape.members) | (OF_RAY if shape is run_instances() else set())
        yield from _unknown(value, known, file, *place)
        for key in shape.members.keys() & value.keys():
            yield from _by_shape(shape.members[key], value[key], file, *place, key)


def _unknown(value: Mapping[str, Any], known: Collection[str], file: str, *place: object) -> Iterator[Finding]:
    for key in value:
        if key not in known:
            yield Finding(at(file, *place), f"'{key}' is unknown", nearest(str(key), known), "error")


@cache
def _schema() -> dict[str, Any]:
    import ray.autoscaler

    schema: dict[str, Any] = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    return schema
