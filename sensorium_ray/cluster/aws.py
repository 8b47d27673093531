"""Check a launcher file for AWS, as far as that needs no network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from .findings import Finding, nearest
from .reading import at
from .spelling import OF_RAY, PLACEHOLDER, run_instances

_AMI = re.compile(r"ami-(?:[0-9a-f]{8}|[0-9a-f]{17})|resolve:ssm:/.+")
_PROFILE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:instance-profile/.+")
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/.*)?")
_NVIDIA = re.compile(r"(?:p|g|gr)\d")
_AMD = re.compile(r"g\d+ad\b")
_SHARED = re.compile(r"\bnfs|\befs\b|lustre|fsx")


def check_parameters(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """Types of what AWS takes to start instances, by botocore's model; what Ray adds or takes out does not count."""
    from botocore.validate import ParamValidator

    for name, node in config["available_node_types"].items():
        given = {key: value for key, value in node["node_config"].items() if key not in OF_RAY}
        report = ParamValidator().validate(given | {"MinCount": 1, "MaxCount": 1}, run_instances())
        for line in filter(None, report.generate_report().splitlines()):
            where = at(file, "available_node_types", name, "node_config")
            yield Finding(where, line, "write what AWS takes", "error")


def check_aws(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """Findings about a completed file in which keys and types are right."""
    yield from _check_region(config["provider"], file)
    for name, node in config["available_node_types"].items():
        place = ("available_node_types", name, "node_config")
        yield from _check_image(node["node_config"], config["provider"], file, *place)
        yield from _check_gpus(node, file, *place)
    yield from _check_profiles(config, file)
    yield from _check_bucket(config, file)
    yield from _check_login(config, file)
    yield from _check_network(config, file)


def bucket(config: Mapping[str, Any]) -> str | None:
    """Address that a file gives for the store, checkpoints and bundles: metadata.bucket, which Ray leaves alone."""
    address = (config.get("metadata") or {}).get("bucket")
    return None if address is None else str(address)


def ingress(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rules of the security group that Ray would make; none where every node type names groups of its own."""
    if all("SecurityGroupIds" in node["node_config"] for node in config["available_node_types"].values()):
        return []
    from ray.autoscaler._private.aws.config import _create_default_inbound_rules

    own = (config["provider"].get("security_group") or {}).get("IpPermissions", [])
    rules: list[dict[str, Any]] = _create_default_inbound_rules({"this"}, own)
    return rules


def _check_region(provider: Mapping[str, Any], file: str) -> Iterator[Finding]:
    region = provider.get("region", "")
    if region not in _regions():
        what, mend = f"'{region}' is no region of AWS", nearest(region, _regions(), "write one such as us-east-1")
        yield Finding(at(file, "provider", "region"), what, mend, "error")
        return
    for zone in filter(None, map(str.strip, provider.get("availability_zone", "").split(","))):
        if not re.fullmatch(rf"{region}(?:[a-z]|-\w+-\d[a-z])", zone):
            what = f"'{zone}' is no zone of {region}"
            yield Finding(at(file, "provider", "availability_zone"), what, f"write one such as {region}a", "error")


@cache
def _regions() -> list[str]:
    from botocore.session import Session

    session = Session()
    return [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("ec2", partition_name=partition)
    ]


def _check_image(node: Mapping[str, Any], provider: Mapping[str, Any], file: str, *place: object) -> Iterator[Finding]:
    from ray.autoscaler._private.aws.config import DEFAULT_AMI

    where = at(file, *place, "ImageId")
    image = node.get("ImageId")
    home = {ami: region for region, ami in DEFAULT_AMI.items()}.get(image)
    if image is None and "LaunchTemplate" not in node:
        what = "is missing, and Ray's own is Ubuntu 18.04, too old for this project"
        yield Finding(where, what, "name the image that cluster.yaml tells how to find", "error")
    elif home not in (None, provider["region"]):
        yield Finding(where, f"{image} lies in {home}, not in {provider['region']}", "ask for one there", "error")
    elif image is not None and PLACEHOLDER not in image and not _AMI.fullmatch(image):
        yield Finding(where, f"'{image}' is no image's id", "write ami- and 17 hexadecimal digits", "error")


def _check_gpus(node: Mapping[str, Any], file: str, *place: object) -> Iterator[Finding]:
    instance = node["node_config"].get("InstanceType")
    where = at(file, *place, "InstanceType")
    if instance is None:
        if "LaunchTemplate" not in node["node_config"]:
            yield Finding(where, "is missing", "write one such as g6.2xlarge", "error")
        return
    if not node["resources"].get("GPU"):
        return
    if _AMD.match(instance):
        yield Finding(where, f"{instance} has AMD's GPUs, which CUDA does not know", "take a g6 or p5", "error")
    elif not _NVIDIA.match(instance):
        what = f"{instance} has no GPU, `resources` promises {node['resources']['GPU']}"
        yield Finding(where, what, "take a g6 or p5, or promise none", "error")


def _check_profiles(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    for name, node in config["available_node_types"].items():
        where = at(file, "available_node_types", name, "node_config", "IamInstanceProfile")
        profile = node["node_config"].get("IamInstanceProfile")
        arn = (profile or {}).get("Arn")
        if arn is not None and PLACEHOLDER not in arn and not _PROFILE.fullmatch(arn):
            mend = "write arn:aws:iam::ACCOUNT:instance-profile/NAME, or {Name: NAME}"
            yield Finding(where, f"'{arn}' is no instance profile's", mend, "error")
        elif not profile and name == config["head_node_type"]:
            what = "is missing, so Ray gives the head all rights on EC2 and on every bucket"
            yield Finding(where, what, "name the profile of cluster/aws/head-policy.json", "warning")
        elif not profile and bucket(config):
            what = "is missing, so these nodes may not read the bucket"
            yield Finding(where, what, "name the profile of cluster/aws/bucket-policy.json", "error")


def _check_bucket(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    where, address = at(file, "metadata", "bucket"), bucket(config)
    if address is None:
        commands = "\n".join([*config["head_setup_commands"], *config["worker_setup_commands"]])
        if not _SHARED.search(commands):
            what = "is missing, and no file system that nodes share is mounted: they would find no store"
            yield Finding(where, what, "write s3://BUCKET", "error")
    elif PLACEHOLDER not in address and not _BUCKET.fullmatch(address):
        yield Finding(where, f"'{address}' is no bucket", "write s3://BUCKET, in small letters", "error")


def _check_login(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    if "ssh_private_key" not in config["auth"]:
        return  # Ray makes a pair
    for name, node in config["available_node_types"].items():
        if not {"KeyName", "UserData"} & node["node_config"].keys():
            where = at(file, "available_node_types", name, "node_config", "KeyName")
            yield Finding(where, "is missing, so these nodes would not take your key", "name its key pair", "error")


def _check_network(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """That step of Ray's own preparation for AWS which asks nobody."""
    from ray.autoscaler._private.aws.config import _configure_from_network_interfaces

    try:
        _configure_from_network_interfaces(dict(config))
    except ValueError as error:
        yield Finding(file, f"Ray refuses it ({error})", "mend what it names", "error")
