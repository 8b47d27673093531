"""What a launcher file lets a cloud cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .findings import Finding
from .reading import at

_LONG = 60
"""Minutes after which to wait for work is rather an oversight than a wish."""


def check_costs(written: Mapping[str, Any], config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """Warnings about nodes that run, or disks that stay, without work.

    Parameters
    ----------
    written, config : the file as it is, and as Ray completes it.
    """
    if "max_workers" not in written:
        what = f"is missing, so Ray takes {config['max_workers']}"
        yield _warning(at(file, "max_workers"), what, "write how many nodes you would pay for")
    minutes = config["idle_timeout_minutes"]
    if "idle_timeout_minutes" not in written:
        what = f"is missing, so Ray takes {minutes}"
        yield _warning(at(file, "idle_timeout_minutes"), what, "write how long a node may wait for work")
    elif minutes > _LONG:
        what = f"lets nodes wait {minutes:g} minutes for work"
        yield _warning(at(file, "idle_timeout_minutes"), what, "5 to 10 suit sweeps")
    for name, node in config["available_node_types"].items():
        place = ("available_node_types", name)
        is_head = name == config["head_node_type"]
        if node["min_workers"] > 0:
            what = f"keeps {node['min_workers']} nodes running and paid for, work or not"
            yield _warning(at(file, *place, "min_workers"), what, "write 0")
        if is_head and "InstanceMarketOptions" in node["node_config"]:
            what = "takes the head on spot: when AWS takes it back, everything ends"
            yield _warning(at(file, *place, "node_config", "InstanceMarketOptions"), what, "leave it out")
    if config["provider"].get("cache_stopped_nodes", True):
        what = "stops nodes in place of ending them, so that their disks are paid for"
        yield _warning(at(file, "provider", "cache_stopped_nodes"), what, "write false")


def _warning(where: str, what: str, mend: str) -> Finding:
    return Finding(where, what, mend, "warning")
