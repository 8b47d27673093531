"""What people get wrong in a RayService, beside its cluster: what Serve runs, and who is let in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml

from .findings import Finding, nearest
from .ports import SERVE_PORT
from .raycluster import has_gpus, nodes

_BUILDING = "sensorium_ray.serving.building:build"
SERVE = (SERVE_PORT, "serve")
"""Serve's usual port, as number and name."""


def serve_port(spec: Any) -> int:
    """Port that Serve listens on by a service's specification, whatever its shape."""
    try:
        return int(yaml.safe_load(spec["serveConfigV2"])["http_options"]["port"])
    except (yaml.YAMLError, AttributeError, TypeError, KeyError, ValueError):
        return SERVE[0]


def check_service_config(spec: dict[str, Any], where: str) -> Iterator[Finding]:
    """Findings of a service's specification that has the right shape."""
    place = f"{where}.serveConfigV2"
    try:
        config = yaml.safe_load(spec.get("serveConfigV2", ""))
    except yaml.YAMLError as error:
        yield Finding(place, f"is no YAML ({' '.join(str(error).split())})", "check how it is indented", "error")
        return
    faults = list(_misread(config, place))
    yield from faults
    if faults:
        return
    for application in config.get("applications", []):
        if application["import_path"] == _BUILDING:
            yield from _application(
                application, spec["rayClusterConfig"], f"{place}, application '{application['name']}'"
            )


def _misread(config: Any, where: str) -> Iterator[Finding]:
    """What Serve refuses, or would not read."""
    from pydantic import ValidationError
    from ray.serve.schema import DeploymentSchema, ServeDeploySchema

    try:
        ServeDeploySchema.model_validate(config)
    except ValidationError as error:
        for fault in error.errors():
            yield Finding(_within(where, fault["loc"]), fault["msg"], "see cluster/serve.yaml", "error")
        return
    for application in config["applications"]:
        for deployment in application.get("deployments", []):
            for name in set(deployment) - set(DeploymentSchema.model_fields):
                what = f"'{name}' is no option of a deployment, and Serve leaves it unread"
                place = f"{where}, deployment '{deployment['name']}'"
                yield Finding(place, what, nearest(name, DeploymentSchema.model_fields), "error")


def _application(application: dict[str, Any], cluster: dict[str, Any], where: str) -> Iterator[Finding]:
    """Arguments of an endpoint of ours, who is let in, and whether there is what it needs."""
    from pydantic import ValidationError

    from ..serving.building import Arguments

    given = application.get("args") or {}
    try:
        arguments = Arguments.model_validate(given)
    except ValidationError as error:
        for fault in error.errors():
            mend = "see cluster/serve.yaml"
            if fault["type"] == "extra_forbidden":
                mend = nearest(str(fault["loc"][-1]), Arguments.model_fields)
            yield Finding(_within(f"{where}, args", fault["loc"]), fault["msg"], mend, "error")
        return
    if arguments.insecure:
        yield Finding(f"{where}, args.insecure", "lets everybody in", "remove it, and give keys", "error")
    elif arguments.keys is None:
        yield from _keys_of_environment(cluster, where)
    else:
        yield from _keys_of_file(PurePosixPath(arguments.keys), cluster, where)
    wanted = [
        deployment.get("ray_actor_options", {}).get("num_gpus") for deployment in application.get("deployments", [])
    ]
    if (arguments.worker_gpus or any(wanted)) and not has_gpus(cluster):
        yield Finding(where, "asks for GPUs, and no worker has one", "add workers that have GPUs", "error")


def _keys_of_environment(cluster: dict[str, Any], where: str) -> Iterator[Finding]:
    for name, container in nodes(cluster):
        if all(variable["name"] != "SENSORIUM_KEYS" for variable in container.get("env", [])):
            what = f"has no keys: neither `keys` nor, on the {name}, SENSORIUM_KEYS"
            yield Finding(f"{where}, args", what, "mount a secret of `sensorium keys` and name its file", "error")
            return


def _keys_of_file(file: PurePosixPath, cluster: dict[str, Any], where: str) -> Iterator[Finding]:
    for name, container in nodes(cluster):
        mounts = [PurePosixPath(mount["mountPath"]) for mount in container.get("volumeMounts", [])]
        if not any(file.is_relative_to(mount) for mount in mounts):
            what = f"'{file}' is on no volume of the {name}"
            yield Finding(f"{where}, args.keys", what, "mount the secret on the head and on every worker", "error")


def _within(where: str, path: tuple[int | str, ...]) -> str:
    return ".".join([where, *map(str, path)]) if path else where
