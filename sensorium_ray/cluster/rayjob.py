"""What people get wrong in a RayJob, beside its cluster."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from .findings import Finding
from .gpus import asked
from .pods import check_pod
from .raycluster import has_gpus


def check_job(spec: dict[str, Any], where: str) -> Iterator[Finding]:
    """Findings of a job's specification that has the right shape."""
    cluster = spec.get("rayClusterSpec")
    if "submitterPodTemplate" in spec:
        yield from check_pod(spec["submitterPodTemplate"], f"{where}.submitterPodTemplate")
    if not spec.get("entrypoint") and spec.get("submissionMode") != "InteractiveMode":
        yield Finding(f"{where}.entrypoint", "is missing", "name the command", "error")
    if (cluster is None) == (not spec.get("clusterSelector")):
        what = "needs a cluster of its own or the name of one, not both and not neither"
        yield Finding(where, what, "keep one of rayClusterSpec and clusterSelector", "error")
    if cluster is None:
        return
    if not spec.get("shutdownAfterJobFinishes"):
        what = "is not set: the cluster, and what it costs, stays when the job has ended"
        yield Finding(f"{where}.shutdownAfterJobFinishes", what, "set it to true", "warning")
    if _asks_for_gpus(spec.get("entrypoint", "")) and not has_gpus(cluster):
        what = "asks for GPUs, and no worker has one: it would wait for ever"
        yield Finding(f"{where}.entrypoint", what, "leave --gpus out, or add workers that have GPUs", "error")


def _asks_for_gpus(command: str) -> bool:
    try:
        words = shlex.split(command)
    except ValueError:  # an open quote; the shell will say so
        return False
    return any(number not in ("0", "0.0") for _, number in asked(words))
