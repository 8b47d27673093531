"""What the launcher copies to the nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .findings import Finding
from .reading import at

TOKEN = ".ray/auth_token"


def check_mounts(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """An error for every file and folder that is to be copied and is not there.

    The launcher looks for them from the folder that it is started in, and so does this.
    """
    for target, source in config["file_mounts"].items():
        if Path(source).expanduser().exists():
            continue
        is_token = source.endswith(TOKEN)
        what = f"'{source}' is not there" + (", so the cluster would have no token" if is_token else "")
        mend = "make it: ray get-auth-token --generate" if is_token else "start from the folder that it lies in"
        yield Finding(at(file, "file_mounts", target), what, mend, "error")
