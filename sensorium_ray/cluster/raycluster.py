"""What people get wrong in the Ray cluster of a RayCluster, RayJob or RayService."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from ..version import package_version
from .exposure import PUBLIC
from .findings import Finding
from .pods import GPU, check_pod, gpus, tag

_RAYS_OWN = re.compile(r"(?:^|/)ray(?:-ml|-llm)?:(\d+\.\d+\.\d+)")
"""An image of the Ray project, whose tag begins with Ray's version."""
_NAMED = re.compile(r"(?:^|[-_.])ray-?(\d+\.\d+\.\d+)")
"""Ray's version in another image's tag."""
_OURS = re.compile(r"(?:^|/)sensorium-ray:(\d+\.\d+\.\d+)")


def check_cluster(spec: dict[str, Any], where: str) -> Iterator[Finding]:
    """Findings of a cluster's specification that has the right shape."""
    yield from _versions(spec, where)
    if spec.get("authOptions", {}).get("mode") != "token":
        what = "does not ask for a token: whoever reaches the cluster may run anything on it"
        yield Finding(f"{where}.authOptions", what, "set `authOptions: {mode: token}`", "error")
    head = spec["headGroupSpec"]
    yield from _head(head, f"{where}.headGroupSpec")
    yield from _node(head, f"{where}.headGroupSpec")
    for number, group in enumerate(spec.get("workerGroupSpecs", [])):
        place = f"{where}.workerGroupSpecs[{number}]"
        yield from _group(group, bool(spec.get("enableInTreeAutoscaling")), place)
        yield from _node(group, place)


def nodes(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a head or worker is called, and the container that Ray runs in."""
    for name, group in (("head", spec["headGroupSpec"]), *_workers(spec)):
        for container in group["template"].get("spec", {}).get("containers", [])[:1]:
            yield name, container


def has_gpus(spec: dict[str, Any]) -> bool:
    """Whether any worker has a GPU."""
    return any(gpus(group["template"]) for _, group in _workers(spec))


def _workers(spec: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"worker group '{group['groupName']}'", group) for group in spec.get("workerGroupSpecs", [])]


def _versions(spec: dict[str, Any], where: str) -> Iterator[Finding]:
    """Ray's version is said twice, and installed here: once too often to agree by itself."""
    ours, said = version("ray"), spec.get("rayVersion")
    if said != ours:
        what = f"is {said}" if said else "is missing"
        yield Finding(f"{where}.rayVersion", f"{what}, and this project runs Ray {ours}", f'set "{ours}"', "error")
    for name, container in nodes(spec):
        image = container.get("image", "")
        found = _RAYS_OWN.search(image) or _NAMED.search(tag(image))
        if found and found[1] != (said or ours):
            what = f"'{image}' brings Ray {found[1]}, and rayVersion is {said or ours}"
            yield Finding(f"{where}, image of the {name}", what, "name an image of that version", "error")
        project = _OURS.search(image)
        if project and project[1] != package_version():
            what = f"'{image}' brings sensorium-ray {project[1]}, and {package_version()} is installed here"
            yield Finding(f"{where}, image of the {name}", what, "build one of this version", "warning")


def _head(head: dict[str, Any], where: str) -> Iterator[Finding]:
    mend = "leave it ClusterIP, and reach the dashboard by `kubectl port-forward`"
    kinds = {
        "serviceType": head.get("serviceType"),
        "headService": head.get("headService", {}).get("spec", {}).get("type"),
    }
    for name, kind in kinds.items():
        if kind in PUBLIC:
            what = f"is {kind}, which shows the dashboard, the job API and the scheduler to the world"
            yield Finding(f"{where}.{name}", what, mend, "error")
    if head.get("enableIngress"):
        yield Finding(
            f"{where}.enableIngress", "shows the dashboard and the job API to the world", "remove it", "error"
        )


def _group(group: dict[str, Any], grows: bool, where: str) -> Iterator[Finding]:
    least, most, now = group.get("minReplicas", 0), group.get("maxReplicas"), group.get("replicas", 0)
    if most is None:
        yield Finding(f"{where}.maxReplicas", "is missing, and then has no bound", "say what you will pay for", "error")
    elif least > most:
        what = f"is {least}, more than maxReplicas, {most}"
        yield Finding(f"{where}.minReplicas", what, "lower it or raise the other", "error")
    elif not least <= now <= most:
        what = f"is {now}, and minReplicas to maxReplicas are {least} to {most}"
        yield Finding(f"{where}.replicas", what, "choose one between", "error")
    elif not grows and now < most:
        what = f"stays at {now} workers, though there may be {most}"
        yield Finding(where, what, "set `enableInTreeAutoscaling: true`, or ask for all of them", "warning")
    if _meant_for_gpus(group) and not gpus(group["template"]):
        what = f"is meant for GPUs, and no container is limited to {GPU}, without which it is given none"
        yield Finding(where, what, f"add `{GPU}: 1` to its limits", "error")


def _meant_for_gpus(group: dict[str, Any]) -> bool:
    pod = group["template"].get("spec", {})
    keys = [*pod.get("nodeSelector", {}), *(toleration.get("key", "") for toleration in pod.get("tolerations", []))]
    started = group.get("rayStartParams", {}).get("num-gpus", "0")
    return "gpu" in group["groupName"] or started != "0" or any("gpu" in key for key in keys)


def _node(group: dict[str, Any], where: str) -> Iterator[Finding]:
    template = group["template"]
    yield from check_pod(template, f"{where}.template")
    containers = template.get("spec", {}).get("containers", [])
    if not containers:
        yield Finding(f"{where}.template.spec.containers", "is empty", "add the one that Ray runs in", "error")
        return
    limits = containers[0].get("resources", {}).get("limits", {})
    for name in ("cpu", "memory"):
        if name not in limits:
            what = f"has no limit of {name}, and Ray then takes all of the machine's for its own"
            yield Finding(f"{where}.template.spec.containers[0].resources.limits", what, "add one", "warning")
