"""Take over the schemas of another release of KubeRay.

    git clone --depth 1 --branch v1.7.0 https://github.com/ray-project/kuberay
    python -m sensorium_ray.cluster.crds.renew kuberay 1.7.0

Writes `kuberay.json.xz` and `NOTICE` beside this file: of every kind the JSON schema of its version v1. Descriptions,
defaults and Kubernetes' own extensions are left out; an object whose fields are known refuses others.
"""

from __future__ import annotations

import json
import lzma
import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
_KINDS = ("rayclusters", "rayjobs", "rayservices")
_KEPT = ("type", "enum", "pattern", "anyOf", "minimum", "maximum", "minLength", "maxLength", "minItems")
_NOTICE = """\
kuberay.json.xz holds schemas of KubeRay {version}, from ray-operator/config/crd/bases of
https://github.com/ray-project/kuberay.
Copyright the KubeRay authors; licensed under the Apache License, Version 2.0, which lies beside this file as LICENSE.
Changed for this project by renew.py: descriptions, defaults and Kubernetes' own extensions were removed, and objects
whose fields are known refuse others.
"""


def plain(schema: dict[str, Any]) -> dict[str, Any]:
    """JSON schema of a structural schema as Kubernetes has them."""
    kept = {name: schema[name] for name in _KEPT if name in schema}
    if schema.get("nullable"):
        kept["type"] = [schema["type"], "null"]
    if "properties" in schema:
        kept["properties"] = {name: plain(part) for name, part in schema["properties"].items()}
        # What has a default is filled in before Kubernetes looks.
        kept["required"] = [name for name in schema.get("required", []) if "default" not in schema["properties"][name]]
        kept["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            kept[name] = plain(schema[name])
    return kept


def main(checkout: str, version: str) -> None:
    """Write both files."""
    kinds = {}
    for plural in _KINDS:
        file = Path(checkout, "ray-operator/config/crd/bases", f"ray.io_{plural}.yaml")
        definition = yaml.safe_load(file.read_text())["spec"]
        [schema] = [found["schema"] for found in definition["versions"] if found["name"] == "v1"]
        kinds[definition["names"]["kind"]] = plain(schema["openAPIV3Schema"])
    text = json.dumps({"kuberay": version, "kinds": kinds}, separators=(",", ":"))
    (FOLDER / "kuberay.json.xz").write_bytes(lzma.compress(text.encode()))
    (FOLDER / "NOTICE").write_text(_NOTICE.format(version=version))


if __name__ == "__main__":
    main(*sys.argv[1:])
