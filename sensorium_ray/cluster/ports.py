"""Ports that a security group opens to the world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .findings import Finding

_SSH = 22
SERVE_PORT = 8000
"""Of the endpoint, which asks for keys: the only one that is meant for others."""
_WORLD = {"0.0.0.0/0", "::/0"}


def check_ports(rules: Sequence[Mapping[str, Any]], where: str) -> Iterator[Finding]:
    """Findings about rules (as of AWS: IpProtocol, FromPort, ToPort, IpRanges, Ipv6Ranges) that let everybody in."""
    for rule in rules:
        ranges = [*rule.get("IpRanges", ()), *rule.get("Ipv6Ranges", ())]
        if not any(entry.get("CidrIp") in _WORLD or entry.get("CidrIpv6") in _WORLD for entry in ranges):
            continue
        first, last = rule.get("FromPort", -1), rule.get("ToPort", -1)
        if rule.get("IpProtocol") == "tcp" and (first, last) == (SERVE_PORT, SERVE_PORT):
            continue
        if rule.get("IpProtocol") == "tcp" and (first, last) == (_SSH, _SSH):
            mend = "run cluster/aws/prepare.sh before the first start: it makes a group that lets in your address alone"
            yield Finding(where, "lets the whole world try to log in by ssh", mend, "warning")
            continue
        what = f"opens {_spoken(first, last)} to the whole world"
        yield Finding(where, what, f"name your own network, or open {SERVE_PORT} alone", "error")


def _spoken(first: int, last: int) -> str:
    if first == -1:
        return "every port"
    return f"port {first}" if first == last else f"ports {first} to {last}"
