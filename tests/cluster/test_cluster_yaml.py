"""What cluster.yaml promises beside what all launcher files do (`test_launcher_files.py`); nothing asks AWS."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """The file as it is written."""
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


@pytest.fixture
def prepared(written: dict[str, Any]) -> dict[str, Any]:
    """The file as the launcher completes it."""
    return prepare_config(copy.deepcopy(written))


def test_the_schema_would_notice_a_mistake(prepared: dict[str, Any]) -> None:
    prepared["available_node_types"]["gpu_worker"]["min_worker"] = 0
    with pytest.raises(Exception, match="min_worker"):
        validate_config(prepared)


def test_only_the_workers_are_spot_and_none_is_kept_waiting(prepared: dict[str, Any]) -> None:
    types = prepared["available_node_types"]
    head = types.pop(prepared["head_node_type"])
    assert "InstanceMarketOptions" not in head["node_config"]
    for worker in types.values():
        assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert worker["resources"]["GPU"] >= 1
        assert worker["min_workers"] == 0
        assert 0 < worker["max_workers"] <= prepared["max_workers"]
    assert 0 < prepared["idle_timeout_minutes"] <= 10


def test_this_project_is_installed_from_the_synced_folder_with_cuda(prepared: dict[str, Any]) -> None:
    assert prepared["file_mounts"]["~/sensorium-ray"] == "."
    [install] = [command for command in prepared["setup_commands"] if "constraints.txt" in command]
    assert install.startswith("cd ~/sensorium-ray")
    assert not any("whl/cpu" in command for command in prepared["setup_commands"])
    assert "+cpu" not in (ROOT / "constraints.txt").read_text()


def test_onnxruntimes_build_for_gpus_stands_in_for_the_other(prepared: dict[str, Any]) -> None:
    [install] = [command for command in prepared["setup_commands"] if "constraints.txt" in command]
    assert "--override cluster/gpu.txt" in install
    assert " onnxruntime-gpu==" in install
    assert (ROOT / "cluster" / "gpu.txt").read_text().endswith('\nonnxruntime ; sys_platform == "never"\n')


def test_the_rights_are_those_of_the_nodes_that_the_file_names(prepared: dict[str, Any]) -> None:
    rights = ROOT / "cluster" / "aws"
    script = (rights / "prepare.sh").read_text()
    assert subprocess.run(["sh", "-n", rights / "prepare.sh"], check=False).returncode == 0
    profiles = {node["node_config"]["IamInstanceProfile"]["Name"] for node in prepared["available_node_types"].values()}
    assert profiles == {"sensorium-head", "sensorium-worker"}
    assert 'for node in head worker; do\n    aws iam create-role --role-name "sensorium-$node"' in script
    assert f"--group-name {prepared['provider']['security_group']['GroupName']} " in script
    statements = {entry["Sid"]: entry for entry in json.loads((rights / "head-policy.json").read_text())["Statement"]}
    assert statements["GiveWorkersTheirRole"]["Resource"].endswith(":role/sensorium-worker")
    named = statements["TagAndEndItsOwn"]["Condition"]["StringEquals"]
    assert named == {"ec2:ResourceTag/ray-cluster-name": prepared["cluster_name"]}
