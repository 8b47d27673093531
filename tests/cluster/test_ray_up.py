"""cluster.yaml on a simulated AWS, as far as that goes without machines: to a launched head that ssh is tried on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from ray.autoscaler._private.aws.config import bootstrap_aws
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.util import prepare_config

from sensorium_ray.cluster.checking import check

RIGHTS = Path(__file__).parents[2] / "cluster" / "aws"
LAB = "203.0.113.7/32"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def ec2(s3_server: str) -> Any:
    """A simulated EC2 without instances."""
    client = boto3.client("ec2", region_name="us-east-1")
    yield client
    running = [instance["InstanceId"] for instance in instances(client)]
    if running:
        client.terminate_instances(InstanceIds=running)


@pytest.fixture
def account(ec2: Any) -> Iterator[None]:
    """What cluster/aws/prepare.sh makes."""
    iam, s3 = boto3.client("iam"), boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="lab-sensorium")
    policies = {name: (RIGHTS / f"{name}-policy.json").read_text() for name in ("head", "bucket")}
    for node in ("head", "worker"):
        name = f"sensorium-{node}"
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=(RIGHTS / "trust.json").read_text())
        for policy in ("head", "bucket") if node == "head" else ("bucket",):
            document = policies[policy].replace("REPLACE_BUCKET", "lab-sensorium")
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document)
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    group = ec2.create_security_group(GroupName="sensorium", Description="Ray cluster")["GroupId"]
    rules = [
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": LAB}]},
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]},
    ]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)
    yield
    running = [instance["InstanceId"] for instance in instances(ec2)]
    if running:
        ec2.terminate_instances(InstanceIds=running)
    ec2.delete_security_group(GroupId=group)
    s3.delete_bucket(Bucket="lab-sensorium")
    for node in ("head", "worker"):
        name = f"sensorium-{node}"
        iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=name)
        iam.delete_instance_profile(InstanceProfileName=name)
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)


@dataclass
class Command:
    """`sensorium cluster` where ssh reaches nobody.

    Parameters
    ----------
    environment : its PATH begins with an ssh that writes down what it is asked and fails.
    asked : the file that it writes to.
    """

    environment: dict[str, str]
    asked: Path

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).parent / "sensorium"), "cluster", *words]
        return subprocess.Popen(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


@pytest.fixture
def cluster(filled: dict[str, Any], ec2: Any, tmp_path: Path) -> Command:
    folder, asked = tmp_path / "bin", tmp_path / "asked"
    folder.mkdir()
    (folder / "ssh").write_text(f'#!/bin/sh\necho "$@" >>{asked}\necho "Connection refused" >&2\nexit 255\n')
    (folder / "ssh").chmod(0o755)
    here = str(Path(__file__).parents[2])
    # The launcher keeps what it found out in a temporary folder.
    changes = {"PATH": f"{folder}:{os.environ['PATH']}", "TMPDIR": str(tmp_path), "PYTHONPATH": here}
    return Command(os.environ | changes, asked)


@pytest.fixture
def file(filled: dict[str, Any], ec2: Any, tmp_path: Path) -> Path:
    """cluster.yaml with an image that the simulated AWS has."""
    [image, *_] = [image for image in ec2.describe_images()["Images"] if image["Architecture"] == "x86_64"]
    for node in filled["available_node_types"].values():
        node["node_config"]["ImageId"] = image["ImageId"]
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(filled, sort_keys=False))
    return tmp_path / "cluster.yaml"


def instances(ec2: Any) -> list[dict[str, Any]]:
    """Those that run."""
    found = [one for reservation in ec2.describe_instances()["Reservations"] for one in reservation["Instances"]]
    return [one for one in found if one["State"]["Name"] in ("pending", "running")]


def errors(file: Path) -> list[str]:
    found = check(file, online=True)
    return [f"{finding.where.partition(', ')[2]}: {finding.what}" for finding in found if finding.severity == "error"]


def test_up_launches_the_head_and_down_ends_it(account: None, ec2: Any, cluster: Command, file: Path) -> None:
    process = cluster.start("up", str(file), "--yes")
    end = time.monotonic() + 200
    while not cluster.asked.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    printed = process.communicate()[0]
    assert f"+ RAY_AUTH_MODE=token ray up {file} --yes" in printed

    [head] = instances(ec2)
    assert head["InstanceType"] == "m7i.2xlarge"
    assert "InstanceLifecycle" not in head  # on demand
    assert head["IamInstanceProfile"]["Arn"].endswith("instance-profile/sensorium-head")
    assert head["MetadataOptions"]["HttpTokens"] == "required"
    tags = {tag["Key"]: tag["Value"] for tag in head["Tags"]}
    assert tags["ray-cluster-name"] == "sensorium"
    assert (tags["ray-node-type"], tags["ray-user-node-type"]) == ("head", "head")
    assert tags["Name"] == "ray-sensorium-head"
    [group] = head["SecurityGroups"]
    [found] = ec2.describe_security_groups(GroupIds=[group["GroupId"]])["SecurityGroups"]
    assert found["GroupName"] == "sensorium"
    rules = {rule["IpProtocol"]: rule for rule in found["IpPermissions"]}
    assert sorted(rules) == ["-1", "tcp"]  # Ray added none
    assert [entry["CidrIp"] for entry in rules["tcp"]["IpRanges"]] == [LAB]
    assert (rules["-1"]["IpRanges"], len(rules["-1"]["UserIdGroupPairs"])) == ([], 1)
    asked = cluster.asked.read_text()
    assert f"ubuntu@{head['PublicIpAddress']}" in asked
    assert ".ssh/ray-autoscaler_us-east-1.pem" in asked

    process = cluster.start("status", str(file))
    printed = process.communicate()[0]
    assert process.returncode == 1
    assert printed.splitlines()[-1].startswith(f"error: {file}: "), printed

    process = cluster.start("down", str(file), "--yes")
    printed = process.communicate()[0]
    assert process.returncode == 0, printed
    assert instances(ec2) == []


def test_workers_come_on_spot_with_no_more_rights_than_theirs(account: None, ec2: Any, file: Path) -> None:
    config = bootstrap_aws(prepare_config(yaml.safe_load(file.read_text())))
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    done: set[str] = set()
    for resource in (provider.ec2, provider.ec2_fail_fast):
        resource.meta.client.meta.events.register("before-call.ec2", lambda model, **_: done.add(f"ec2:{model.name}"))
    tags = {"ray-node-type": "worker", "ray-user-node-type": "gpu_worker"}
    provider.create_node(config["available_node_types"]["gpu_worker"]["node_config"], tags, 2)
    started = instances(ec2)
    assert {one["InstanceType"] for one in started} == {"g6.2xlarge"}
    assert {one["InstanceLifecycle"] for one in started} == {"spot"}
    assert all(one["IamInstanceProfile"]["Arn"].endswith("/sensorium-worker") for one in started)
    assert {group["GroupName"] for one in started for group in one["SecurityGroups"]} == {"sensorium"}
    nodes = provider.non_terminated_nodes({})
    provider.set_node_tags(nodes[0], {"ray-node-status": "up-to-date"})
    provider.terminate_nodes(nodes)
    statements = json.loads((RIGHTS / "head-policy.json").read_text())["Statement"]
    actions = [entry["Action"] for entry in statements]
    allowed = {one for action in actions for one in ([action] if isinstance(action, str) else action)}
    assert {"ec2:RunInstances", "ec2:TerminateInstances", "ec2:CreateTags", "ec2:DescribeInstances"} <= done
    assert done <= allowed


def test_to_a_group_that_is_not_there_ray_adds_ssh_from_everywhere(ec2: Any, file: Path) -> None:
    config = bootstrap_aws(prepare_config(yaml.safe_load(file.read_text())))
    ids = config["available_node_types"]["head"]["node_config"]["SecurityGroupIds"]
    [group] = ec2.describe_security_groups(GroupIds=ids)["SecurityGroups"]
    opened = [rule["FromPort"] for rule in group["IpPermissions"] if rule["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]]
    ec2.delete_security_group(GroupId=group["GroupId"])
    assert (group["GroupName"], opened) == ("sensorium", [22])


def test_check_asks_aws_what_is_there(account: None, ec2: Any, file: Path, filled: dict[str, Any]) -> None:
    assert errors(file) == []
    assert not any("ssh" in finding.what for finding in check(file, online=True))  # the lab's own group is narrow

    head, worker = (filled["available_node_types"][name]["node_config"] for name in ("head", "gpu_worker"))
    head["ImageId"] = "ami-0123456789abcdef0"
    worker["IamInstanceProfile"] = {"Name": "sensorium-workers"}
    filled["available_node_types"]["gpu_worker"]["resources"]["GPU"] = 8
    filled["metadata"]["bucket"] = "s3://no-such-bucket"
    file.write_text(yaml.safe_dump(filled))
    assert errors(file) == [
        "available_node_types.gpu_worker.resources: promises 8 GPU, g6.2xlarge has 1",
        "available_node_types.gpu_worker.node_config.IamInstanceProfile: sensorium-workers is not in this account",
        "available_node_types.head.node_config.ImageId: ami-0123456789abcdef0 is not in us-east-1",
        "metadata.bucket: no-such-bucket is not in AWS",
    ]
