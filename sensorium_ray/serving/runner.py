"""Start and stop the endpoint on Ray Serve."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve.config import BackpressureConfig
from ray.serve.schema import LoggingConfig

from .. import compute
from ..bundle.manifest import find_bundles
from ..errors import InputError
from .app import make_app
from .predictors import Predictors
from .served import Served

APPLICATION = "sensorium"
ONGOING, QUEUED = 8, 64
"""Requests that a replica reads and answers at once, and those that wait for it unread; further ones get a 503."""
RETRY_AFTER = 1
"""Seconds after which who got one may ask again."""
_LAST_SECONDS = 5.0
"""How long requests may take to finish when the endpoint stops."""
_QUIET = LoggingConfig(log_level="WARNING", enable_access_log=False)


class Replica:
    """Speaks HTTP and predicts: a full answer is 9.5 MB, and every process that it passes through takes its time."""

    def __init__(self, bundles: dict[str, Path], models: dict[str, Served]) -> None:
        self._models = models
        self._predictors = Predictors(bundles)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return make_app(self._models, self._predictors.predict)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that runs: its address and its models."""

    url: str
    models: dict[str, Served]
    owns_ray: bool

    def stop(self) -> None:
        """Let requests finish for a few seconds, then end Serve, and Ray if it was started for this."""
        serve.delete(APPLICATION)
        _end(self.owns_ray)


def start(folder: Path, host: str, port: int, address: str | None = None) -> Endpoint:
    """Serve the bundles of a folder, and return when they can be asked.

    Raises
    ------
    BundleError : the folder holds no bundle, or a damaged one.
    InputError : host and port cannot be listened on, or the cluster at `address` serves already.
    """
    bundles = {name: path.resolve() for name, path in find_bundles(folder).items()}
    models = {name: Served.read(path) for name, path in bundles.items()}
    alone = address is None and "RAY_ADDRESS" not in os.environ and not ray.is_initialized()
    if address is None:
        _require_free(host, port)
    if alone:
        _answer_directly(port)
    compute.connect(address)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    if serve.status().proxies:
        raise InputError("serves already", "this Ray cluster", "stop that first with `serve shutdown`")
    try:
        serve.start(http_options={"host": host, "port": _free_port() if alone else port}, logging_config=_QUIET)
        serve.run(_application(bundles, models), name=APPLICATION, logging_config=_QUIET)
    except BaseException:
        _end(alone)
        raise
    return Endpoint(f"http://{_url_host(host)}:{port}", models, alone)


def _answer_directly(port: int) -> None:
    """Let the one replica of a Ray that is started here listen itself, since Serve's proxy costs 35 ms an answer.

    Serve has no other way to say so than the environment. On a cluster its proxies share the work among replicas.
    """
    os.environ |= {
        "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(port),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(port + 1),  # not itself one of them
        "RAY_SERVE_PORT_QUARANTINE_S": "0",  # a replica that takes a dead one's place takes its port
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
        "RAY_worker_niceness": "0",
    }


def _application(bundles: dict[str, Path], models: dict[str, Served]) -> serve.Application:
    replica = serve.deployment(
        serve.ingress()(Replica),
        max_ongoing_requests=ONGOING,
        max_queued_requests=QUEUED,
        backpressure_config=BackpressureConfig(status_code=503, retry_after_s=RETRY_AFTER),
        graceful_shutdown_timeout_s=_LAST_SECONDS,
    )
    return replica.bind(bundles, models)


def _end(owns_ray: bool) -> None:
    """End Serve: with the Ray that was started for it, since that is quicker and quieter, or alone."""
    if owns_ray:
        ray.shutdown()
    else:
        serve.shutdown()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _require_free(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        raise InputError(
            f"cannot be listened on ({reason})", f"{host}:{port}", "name another with --host or --port"
        ) from error


def _url_host(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
