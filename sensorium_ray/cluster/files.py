"""Files of this machine that the launcher needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .findings import Finding
from .reading import at
from .spelling import PLACEHOLDER

TOKEN = ".ray/auth_token"


def check_files(config: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """An error for every file that is to be copied, and for a key to log in with, that is not there.

    The launcher looks for them from the folder that it is started in, and so does this.
    """
    for target, source in config["file_mounts"].items():
        if Path(source).expanduser().exists():
            continue
        is_token = source.endswith(TOKEN)
        what = f"'{source}' is not there" + (", so the cluster would have no token" if is_token else "")
        mend = "make it: ray get-auth-token --generate" if is_token else "start from the folder that it lies in"
        yield Finding(at(file, "file_mounts", target), what, mend, "error")
    key = config["auth"].get("ssh_private_key")
    if key and PLACEHOLDER not in key and not Path(key).expanduser().is_file():
        where = at(file, "auth", "ssh_private_key")
        yield Finding(where, f"'{key}' is not there", "make it: ssh-keygen, or name another", "error")
