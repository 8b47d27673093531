"""Check a cluster's file before money is spent: whatever can be known without starting anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import ClusterError
from ..storage import StrPath
from .findings import Finding
from .kubernetes import check_manifests
from .launcher import check_launcher
from .reading import is_kubernetes, read


def check(path: StrPath, *, online: bool = False) -> list[Finding]:
    """Everything that is wrong with a cluster's file, errors first.

    Parameters
    ----------
    path : a file of Ray's cluster launcher, or manifests for Kubernetes.
    online : ask AWS too whether what the file names exists; nothing is made or changed there.

    Raises
    ------
    ClusterError : the file cannot be read at all.
    """
    file = Path(path)
    documents = read(file)
    if is_kubernetes(documents):
        found = check_manifests(documents, str(path))
    elif len(documents) > 1:
        raise ClusterError(f"holds {len(documents)} documents", str(path), "write one file a cluster")
    else:
        found = check_launcher(documents[0], str(path), online=online)
    return sorted(found, key=lambda finding: finding.severity)


def require_sound(path: StrPath, findings: Sequence[Finding]) -> None:
    """Refuse a file with an error.

    Raises
    ------
    ClusterError : the first error; it says how many more there are.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        more = f" (`sensorium cluster check {path}` tells {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise ClusterError(errors[0].what, errors[0].where, errors[0].mend + more)
