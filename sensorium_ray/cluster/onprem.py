"""Check a launcher file for machines that are there already, reached over ssh (`provider: {type: local}`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .findings import Finding
from .reading import at


def check_onprem(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """Findings about the machines and how to log in to them."""
    provider, auth = config["provider"], config.get("auth") or {}
    if "coordinator_address" not in provider:
        yield from _check_machines(provider, file)
    if "available_node_types" in config:
        what = "is not for machines that are there already: Ray asks them what they have"
        yield Finding(at(file, "available_node_types"), what, "leave it out", "error")
    if isinstance(auth, dict) and not auth.get("ssh_user"):
        yield Finding(at(file, "auth", "ssh_user"), "is missing", "write who logs in on the machines", "error")


def _check_machines(provider: Mapping[str, Any], file: str) -> Iterator[Finding]:
    head, workers = provider.get("head_ip"), provider.get("worker_ips")
    if not isinstance(head, str):
        yield Finding(at(file, "provider", "head_ip"), "is missing", "write the head's address", "error")
    if not isinstance(workers, list):
        mend = "list the other machines' addresses; [] for none"
        yield Finding(at(file, "provider", "worker_ips"), "is no list", mend, "error")
        return
    for worker in sorted({worker for worker in workers if [head, *workers].count(worker) > 1}):
        what = f"names {worker} twice"
        yield Finding(at(file, "provider", "worker_ips"), what, "name each machine once, the head as head_ip", "error")
