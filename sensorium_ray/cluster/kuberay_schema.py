"""Whether a document has the shape that KubeRay, or Kubernetes, wants."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from .findings import Finding, nearest

KINDS = ("RayCluster", "RayJob", "RayService")
"""What is KubeRay's own."""
_HEAD = ("spec", "headGroupSpec")
_POD = (*_HEAD, "template")
_WITHIN = {"Service": (*_HEAD, "headService"), "Pod template": _POD}
"""What KubeRay's schema of a RayCluster tells of Kubernetes' own kinds, and where."""


@cache
def _shipped() -> dict[str, Any]:
    file = resources.files(__package__) / "crds" / "kuberay.json.xz"
    return json.loads(lzma.decompress(file.read_bytes()))


def kuberay_version() -> str:
    """Release of KubeRay that the schemas are of."""
    return str(_shipped()["kuberay"])


@cache
def _validator(kind: str) -> Draft7Validator:
    kinds = _shipped()["kinds"]
    schema = kinds[kind] if kind in kinds else kinds["RayCluster"]
    for name in _WITHIN.get(kind, ()):
        schema = schema["properties"][name]
    return Draft7Validator(schema)


def misshapen(document: object, kind: str, where: str) -> Iterator[Finding]:
    """Unknown fields, with the nearest known one, missing fields, and values of a wrong kind.

    Parameters
    ----------
    kind : one of `KINDS`, or 'Service' or 'Pod template'.
    """
    for error in sorted(_validator(kind).iter_errors(document), key=lambda error: list(map(str, error.path))):
        place = f"{where}, {field(error.path)}" if error.path else where
        for what, mend in _words(error):
            yield Finding(place, what, mend, "error")


def field(path: Iterable[str | int]) -> str:
    """'spec.workerGroupSpecs[0].template' of a path."""
    return "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in path).lstrip(".")


def _words(error: ValidationError) -> Iterator[tuple[str, str]]:
    """What is wrong, and how to mend it."""
    value, wanted = error.instance, error.validator_value
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            for name in set(value) - set(known):
                yield f"'{name}' is no field of it", nearest(name, known)
        case "required":
            for name in (name for name in wanted if name not in value):
                yield f"'{name}' is missing", "add it"
        case "type":
            yield f"is {_shown(value)}, where {_kind(wanted)} is wanted", "check its value and how it is indented"
        case "anyOf":  # nothing else is given a choice
            yield f"is {_shown(value)}, where a whole number or a string is wanted", "put it in quotes"
        case "enum":
            yield f"is {_shown(value)}", f"it may be {', '.join(map(str, wanted))}"
        case "pattern" if "KMGTPE" in wanted:
            yield f"is {_shown(value)}, which is no quantity", "write 500m, 4 or 8Gi"
        case _:
            yield error.message, f"see the reference of KubeRay {kuberay_version()}"


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _kind(wanted: str | list[str]) -> str:
    names = {"object": "a mapping", "array": "a list", "string": "a string", "integer": "a whole number"}
    names |= {"boolean": "true or false", "number": "a number", "null": "nothing"}
    return " or ".join(names[name] for name in ([wanted] if isinstance(wanted, str) else wanted))
