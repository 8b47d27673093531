"""Manifests for Kubernetes, checked without one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from .exposure import check_ingress, check_service
from .findings import Finding, nearest
from .kuberay_schema import KINDS, kuberay_version, misshapen
from .pods import check_pod
from .raycluster import check_cluster
from .rayjob import check_job
from .rayservice import SERVE, check_service_config, serve_port

_API = "ray.io/v1"
_CLUSTER = {"RayJob": "rayClusterSpec", "RayService": "rayClusterConfig"}
"""Where a kind has the specification of its Ray cluster; of a RayCluster it is all."""
_STARTS_PODS = ("DaemonSet", "Deployment", "Job", "StatefulSet")


def check_manifests(documents: Sequence[dict[str, Any]], where: str) -> list[Finding]:
    """What is wrong with the documents of a file for `kubectl apply`.

    Those of KubeRay, Services and what starts pods are held against KubeRay's schema, and those of the right shape also
    against what people get wrong. Of other kinds Ingresses alone are looked at.

    Parameters
    ----------
    documents : as YAML was read; empty ones may be None.
    where : name of the file.
    """
    serve: set[int | str] = {*SERVE}
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == "RayService":
            serve.add(serve_port(document.get("spec")))
    return [finding for number, document in enumerate(documents) for finding in _check(document, number, serve, where)]


def _check(document: Any, number: int, serve: Collection[int | str], where: str) -> Iterator[Finding]:
    if document is None:
        return
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        mend = "give it apiVersion, kind, metadata and spec"
        yield Finding(f"{where}, document {number + 1}", "is no manifest: it has no kind", mend, "error")
        return
    kind = document["kind"]
    metadata = document.get("metadata")
    place = f"{where}, {kind} {metadata.get('name', '') if isinstance(metadata, dict) else ''}".rstrip()
    if kind in KINDS or str(document.get("apiVersion")).startswith("ray.io/"):
        yield from _kuberays(document, kind, place)
    elif kind == "Service":
        yield from list(misshapen(document, kind, place)) or check_service(document, serve, place)
    elif kind == "Ingress":
        yield from check_ingress(document, serve, place)
    elif kind in _STARTS_PODS:
        spec = document.get("spec")
        template: Any = spec.get("template") if isinstance(spec, dict) else None
        place = f"{place}, spec.template"
        yield from list(misshapen(template, "Pod template", place)) or check_pod(template, place)


def _kuberays(document: dict[str, Any], kind: str, where: str) -> Iterator[Finding]:
    if kind not in KINDS:
        yield Finding(where, f"'{kind}' is no kind that is known here", nearest(kind, KINDS), "error")
        return
    if document.get("apiVersion") != _API:
        what = f"is {document.get('apiVersion')}, and KubeRay {kuberay_version()} has {_API}"
        yield Finding(f"{where}, apiVersion", what, f"write {_API}", "error")
    if "spec" not in document:
        yield Finding(where, "'spec' is missing", "add it", "error")
        return
    faults = list(misshapen(document, kind, where))
    yield from faults
    if faults:  # what follows takes the shape for granted
        return
    spec = document["spec"]
    if kind == "RayJob":
        yield from check_job(spec, f"{where}, spec")
    if kind == "RayService":
        yield from check_service_config(spec, f"{where}, spec")
    cluster = spec.get(_CLUSTER[kind]) if kind in _CLUSTER else spec
    if cluster is not None:
        place = f"{where}, spec.{_CLUSTER[kind]}" if kind in _CLUSTER else f"{where}, spec"
        yield from check_cluster(cluster, place)
