"""cluster/onprem.yaml is what Ray's own launcher accepts; `test_onprem.py` launches it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

FILE = Path(__file__).parents[2] / "cluster" / "onprem.yaml"


@pytest.fixture(scope="module")
def prepared() -> dict[str, Any]:
    """The file as the launcher completes it."""
    return prepare_config(yaml.safe_load(FILE.read_text()))


def test_rays_schema_accepts_it(prepared: dict[str, Any]) -> None:
    validate_config(prepared)


def test_all_machines_are_kept(prepared: dict[str, Any]) -> None:
    [machine] = prepared["available_node_types"].values()
    assert machine["min_workers"] == machine["max_workers"] == len(prepared["provider"]["worker_ips"])


def test_every_machine_asks_for_the_token_and_has_it(prepared: dict[str, Any]) -> None:
    for commands in (prepared["head_start_ray_commands"], prepared["worker_start_ray_commands"]):
        assert "RAY_AUTH_MODE=token" in commands[-1]
    assert prepared["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "--dashboard-host=127.0.0.1" in prepared["head_start_ray_commands"][-1]


def test_every_command_is_a_shell_command(prepared: dict[str, Any]) -> None:
    groups = [group for name, group in prepared.items() if name.endswith("_commands")]
    for command in (command for group in groups for command in group):
        assert subprocess.run(["bash", "-n", "-c", command], check=False).returncode == 0, command
