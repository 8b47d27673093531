"""The launcher files are what Ray's own launcher accepts, and every node asks for the token."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["cluster.yaml", "cluster/onprem.yaml"])
def prepared(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A file as the launcher completes it."""
    return prepare_config(yaml.safe_load((ROOT / request.param).read_text()))


def test_rays_schema_accepts_it(prepared: dict[str, Any]) -> None:
    validate_config(prepared)


def test_every_node_asks_for_the_token_and_has_it(prepared: dict[str, Any]) -> None:
    for commands in (prepared["head_start_ray_commands"], prepared["worker_start_ray_commands"]):
        assert "RAY_AUTH_MODE=token" in commands[-1]
    assert prepared["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "--dashboard-host=127.0.0.1" in prepared["head_start_ray_commands"][-1]


def test_every_command_is_a_shell_command(prepared: dict[str, Any]) -> None:
    groups = [group for name, group in prepared.items() if name.endswith("_commands")]
    assert len(groups) >= 6
    for command in (command for group in groups for command in group):
        assert subprocess.run(["bash", "-n", "-c", command], check=False).returncode == 0, command
