"""What people get wrong in pods, whoever starts them: images, resources, ports of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .findings import Finding
from .quantities import amount

GPU = "nvidia.com/gpu"
"""What a pod must be limited to, to be given a GPU."""


def check_pod(template: dict[str, Any], where: str) -> Iterator[Finding]:
    """Findings of a pod template that has the right shape."""
    pod = template.get("spec", {})
    if pod.get("hostNetwork"):
        what = "puts every port of its pod on the machine's own address"
        yield Finding(f"{where}.spec.hostNetwork", what, "remove it", "error")
    for kind in ("initContainers", "containers"):
        for number, container in enumerate(pod.get(kind, [])):
            place = f"{where}.spec.{kind}[{number}]"
            yield from _image(container.get("image", ""), f"{place}.image")
            yield from _resources(container.get("resources", {}), f"{place}.resources")
            for port in container.get("ports", []):
                if "hostPort" in port:
                    what = f"puts port {port['containerPort']} on the machine's own address"
                    yield Finding(f"{place}.ports", what, "remove hostPort, and let a Service lead there", "error")


def tag(image: str) -> str:
    """Tag of an image's address; empty: none, or a digest alone."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2]


def gpus(template: dict[str, Any]) -> bool:
    """Whether a pod is given GPUs."""
    containers = template.get("spec", {}).get("containers", [])
    return any(amount(container.get("resources", {}).get("limits", {}).get(GPU, 0)) for container in containers)


def _image(image: str, where: str) -> Iterator[Finding]:
    if not image:
        yield Finding(where, "names no image", "name one, with its version", "error")
    elif tag(image) == "latest":
        what = f"'{image}' is another program whenever it is built anew"
        yield Finding(where, what, "name a version in place of latest", "error")
    elif not tag(image) and "@" not in image:
        yield Finding(where, f"'{image}' has no tag, which means latest", "name a version behind a colon", "error")


def _resources(resources: dict[str, Any], where: str) -> Iterator[Finding]:
    limits = resources.get("limits", {})
    for name, quantity in resources.get("requests", {}).items():
        if name in limits and amount(quantity) > amount(limits[name]):
            what = f"asks for {quantity}, and may have {limits[name]}"
            yield Finding(f"{where}.requests.{name}", what, "raise the limit or ask for less", "error")
