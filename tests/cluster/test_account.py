"""What `check --online` makes of AWS's answers; test_ray_up.py asks a simulated AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from sensorium_ray.cluster import account
from sensorium_ray.cluster.checking import check
from sensorium_ray.cluster.findings import Finding

KINDS = {
    "m7i.2xlarge": {"VCpuInfo": {"DefaultVCpus": 8}},
    "g6.2xlarge": {"VCpuInfo": {"DefaultVCpus": 8}, "GpuInfo": {"Gpus": [{"Count": 1}]}},
}
NARROW = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "203.0.113.7/32"}]}


class Aws:
    """Answers as an account does in which all is well; `changed` by operation or quota."""

    def __init__(self) -> None:
        self.changed: dict[str, Any] = {}

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        name = parameters.get("QuotaCode", operation)
        if isinstance(self.changed.get(name), Exception):
            raise self.changed[name]
        if name in self.changed:
            return self.changed[name]
        if operation == "describe_instance_types":
            [kind] = parameters["InstanceTypes"]
            about = {"InstanceType": kind, "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]}}
            return {"InstanceTypes": [about | KINDS[kind]]}
        return {
            "get_caller_identity": {},
            "describe_images": {"Images": [{"Architecture": "x86_64"}]},
            "get_instance_profile": {"InstanceProfile": {"Roles": [{}]}},
            "get_service_quota": {"Quota": {"Value": 64.0}},
            "head_bucket": {"BucketRegion": "us-east-1"},
            "describe_security_groups": {"SecurityGroups": [{"IpPermissions": [NARROW]}]},
        }[operation]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    aws = Aws()
    monkeypatch.setattr(account._Account, "ask", lambda _, *words, **parameters: aws.ask(*words, **parameters))
    return aws


def find(config: dict[str, Any], folder: Path) -> list[Finding]:
    (folder / "file.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return check(folder / "file.yaml", online=True)


def test_an_account_in_which_all_is_well(aws: Aws, filled: dict[str, Any], tmp_path: Path) -> None:
    assert find(filled, tmp_path) == []


OPEN = {"SecurityGroups": [{"IpPermissions": [NARROW | {"IpRanges": [{"CidrIp": "0.0.0.0/0"}], "ToPort": 65535}]}]}
ANSWERS: dict[str, tuple[str, Any, str, str]] = {
    "no credentials": ("get_caller_identity", NoCredentialsError(), "error", "there are no credentials here"),
    "old credentials": (
        "get_caller_identity",
        account._RefusedError("ExpiredToken"),
        "error",
        "does not take the credentials (ExpiredToken)",
    ),
    "no network": (
        "describe_images",
        EndpointConnectionError(endpoint_url="https://ec2.us-east-1.amazonaws.com"),
        "error",
        "AWS cannot be asked (Could not connect",
    ),
    "no such image": (
        "describe_images",
        account._RefusedError("InvalidAMIID.NotFound"),
        "error",
        "ami-0123456789abcdef0 is not in us-east-1",
    ),
    "an image for other processors": (
        "describe_images",
        {"Images": [{"Architecture": "arm64"}]},
        "error",
        "is for arm64, g6.2xlarge is x86_64",
    ),
    "an empty profile": (
        "get_instance_profile",
        {"InstanceProfile": {"Roles": []}},
        "error",
        "sensorium-worker holds no role",
    ),
    "somebody else's bucket": ("head_bucket", account._RefusedError("403"), "error", "AWS refuses to tell (403)"),
    "a bucket elsewhere": (
        "head_bucket",
        {"BucketRegion": "eu-west-1"},
        "warning",
        "lab-sensorium lies in eu-west-1, the cluster in us-east-1",
    ),
    "no GPUs allowed on spot": (
        "L-3819A6DF",
        {"Quota": {"Value": 0.0}},
        "error",
        "4 g6.2xlarge are 32 vCPUs, this account may have 0",
    ),
    "some GPUs allowed on spot": (
        "L-3819A6DF",
        {"Quota": {"Value": 16.0}},
        "warning",
        "4 g6.2xlarge are 32 vCPUs, this account may have 16",
    ),
    "no word on quotas": (
        "L-1216C47A",
        account._RefusedError("AccessDeniedException"),
        "warning",
        "the quota for m7i.2xlarge is not known (AccessDeniedException)",
    ),
    "an open group": ("describe_security_groups", OPEN, "error", "opens ports 22 to 65535 to the whole world"),
    "no group": ("describe_security_groups", {"SecurityGroups": []}, "warning", "the whole world try to log in by ssh"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_aws_answers_is_told(name: str, aws: Aws, filled: dict[str, Any], tmp_path: Path) -> None:
    operation, answer, severity, what = ANSWERS[name]
    aws.changed[operation] = answer
    found = find(filled, tmp_path)
    assert any(finding.severity == severity and what in finding.what for finding in found), found


def test_aws_is_not_asked_about_a_file_with_an_error(aws: Aws, filled: dict[str, Any], tmp_path: Path) -> None:
    aws.changed["get_caller_identity"] = AssertionError("asked")
    filled["metadata"]["bucket"] = "lab"
    assert next(finding.what for finding in find(filled, tmp_path)) == "'lab' is no bucket"
