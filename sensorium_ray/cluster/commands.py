"""What a launcher file's shell commands do: who may talk to the cluster, and which versions its nodes run."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .files import TOKEN
from .findings import Finding
from .reading import at

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_HOST = re.compile(r"--dashboard-host[ =](\S+)")
_RAY = re.compile(r"\bray(?:\[[\w,-]*\])?==(\d[\w.]*)|rayproject/ray[\w-]*:(\d+\.\d+\.\d+)|\bray-(\d+\.\d+\.\d+)-cp")
_PYTHON = re.compile(r"\bpython[ =]*(3\.\d+)\b|[-_](?:py|cp)(3)(\d+)\b")
_CPU_TORCH = re.compile(r"whl/cpu\b|\+cpu\b|--torch-backend[ =]cpu\b")
_CPU_IMAGE = re.compile(r"\brayproject/ray[\w-]*:(?!\S*-(?:gpu|cu\d))\S+")
_OLDEST = (3, 11)
_SETUP = ("initialization_commands", "head_setup_commands", "worker_setup_commands")
_START = {"head": "head_start_ray_commands", "worker": "worker_start_ray_commands"}


def check_commands(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """Findings about starting Ray, its token and dashboard, and the versions that are installed."""
    yield from _check_starts(config, file)
    yield from _check_token(config, file)
    yield from _check_ray(config, file)
    yield from _check_python(config, file)
    yield from _check_torch(config, file)


def _check_starts(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    head = _text(config, _START["head"])
    for group in _START.values():
        if "ray start" not in _text(config, group):
            yield Finding(at(file, group), "starts no Ray", "add `ray start` as in cluster.yaml", "error")
    if "ray start" in head and "--autoscaling-config" not in head:
        mend = "add --autoscaling-config=~/ray_bootstrap_config.yaml"
        yield Finding(at(file, _START["head"]), "starts a head that never starts a worker", mend, "error")
    for host in _HOST.findall(head):
        if host.strip("'\"") not in _LOOPBACK:
            what = f"lets whoever reaches {host} ask the dashboard and the job API"
            mend = "write --dashboard-host=127.0.0.1, and reach it through `ray dashboard`"
            yield Finding(at(file, _START["head"]), what, mend, "error")


def _check_token(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """The mode must hold where Ray starts: in its command, its shell's start file, or its container."""
    setups = {"head": "head_setup_commands", "worker": "worker_setup_commands"}
    docker = str(config.get("docker") or "")
    for kind, group in _START.items():
        text = " ".join([_text(config, group), _text(config, setups[kind]), docker])
        if "RAY_AUTH_MODE=token" not in text or "RAY_AUTH_MODE=disabled" in text:
            what = "starts Ray without asking for the token: whoever reaches it runs what he likes"
            yield Finding(at(file, group), what, "put RAY_AUTH_MODE=token before `ray start`", "error")
    everything = " ".join([docker, *(_text(config, group) for group in (*_SETUP, *_START.values()))])
    if "RAY_AUTH_TOKEN" not in everything and not any(name.endswith(TOKEN) for name in config["file_mounts"]):
        mend = f'add "~/{TOKEN}": "~/{TOKEN}"'
        yield Finding(at(file, "file_mounts"), "gives the nodes no token", mend, "error")


def _check_ray(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    import ray

    for place, text in _installing(config):
        for found in _RAY.findall(text):
            version = "".join(found)
            if version != ray.__version__:
                what = f"takes Ray {version}, this project {ray.__version__}"
                yield Finding(at(file, place), what, "take the same: nodes of two versions do not join", "error")


def _check_python(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    named = {
        (place, (3, int(dotted.partition(".")[2] or minor)))
        for place, text in _installing(config)
        for dotted, _, minor in _PYTHON.findall(text)
    }
    here = tuple(map(int, platform.python_version_tuple()[:2]))
    for place, version in sorted(named):
        if version < _OLDEST:
            what = f"takes Python {_dotted(version)}"
            yield Finding(at(file, place), what, f"this project needs {_dotted(_OLDEST)} or newer", "error")
    versions = sorted({version for _, version in named})
    if len(versions) > 1:
        what = f"takes Python {' and '.join(map(_dotted, versions))}"
        yield Finding(file, what, "take one: nodes of two versions do not join", "error")
    elif versions and versions[0] != here:
        what = f"takes Python {_dotted(versions[0])}, here runs {_dotted(here)}"
        mend = "jobs that are submitted run; to drive the cluster from this machine, take the same"
        yield Finding(file, what, mend, "warning")


def _check_torch(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    if not any(node["resources"].get("GPU") for node in config["available_node_types"].values()):
        return
    for place, text in _installing(config):
        if _CPU_TORCH.search(text):
            what = "installs torch without CUDA, so that the GPUs would be paid for and not used"
            yield Finding(at(file, place), what, "take PyPI's torch, or the index whl/cu130", "error")
        if not place.startswith("docker.head") and (image := _CPU_IMAGE.search(text)):
            what = f"takes {image.group()}, which has no CUDA, so that the GPUs would be paid for and not used"
            yield Finding(at(file, place), what, "take the one whose name ends in -gpu", "error")


def _installing(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where the file says what nodes run, and how; `setup_commands` are in both of the others."""
    for group in _SETUP:
        yield group, _text(config, group)
    for key, value in (config.get("docker") or {}).items():
        if key.endswith("image"):
            yield f"docker.{key}", str(value)
    for name, node in config["available_node_types"].items():
        yield f"available_node_types.{name}.worker_setup_commands", " ".join(node.get("worker_setup_commands", ()))


def _text(config: Mapping[str, Any], group: str) -> str:
    return "\n".join(config.get(group) or ())


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
