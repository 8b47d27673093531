"""GPUs that a job asks for, and those that a cluster's file offers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from ..errors import ClusterError
from .reading import read

_OPTIONS = ("--gpus", "--worker-gpus")
"""Of `sensorium` commands: GPUs of one process."""


def require_gpus(file: Path, command: Sequence[str]) -> None:
    """Refuse a job that would wait forever for a node with enough GPUs; what a file does not tell passes.

    Raises
    ------
    ClusterError : no node type has as many as one process of the job asks for.
    """
    types = read(file)[0].get("available_node_types") or {}
    offered = [(node.get("resources") or {}).get("GPU") for node in types.values()]
    if not types or not all(node.get("resources") for node in types.values()):
        return  # Ray finds out by itself what the nodes have
    most = max(number or 0 for number in offered)
    for option, value in asked(command):
        with contextlib.suppress(ValueError):  # the job will say what is wrong with it
            if float(value) > most:
                what = f"asks for {option} {float(value):g}, a node of {file} has {most:g}"
                raise ClusterError(what, " ".join(command), "ask for fewer, or add a node type with more")


def asked(command: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Options of a job's command that ask for GPUs, and what is written after each."""
    for word, following in pairwise([*command, ""]):
        name, _, value = word.partition("=")
        if name in _OPTIONS and (value or following):
            yield name, value or following
