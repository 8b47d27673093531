"""A cluster's file as it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ..errors import ClusterError


def read(path: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file.

    Raises
    ------
    ClusterError : it is missing, is no YAML, or holds something else than mappings.
    """
    try:
        documents = [document for document in yaml.safe_load_all(path.read_text()) if document is not None]
    except OSError as error:
        raise ClusterError(f"cannot be read ({error.strerror})", str(path), "name a cluster's file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        what = f"is no YAML ({getattr(error, 'problem', None) or error})"
        raise ClusterError(what, f"{path}{place}", "mend the line, or the indentation before it") from error
    if not documents or not all(isinstance(document, dict) for document in documents):
        raise ClusterError("holds no settings", str(path), "start from cluster.yaml or cluster/onprem.yaml")
    return documents


def is_kubernetes(documents: list[dict[str, Any]]) -> bool:
    """Whether they are manifests for Kubernetes, and not a file of Ray's launcher."""
    return any("apiVersion" in document for document in documents)


def at(file: str, *keys: object) -> str:
    """A field of a file, as findings name it."""
    return f"{file}, {'.'.join(map(str, keys))}" if keys else file
