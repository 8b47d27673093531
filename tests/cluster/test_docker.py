"""The image installs this project at this version, and the manifests name it."""

from __future__ import annotations

import fnmatch
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from sensorium_ray.version import package_version

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "cluster" / "docker"
TEXT = (DOCKER / "Dockerfile").read_text()
TAG = f"{package_version()}-ray{version('ray')}"


def test_what_it_copies_is_let_in_and_nothing_else() -> None:
    lines = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copied = {word for line in re.findall(r"^COPY (.+)", TEXT, re.M) for word in line.split()[:-1]}
    assert lines[1] == "*"
    assert let_in == copied
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize("file", ["keys.json", ".git", ".venv", "demo", "auth_token", ".env"])
def test_no_secret_travels(file: str) -> None:
    lines = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    assert not any(fnmatch.fnmatch(file, line[1:]) for line in lines if line.startswith("!"))


def test_it_runs_as_the_user_of_the_manifests() -> None:
    [user] = re.findall(r"^USER (\d+):(\d+)", TEXT, re.M)
    for file in ("cluster", "endpoint", "score", "sweep"):
        manifest = (ROOT / "cluster" / "kuberay" / f"{file}.yaml").read_text()
        assert set(re.findall(r"runAsUser: (\d+)", manifest)) == {user[0]}
        assert set(re.findall(r"runAsGroup: (\d+)", manifest)) == {user[1]}


def test_tags_name_the_versions_that_are_in_it() -> None:
    files = [DOCKER / "Dockerfile", *sorted((ROOT / "cluster" / "kuberay").iterdir())]
    tags = {tag for file in files for tag in re.findall(r"sensorium-ray:([\w.-]+)", file.read_text())}
    assert tags == {TAG, f"{TAG}-cuda"}
    assert "ray[data,serve,tune]==" + version("ray") in (ROOT / "pyproject.toml").read_text()
