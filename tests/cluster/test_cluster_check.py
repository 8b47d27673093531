"""`sensorium cluster check`: a clear sentence for what people get wrong, before money is spent."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import moto.ec2
import pytest
import ray
import yaml
from typer.testing import CliRunner

from sensorium_ray.cli import cluster as cli
from sensorium_ray.cluster import aws
from sensorium_ray.cluster.checking import check
from sensorium_ray.cluster.findings import Finding
from sensorium_ray.errors import ClusterError

Change = Callable[[dict[str, Any]], object]

ONPREM = {
    "cluster_name": "desks",
    "provider": {"type": "local", "head_ip": "10.0.0.1", "worker_ips": ["10.0.0.2"]},
    "auth": {"ssh_user": "lab"},
    "file_mounts": {"~/.ray/auth_token": "~/.ray/auth_token"},
    "head_start_ray_commands": [
        "RAY_AUTH_MODE=token ray start --head --autoscaling-config=~/ray_bootstrap_config.yaml"
    ],
    "worker_start_ray_commands": ["RAY_AUTH_MODE=token ray start --address=$RAY_HEAD_IP:6379"],
}


def find(config: dict[str, Any], folder: Path) -> list[Finding]:
    (folder / "file.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return check(folder / "file.yaml")


def head(config: dict[str, Any]) -> dict[str, Any]:
    return config["available_node_types"]["head"]


def worker(config: dict[str, Any]) -> dict[str, Any]:
    return config["available_node_types"]["gpu_worker"]


def reworded(group: str, old: str, new: str) -> Change:
    def change(config: dict[str, Any]) -> None:
        assert any(old in command for command in config[group])
        config[group] = [command.replace(old, new) for command in config[group]]

    return change


def opened(first: int, last: int) -> Change:
    rule = {"IpProtocol": "tcp", "FromPort": first, "ToPort": last, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    return lambda config: config["provider"]["security_group"].update(IpPermissions=[rule])


def test_the_filled_file_has_no_fault_and_tells_of_rays_own_firewall(filled: dict[str, Any], tmp_path: Path) -> None:
    [only] = find(filled, tmp_path)
    assert only.severity == "warning"
    assert "by ssh" in only.what


def test_the_file_as_it_comes_tells_what_to_fill_in(filled: dict[str, Any]) -> None:
    errors = [finding for finding in check("cluster.yaml") if finding.severity == "error"]
    assert [finding.where.partition(", ")[2] for finding in errors] == [
        "metadata.bucket",
        "available_node_types.head.node_config.ImageId",
        "available_node_types.gpu_worker.node_config.ImageId",
    ]


ERRORS: dict[str, tuple[Change, str, str, str]] = {
    "a key of Ray's": (lambda c: c.update(max_worker=4), "", "'max_worker' is unknown", "did you mean 'max_workers'?"),
    "a key of a node type": (
        lambda c: worker(c).update(min_worker=0),
        "available_node_types.gpu_worker",
        "'min_worker' is unknown",
        "did you mean 'min_workers'?",
    ),
    "a key of the provider": (
        lambda c: c["provider"].update(avaliability_zone="us-east-1a"),
        "provider",
        "'avaliability_zone' is unknown",
        "did you mean 'availability_zone'?",
    ),
    "a key of AWS": (
        lambda c: worker(c)["node_config"].update(InstanceTyp="g6.xlarge"),
        "available_node_types.gpu_worker.node_config",
        "'InstanceTyp' is unknown",
        "did you mean 'InstanceType'?",
    ),
    "a key of AWS far below": (
        lambda c: head(c)["node_config"]["BlockDeviceMappings"][0]["Ebs"].update(VolumSize=1),
        "available_node_types.head.node_config.BlockDeviceMappings.0.Ebs",
        "'VolumSize' is unknown",
        "did you mean 'VolumeSize'?",
    ),
    "a value of AWS": (
        lambda c: head(c)["node_config"]["BlockDeviceMappings"][0]["Ebs"].update(VolumeSize="big"),
        "available_node_types.head.node_config",
        "Invalid type for parameter BlockDeviceMappings[0].Ebs.VolumeSize",
        "",
    ),
    "a value of Ray's": (lambda c: c.update(max_workers="4"), "max_workers", "'4' is not of type 'integer'", ""),
    "the head's type": (lambda c: c.update(head_node_type="heads"), "", "Ray refuses it", ""),
    "a provider": (lambda c: c["provider"].update(type="asw"), "provider.type", "is 'asw'", "aws, local"),
    "a region": (
        lambda c: c["provider"].update(region="us-east1"),
        "provider.region",
        "'us-east1' is no region of AWS",
        "did you mean 'us-east-1'?",
    ),
    "a zone of another region": (
        lambda c: c["provider"].update(region="eu-west-1"),
        "provider.availability_zone",
        "'us-east-1a' is no zone of eu-west-1",
        "eu-west-1a",
    ),
    "an image's form": (
        lambda c: worker(c)["node_config"].update(ImageId="ami-0123"),
        "available_node_types.gpu_worker.node_config.ImageId",
        "'ami-0123' is no image's id",
        "",
    ),
    "an image of another region": (
        lambda c: worker(c)["node_config"].update(ImageId="ami-0e17ed40febe794a6"),
        "available_node_types.gpu_worker.node_config.ImageId",
        "lies in eu-west-1, not in us-east-1",
        "",
    ),
    "no image": (
        lambda c: worker(c)["node_config"].pop("ImageId"),
        "available_node_types.gpu_worker.node_config.ImageId",
        "is missing",
        "",
    ),
    "no instance type": (
        lambda c: worker(c)["node_config"].pop("InstanceType"),
        "available_node_types.gpu_worker.node_config.InstanceType",
        "is missing",
        "",
    ),
    "GPUs that are not there": (
        lambda c: worker(c)["node_config"].update(InstanceType="m7i.2xlarge"),
        "available_node_types.gpu_worker.node_config.InstanceType",
        "m7i.2xlarge has no GPU, `resources` promises 1",
        "",
    ),
    "GPUs without CUDA": (
        lambda c: worker(c)["node_config"].update(InstanceType="g4ad.xlarge"),
        "available_node_types.gpu_worker.node_config.InstanceType",
        "AMD's GPUs",
        "",
    ),
    "no rights on the bucket": (
        lambda c: worker(c)["node_config"].pop("IamInstanceProfile"),
        "available_node_types.gpu_worker.node_config.IamInstanceProfile",
        "may not read the bucket",
        "",
    ),
    "a role's name for a profile's": (
        lambda c: worker(c)["node_config"].update(IamInstanceProfile={"Arn": "arn:aws:iam::123456789012:role/x"}),
        "available_node_types.gpu_worker.node_config.IamInstanceProfile",
        "is no instance profile's",
        "",
    ),
    "no bucket": (lambda c: c.pop("metadata"), "metadata.bucket", "is missing", "s3://"),
    "an address that is no bucket": (
        lambda c: c["metadata"].update(bucket="https://lab.s3.amazonaws.com"),
        "metadata.bucket",
        "is no bucket",
        "s3://",
    ),
    "a key without its name": (
        lambda c: c["auth"].update(ssh_private_key="~/.ray/auth_token"),
        "available_node_types.head.node_config.KeyName",
        "is missing",
        "",
    ),
    "a key that is not there": (
        lambda c: c["auth"].update(ssh_private_key="~/.ssh/mine.pem"),
        "auth.ssh_private_key",
        "'~/.ssh/mine.pem' is not there",
        "",
    ),
    "a subnet in two places": (
        lambda c: worker(c)["node_config"].update(
            SubnetId="subnet-1", NetworkInterfaces=[{"SubnetId": "subnet-1", "Groups": ["sg-1"]}]
        ),
        "",
        "security groups must ONLY be given in each NetworkInterface",
        "",
    ),
    "the world at the job API": (opened(8265, 8265), "provider.security_group", "opens port 8265", ""),
    "the world at all ports": (opened(0, 65535), "provider.security_group", "opens ports 0 to 65535", ""),
    "an open dashboard": (
        reworded("head_start_ray_commands", "--dashboard-host=127.0.0.1", "--dashboard-host=0.0.0.0"),
        "head_start_ray_commands",
        "reaches 0.0.0.0",
        "--dashboard-host=127.0.0.1",
    ),
    "Ray's own start": (
        lambda c: c.pop("head_start_ray_commands"),
        "head_start_ray_commands",
        "reaches 0.0.0.0",
        "--dashboard-host=127.0.0.1",
    ),
    "token authentication off": (
        lambda c: [reworded("setup_commands", "RAY_AUTH_MODE=token", "")(c), open_worker(c)],
        "worker_start_ray_commands",
        "without asking for the token",
        "",
    ),
    "no token on the nodes": (
        lambda c: c["file_mounts"].pop("~/.ray/auth_token"),
        "file_mounts",
        "gives the nodes no token",
        "",
    ),
    "a folder that is not there": (
        lambda c: c["file_mounts"].update({"~/data": "/nowhere"}),
        "file_mounts.~/data",
        "'/nowhere' is not there",
        "",
    ),
    "a head that starts no worker": (
        reworded("head_start_ray_commands", "--autoscaling-config=~/ray_bootstrap_config.yaml", ""),
        "head_start_ray_commands",
        "never starts a worker",
        "",
    ),
    "another Ray": (
        lambda c: c["setup_commands"].append("pip install 'ray[default]==2.40.0'"),
        "worker_setup_commands",
        "takes Ray 2.40.0",
        "",
    ),
    "another Ray in an image": (
        lambda c: c.update(docker={"image": "rayproject/ray:2.40.0-py311-gpu", "container_name": "ray"}),
        "docker.image",
        "takes Ray 2.40.0",
        "",
    ),
    "an image without CUDA": (
        lambda c: c.update(docker={"image": f"rayproject/ray:{ray.__version__}-py311", "container_name": "ray"}),
        "docker.image",
        "-py311, which has no CUDA",
        "-gpu",
    ),
    "two Pythons": (
        lambda c: c.update(worker_setup_commands=["conda create -n x python=3.12"]),
        "",
        "takes Python 3.11 and 3.12",
        "",
    ),
    "an old Python": (
        reworded("setup_commands", "--python 3.11", "--python 3.9"),
        "head_setup_commands",
        "takes Python 3.9",
        "3.11",
    ),
    "torch without CUDA": (
        lambda c: c["setup_commands"].append("pip install torch --index-url https://download.pytorch.org/whl/cpu"),
        "worker_setup_commands",
        "without CUDA",
        "",
    ),
}


def open_worker(config: dict[str, Any]) -> None:
    reworded("worker_start_ray_commands", "RAY_AUTH_MODE=token", "")(config)


@pytest.mark.parametrize("name", ERRORS)
def test_a_mistake_is_an_error(name: str, filled: dict[str, Any], tmp_path: Path) -> None:
    change, place, what, mend = ERRORS[name]
    change(filled)
    where = str(tmp_path / "file.yaml") + (f", {place}" if place else "")
    errors = [finding for finding in find(filled, tmp_path) if finding.severity == "error"]
    assert any(error.where == where and what in error.what and mend in error.mend for error in errors), errors


def test_one_mistake_is_one_error(filled: dict[str, Any], tmp_path: Path) -> None:
    filled["max_worker"] = filled.pop("max_workers")
    [error] = find(filled, tmp_path)
    assert error.severity == "error"


WARNINGS: dict[str, tuple[Change, str]] = {
    "no bound": (lambda c: c.pop("max_workers"), "is missing, so Ray takes 2"),
    "no idle timeout": (lambda c: c.pop("idle_timeout_minutes"), "is missing, so Ray takes 5"),
    "a long idle timeout": (lambda c: c.update(idle_timeout_minutes=600), "lets nodes wait 600 minutes"),
    "nodes that always run": (lambda c: worker(c).update(min_workers=2), "keeps 2 nodes running"),
    "a head on spot": (
        lambda c: head(c)["node_config"].update(InstanceMarketOptions={"MarketType": "spot"}),
        "takes the head on spot",
    ),
    "stopped disks": (lambda c: c["provider"].pop("cache_stopped_nodes"), "their disks are paid for"),
    "a head with all rights": (lambda c: head(c)["node_config"].pop("IamInstanceProfile"), "all rights on EC2"),
    "another Python than here": (
        reworded("setup_commands", "--python 3.11", "--python 3.19"),
        "takes Python 3.19, here",
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_what_may_be_meant_so_is_a_warning(name: str, filled: dict[str, Any], tmp_path: Path) -> None:
    change, what = WARNINGS[name]
    change(filled)
    found = find(filled, tmp_path)
    assert {finding.severity for finding in found} == {"warning"}
    assert any(what in finding.what for finding in found), found


def test_the_endpoints_port_may_be_open(filled: dict[str, Any], tmp_path: Path) -> None:
    opened(8000, 8000)(filled)
    assert len(find(filled, tmp_path)) == 1


def test_a_shared_file_system_stands_in_for_a_bucket(filled: dict[str, Any], tmp_path: Path) -> None:
    del filled["metadata"]
    filled["setup_commands"].append("sudo mount -t nfs4 -o hard fs-1.efs.us-east-1.amazonaws.com:/ /shared")
    assert len(find(filled, tmp_path)) == 1


def test_no_token_is_told_before_the_cluster_starts(filled: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / ".ray" / "auth_token").unlink()
    [error] = [finding for finding in find(filled, tmp_path) if finding.severity == "error"]
    assert error.mend == "make it: ray get-auth-token --generate"


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(available_node_types=5),
        lambda c: c.update(auth=["ubuntu"]),
        lambda c: c.update(setup_commands="make"),
        lambda c: worker(c)["node_config"].update(ImageId=5),
        lambda c: worker(c)["node_config"].update(IamInstanceProfile="sensorium-worker"),
        lambda c: worker(c).update(resources=None),
    ],
)
def test_values_of_another_kind_are_told(change: Change, filled: dict[str, Any], tmp_path: Path) -> None:
    change(filled)
    assert any(finding.severity == "error" for finding in find(filled, tmp_path))


def test_boto3_is_asked_for_before_ray_asks(
    filled: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    [error] = find(filled, tmp_path)
    assert "boto3, which is missing" in error.what


def test_machines_under_desks(filled: dict[str, Any], tmp_path: Path) -> None:
    assert find(ONPREM, tmp_path) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda c: c["provider"].pop("head_ip"), "is missing"),
        (lambda c: c["provider"].update(worker_ips="10.0.0.2"), "is no list"),
        (lambda c: c["provider"].update(worker_ips=["10.0.0.1"]), "names 10.0.0.1 twice"),
        (lambda c: c["provider"].update(workers_ips=[]), "'workers_ips' is unknown"),
        (lambda c: c["auth"].pop("ssh_user"), "is missing"),
        (lambda c: c["auth"].update(ssh_private_key="/nowhere"), "'/nowhere' is not there"),
        (lambda c: c.update(available_node_types={}), "Ray asks them what they have"),
        (lambda c: c.update(worker_start_ray_commands=["ray start --address=x:1"]), "without asking for the token"),
    ],
)
def test_mistakes_with_machines_under_desks(change: Change, what: str, filled: dict[str, Any], tmp_path: Path) -> None:
    config = json.loads(json.dumps(ONPREM))
    change(config)
    assert any(what in finding.what for finding in find(config, tmp_path) if finding.severity == "error")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "line 1: is no YAML"),
        ("", "holds no settings"),
        ("just a word", "holds no settings"),
        ("cluster_name: x", "provider.type: is missing"),
        ("a: 1\n---\nb: 2", "holds 2 documents"),
        ("apiVersion: ray.io/v1\nkind: RayCluster", "RayCluster: 'spec' is missing"),
    ],
)
def test_what_is_no_such_file_is_told(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text(text)
    try:
        [found] = check(tmp_path / "file.yaml")
        told = f"{found.where}: {found.what}"
    except ClusterError as error:
        told = str(error)
    assert sentence in told


def test_the_families_with_gpus_are_those_that_aws_has() -> None:
    data = Path(moto.ec2.__file__).parent / "resources" / "instance_types.json.gz"
    kinds = json.loads(gzip.decompress(data.read_bytes()))
    assert kinds["g6.2xlarge"]["GpuInfo"]
    for name, kind in kinds.items():
        makers = {gpu["Manufacturer"] for gpu in kind.get("GpuInfo", {}).get("Gpus", ())}
        assert bool(makers) == bool(aws._NVIDIA.match(name)), name
        assert ("AMD" in makers) == bool(aws._AMD.match(name)), name


def test_the_command_line_tells_and_ends_with_a_status(filled: dict[str, Any], tmp_path: Path) -> None:
    find(filled, tmp_path)
    fine = CliRunner().invoke(cli.app, ["check", str(tmp_path / "file.yaml")])
    assert (fine.exit_code, fine.stdout.count("\n")) == (0, 1)
    assert re.match(r"warning: .*file.yaml, provider.security_group: lets the whole world", fine.stdout)
    faulty = CliRunner().invoke(cli.app, ["check", "cluster.yaml", "--json"])
    assert faulty.exit_code == 1
    assert {finding["severity"] for finding in json.loads(faulty.stdout)} == {"error", "warning"}
