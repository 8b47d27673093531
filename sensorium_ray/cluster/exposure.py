"""What is shown to the world: nothing but Serve's port may be."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from .findings import Finding

PUBLIC = ("LoadBalancer", "NodePort")
"""Kinds of Services that are reached from outside."""
_MEND = "let it lead to Serve's port alone"


def check_service(service: dict[str, Any], serve: Collection[int | str], where: str) -> Iterator[Finding]:
    """Findings of a Service that has the right shape.

    Parameters
    ----------
    serve : Serve's port, as number and name.
    """
    spec = service.get("spec", {})
    if spec.get("type") not in PUBLIC and not spec.get("externalIPs"):
        return
    for number, port in enumerate(spec.get("ports", [])):
        leads = port.get("targetPort", port["port"])
        if leads not in serve:
            what = f"shows port {leads} to the world"
            yield Finding(f"{where}, spec.ports[{number}]", what, _MEND, "error")


def check_ingress(ingress: dict[str, Any], serve: Collection[int | str], where: str) -> Iterator[Finding]:
    """Findings of an Ingress, whatever its shape."""
    for place, backend in _backends(ingress.get("spec"), "spec"):
        service = backend.get("service")
        port = service.get("port") if isinstance(service, dict) else None
        leads = port.get("number", port.get("name")) if isinstance(port, dict) else None
        if leads is not None and leads not in serve:
            yield Finding(f"{where}, {place}", f"shows port {leads} to the world", _MEND, "error")


def _backends(value: object, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """All that is named like a backend, however deep."""
    if isinstance(value, list):
        for number, part in enumerate(value):
            yield from _backends(part, f"{place}[{number}]")
    if isinstance(value, dict):
        for name, part in value.items():
            if name in ("backend", "defaultBackend") and isinstance(part, dict):
                yield f"{place}.{name}", part
            else:
                yield from _backends(part, f"{place}.{name}")
