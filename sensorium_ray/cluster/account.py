"""Ask AWS whether what a launcher file names is there. Nothing is made or changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .aws import bucket, ingress
from .findings import Finding
from .ports import check_ports
from .reading import at

_QUOTAS = {
    "p": ("L-417A185B", "L-7212CCBC"),
    "g": ("L-DB2E81BA", "L-3819A6DF"),
    "": ("L-1216C47A", "L-34B43A08"),
}
"""Quotas of EC2 in vCPUs, by how an instance type begins (the last: all usual ones): on demand, on spot."""


def check_account(config: Mapping[str, Any], file: str) -> list[Finding]:
    """Findings about images, instance types, profiles, the bucket, open ports and quotas.

    Parameters
    ----------
    config : a completed file in which `check_aws` found no fault of form.
    """
    from botocore.exceptions import BotoCoreError

    account = _Account(config["provider"]["region"])
    try:
        found = [*_check_identity(account, file)]
        if found:
            return found
        for name, node in config["available_node_types"].items():
            is_head = name == config["head_node_type"]
            count = 1 if is_head else min(node["max_workers"], config["max_workers"])
            found += _check_node(account, node, count, file, "available_node_types", name)
        return [*found, *_check_bucket(account, config, file), *_check_groups(account, config, file)]
    except BotoCoreError as error:
        return [Finding(file, f"AWS cannot be asked ({error})", "check the network and AWS_ENDPOINT_URL", "error")]


class _RefusedError(Exception):
    """AWS says no; `code` is its word for why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Account:
    def __init__(self, region: str) -> None:
        from botocore.session import Session

        self.region = region
        self._session = Session()

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Answer of AWS.

        Raises
        ------
        _RefusedError : AWS refuses.
        """
        from botocore.exceptions import ClientError

        client = self._session.create_client(service, region_name=self.region)
        try:
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
        except ClientError as error:
            raise _RefusedError(error.response["Error"]["Code"]) from error
        return answer


def _check_identity(account: _Account, file: str) -> Iterator[Finding]:
    from botocore.exceptions import NoCredentialsError

    mend = "let `aws sts get-caller-identity` answer"
    try:
        account.ask("sts", "get_caller_identity")
    except NoCredentialsError:
        yield Finding(file, "AWS is not asked: there are no credentials here", mend, "error")
    except _RefusedError as refusal:
        yield Finding(file, f"AWS does not take the credentials ({refusal.code})", mend, "error")


def _check_node(account: _Account, node: Mapping[str, Any], count: int, file: str, *place: object) -> Iterator[Finding]:
    chosen = node["node_config"]
    if "InstanceType" not in chosen:
        return  # a launch template names it
    try:
        kind = account.ask("ec2", "describe_instance_types", InstanceTypes=[chosen["InstanceType"]])["InstanceTypes"][0]
    except _RefusedError as refusal:
        yield _refused(refusal, at(file, *place, "node_config", "InstanceType"), chosen["InstanceType"], account.region)
        return
    yield from _check_image(account, chosen, kind, file, *place, "node_config", "ImageId")
    yield from _check_resources(node["resources"], kind, at(file, *place, "resources"))
    yield from _check_profile(account, chosen, at(file, *place, "node_config", "IamInstanceProfile"))
    spot = (chosen.get("InstanceMarketOptions") or {}).get("MarketType") == "spot"
    yield from _check_quota(account, kind, count, spot, at(file, *place, "node_config", "InstanceType"))


def _check_image(
    account: _Account, chosen: Mapping[str, Any], kind: Mapping[str, Any], file: str, *place: object
) -> Iterator[Finding]:
    image, where = chosen.get("ImageId", ""), at(file, *place)
    if not image.startswith("ami-"):
        return
    try:
        images = account.ask("ec2", "describe_images", ImageIds=[image])["Images"]
    except _RefusedError as refusal:
        yield _refused(refusal, where, image, account.region)
        return
    known = kind["ProcessorInfo"]["SupportedArchitectures"]
    if images and images[0]["Architecture"] not in known:
        what = f"{image} is for {images[0]['Architecture']}, {kind['InstanceType']} is {' or '.join(known)}"
        yield Finding(where, what, "take the image of the other architecture", "error")


def _check_resources(promised: Mapping[str, int], kind: Mapping[str, Any], where: str) -> Iterator[Finding]:
    there = {
        "CPU": kind["VCpuInfo"]["DefaultVCpus"],
        "GPU": sum(gpu["Count"] for gpu in kind.get("GpuInfo", {}).get("Gpus", ())),
    }
    for name, number in there.items():
        if promised.get(name, 0) > number:
            what = f"promises {promised[name]} {name}, {kind['InstanceType']} has {number}"
            yield Finding(where, what, "promise no more than there is", "error")


def _check_profile(account: _Account, chosen: Mapping[str, Any], where: str) -> Iterator[Finding]:
    profile = chosen.get("IamInstanceProfile")
    if not profile:
        return
    name = profile.get("Name") or profile["Arn"].rpartition("/")[2]
    try:
        found = account.ask("iam", "get_instance_profile", InstanceProfileName=name)["InstanceProfile"]
    except _RefusedError as refusal:
        yield _refused(refusal, where, name, "this account")
        return
    if not found["Roles"]:
        yield Finding(where, f"{name} holds no role, and so gives no rights", "add one (docs/cluster.md)", "error")


def _check_quota(account: _Account, kind: Mapping[str, Any], count: int, spot: bool, where: str) -> Iterator[Finding]:
    name = kind["InstanceType"]
    family = next(start for start in _QUOTAS if name.startswith(start))
    needed = kind["VCpuInfo"]["DefaultVCpus"]
    try:
        answer = account.ask("service-quotas", "get_service_quota", ServiceCode="ec2", QuotaCode=_QUOTAS[family][spot])
    except _RefusedError as refusal:
        what = f"the quota for {name} is not known ({refusal.code})"
        yield Finding(where, what, "look in the console, Service Quotas, EC2", "warning")
        return
    allowed = answer["Quota"]["Value"]
    if allowed < needed * count:
        what = f"{count} {name} are {needed * count} vCPUs, this account may have {allowed:g}"
        severity: Any = "error" if allowed < needed else "warning"
        yield Finding(where, what, "ask AWS for more (Service Quotas, EC2), or write fewer", severity)


def _check_bucket(account: _Account, config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    address, where = bucket(config), at(file, "metadata", "bucket")
    if address is None:
        return
    name = address.removeprefix("s3://").partition("/")[0]
    try:
        answer = account.ask("s3", "head_bucket", Bucket=name)
    except _RefusedError as refusal:
        yield _refused(refusal, where, name, "AWS")
        return
    region = answer.get("BucketRegion", account.region)
    if region != account.region:
        what = f"{name} lies in {region}, the cluster in {account.region}: every byte is paid for"
        yield Finding(where, what, "take a bucket there, or start the cluster here", "warning")


def _check_groups(account: _Account, config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """Ray adds its rules to a group that has none, and leaves alone one that has."""
    for name, node in config["available_node_types"].items():
        if ids := node["node_config"].get("SecurityGroupIds"):
            where = at(file, "available_node_types", name, "node_config", "SecurityGroupIds")
            try:
                groups = account.ask("ec2", "describe_security_groups", GroupIds=ids)["SecurityGroups"]
            except _RefusedError as refusal:
                yield _refused(refusal, where, ", ".join(ids), account.region)
                continue
            yield from check_ports([rule for group in groups for rule in group["IpPermissions"]], where)
    group = (config["provider"].get("security_group") or {}).get(
        "GroupName", f"ray-autoscaler-{config['cluster_name']}"
    )
    named = [{"Name": "group-name", "Values": [group]}]
    groups = account.ask("ec2", "describe_security_groups", Filters=named)["SecurityGroups"]
    rules = [rule for group in groups for rule in group["IpPermissions"]]
    yield from check_ports(rules or ingress(config), at(file, "provider", "security_group"))


def _refused(refusal: _RefusedError, where: str, name: str, there: str) -> Finding:
    """Codes of what is not there differ from service to service; they have one of these words."""
    if refusal.code == "404" or any(word in refusal.code for word in ("NotFound", "NoSuch", "Invalid", "Malformed")):
        return Finding(where, f"{name} is not in {there}", "make it, or name another", "error")
    mend = "ask the account's owner for the right to look, or to use it"
    return Finding(where, f"{name}: AWS refuses to tell ({refusal.code})", mend, "error")
