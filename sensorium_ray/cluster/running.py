"""Ray's own commands: printed, so that anyone could type them, run, and their usual troubles told in a sentence."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from ..errors import ClusterError
from .files import TOKEN

_ABOVE = "what it printed above says why"
_TRACEBACK = b"Traceback (most recent call last):"
_TROUBLES = {
    r"Job \S+ does not exist": ("there is no such job", "give the id that `submit` printed"),
    r"Permission denied \(": ("ssh is refused", "check auth.ssh_user and auth.ssh_private_key of the file"),
    r"(?:Connection|Operation) timed out|No route to host": (
        "ssh gets no answer",
        "check that the head runs and that its security group lets this address in",
    ),
    r"Connection refused|Could not resolve hostname|Connection closed by": (
        "the head does not take ssh",
        "check its address and that it runs",
    ),
    r"Head node of cluster .* not found|No head node found": (
        "there is no such cluster",
        "start it with `sensorium cluster up`",
    ),
    r"NoCredentialsError|Unable to locate credentials": (
        "AWS is not asked: there are no credentials here",
        "let `aws sts get-caller-identity` answer",
    ),
    r"InsufficientInstanceCapacity|MaxSpotInstanceCountExceeded|VcpuLimitExceeded": (
        "AWS has or gives no such instance now",
        "name more zones, another instance type, or ask for a higher quota",
    ),
    r"Authentication (?:failed|required)|InvalidAuthToken|status code 401": (
        "the cluster does not take the token",
        f"use the one it was started with: ~/{TOKEN}, RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH",
    ),
    r"No module named 'boto3'": ("boto3 is missing, which Ray starts nodes with", "pip install boto3"),
    r"Version mismatch": ("a node runs another version of Ray or Python", "install the same on all"),
}
"""What a command wrote to stderr, what that means, and the mend. A job's own log goes to stdout, which is not read."""


def ray(*words: str, where: str) -> None:
    """Run `ray` with some words; what it prints is passed on as it comes, but for the traceback of a known trouble.

    Parameters
    ----------
    where : what an error names.

    Raises
    ------
    ClusterError : it ended with another status than 0.
    """
    show(*words)
    process = subprocess.Popen([program(), *words], env=environment(), stderr=subprocess.PIPE, bufsize=0)
    assert process.stderr is not None
    said, shown = b"", 0
    while part := process.stderr.read(65536):
        said += part
        end = said.find(_TRACEBACK) if _TRACEBACK in said else len(said)
        _pass_on(said[shown:end])
        shown = max(shown, end)
    if process.wait():
        error = trouble(said.decode(errors="replace"), where)
        if error is None:
            _pass_on(said[shown:])
            verb = " ".join(words[: 2 if words[0] == "job" else 1])
            error = ClusterError(f"`ray {verb}` ended with status {process.returncode}", where, _ABOVE)
        raise error


def _pass_on(text: bytes) -> None:
    sys.stderr.buffer.write(text)
    sys.stderr.buffer.flush()


def show(*words: str) -> None:
    """Print a command as it could be typed."""
    mode = "" if "RAY_AUTH_MODE" in os.environ else "RAY_AUTH_MODE=token "
    print(f"+ {mode}ray {shlex.join(words)}", file=sys.stderr, flush=True)


def environment() -> dict[str, str]:
    """What Ray's commands run in: ours, and the token is sent unless it is said otherwise."""
    return {"RAY_AUTH_MODE": "token", "PYTHONUNBUFFERED": "1"} | os.environ


def program() -> str:
    """Ray's command line: of this environment, else of the PATH.

    Raises
    ------
    ClusterError : there is none.
    """
    found = shutil.which("ray", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        raise ClusterError("is not here", "ray", "install this project with its needs")
    return found


def require_token() -> None:
    """Refuse to ask a cluster without a token.

    Raises
    ------
    ClusterError : there is none where Ray looks for one.
    """
    if os.environ.get("RAY_AUTH_MODE", "token") != "token" or os.environ.get("RAY_AUTH_TOKEN"):
        return
    place = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or f"~/{TOKEN}").expanduser()
    if not place.is_file():
        mend = "make one with `ray get-auth-token --generate`, or copy the cluster's there"
        raise ClusterError("there is no token", str(place), mend)


def trouble(said: str, where: str) -> ClusterError | None:
    """What a command that failed means, by what it wrote to stderr; None: nothing known."""
    for pattern, (what, mend) in _TROUBLES.items():
        if re.search(pattern, said):
            return ClusterError(what, where, mend)
    return None
