"""A cluster's life, each step one of Ray's own commands: up, status, submit, logs, down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import ClusterError
from ..storage import StrPath
from .checking import check, require_sound
from .findings import Finding
from .gpus import require_gpus
from .reading import is_kubernetes, read
from .running import ray, require_token
from .tunnel import tunnel


def up(path: StrPath, *, yes: bool = False, tell: Callable[[Finding], None]) -> None:
    """Start a cluster, or apply a change of its file, after its file was found sound; on AWS, AWS is asked too.

    Parameters
    ----------
    yes : Ray asks no questions.
    tell : is given every warning first.

    Raises
    ------
    ClusterError : the file has an error, or `ray up` failed.
    """
    file = _launcher_file(path)
    found = check(path, online=True)
    for finding in found:
        if finding.severity == "warning":
            tell(finding)
    require_sound(path, found)
    ray("up", file, *_yes(yes), where=file)


def down(path: StrPath, *, yes: bool = False) -> None:
    """End all nodes of a cluster.

    Raises
    ------
    ClusterError : `ray down` failed.
    """
    file = _launcher_file(path)
    ray("down", file, *_yes(yes), where=file)


def status(path: StrPath) -> None:
    """Print which nodes there are and what waits for more, as the head says.

    Raises
    ------
    ClusterError : the head cannot be reached.
    """
    file = _launcher_file(path)
    ray("exec", file, "ray status", where=file)


def submit(path: StrPath, command: Sequence[str], *, working_dir: StrPath | None = None, wait: bool = True) -> None:
    """Run a command on the cluster as a job.

    Parameters
    ----------
    working_dir : folder that travels with it; the command runs there.
    wait : print its log until it ends.

    Raises
    ------
    ClusterError : it asks for GPUs that no node has, the head cannot be reached, or the job failed.
    """
    file = _launcher_file(path)
    require_token()
    require_gpus(Path(path), command)
    options = [] if working_dir is None else ["--working-dir", str(working_dir)]
    options += [] if wait else ["--no-wait"]
    with tunnel(file) as address:
        ray("job", "submit", "--address", address, *options, "--", *command, where=file)


def logs(path: StrPath, job: str, *, follow: bool = False) -> None:
    """Print what a job has printed.

    Parameters
    ----------
    job : the id that `submit` printed.
    follow : go on until it ends.

    Raises
    ------
    ClusterError : there is no such job, or the head cannot be reached.
    """
    file = _launcher_file(path)
    require_token()
    with tunnel(file) as address:
        ray("job", "logs", "--address", address, *(["--follow"] if follow else []), job, where=file)


def _launcher_file(path: StrPath) -> str:
    """The file, if Ray's launcher can start it.

    Raises
    ------
    ClusterError : it cannot be read, or is for Kubernetes.
    """
    if is_kubernetes(read(Path(path))):
        raise ClusterError("is for Kubernetes", str(path), f"use kubectl apply -f {path} (docs/cluster.md)")
    return str(path)


def _yes(yes: bool) -> list[str]:
    return ["--yes"] if yes else []
