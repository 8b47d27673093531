"""Other servers that answer with the same ONNX file, each in a virtual environment of its own under build/peers."""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Peer:
    """How a server is started.

    Parameters
    ----------
    command : for the environment's Python; `{file}`, `{neurons}` and `{port}` are filled in.
    ready : address that answers 200 once it can be asked.
    environment : variables that it reads, likewise.
    """

    command: tuple[str, ...]
    ready: str
    environment: tuple[tuple[str, str], ...] = ()


_ASKED = ("{file}", "{neurons}", "{port}")
PEERS = {
    "litserve": Peer((str(_HERE / "with_litserve.py"), *_ASKED), "/health"),
    "bentoml": Peer(
        ("-m", "bentoml", "serve", "with_bentoml:Peer", "--working-dir", str(_HERE), "--port", "{port}"),
        "/readyz",
        (("PEER_FILE", "{file}"), ("PEER_NEURONS", "{neurons}"), ("BENTOML_DO_NOT_TRACK", "1")),
    ),
    "mlserver": Peer((str(_HERE / "with_mlserver.py"), *_ASKED), "/v2/health/ready"),
}
PATH = "/predict"
"""Where each of them answers."""


def python_of(name: str, folder: Path) -> str:
    """The Python of a peer's environment, which is made first if it is not there or its requirements have changed."""
    requirements = _HERE / f"requirements-{name}.txt"
    environment, stamp = folder / name, folder / name / requirements.name
    python = environment / "bin" / "python"
    if not (stamp.exists() and stamp.read_bytes() == requirements.read_bytes()):
        print(f"installing {name} into {environment}", file=sys.stderr, flush=True)
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
        stamp.write_bytes(requirements.read_bytes())
    return str(python)
