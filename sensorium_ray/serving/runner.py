"""Start and stop the endpoint on Ray Serve: an ingress that speaks HTTP and a deployment that predicts."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ray
from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from .. import compute
from ..bundle.manifest import find_bundles
from ..bundle.predictor import Predictor, load_predictor
from ..data.clip import Clip
from ..errors import InputError
from .app import make_app
from .served import Served

APPLICATION = "sensorium"
LOADED_AT_ONCE = 4
"""Models that a replica keeps in memory; the one unused for longest makes room."""
_LAST_SECONDS = 5.0
"""How long requests may take to finish when the endpoint stops."""
_QUIET = LoggingConfig(log_level="WARNING", enable_access_log=False)


class Model:
    """Predicts with any of the bundles, one request at a time, off the event loop."""

    def __init__(self, bundles: dict[str, Path]) -> None:
        self._bundles = bundles
        self._loaded: OrderedDict[str, Predictor] = OrderedDict()
        self._lock = threading.Lock()

    async def predict(self, name: str, clip: Clip, mouse: str, neurons: np.ndarray | None) -> np.ndarray:
        """Responses (neurons, frames) float32 of a mouse to a clip."""
        return await asyncio.to_thread(self._predict, name, clip, mouse, neurons)

    def _predict(self, name: str, clip: Clip, mouse: str, neurons: np.ndarray | None) -> np.ndarray:
        # The thread of a cancelled request runs on: the lock still keeps the memory to one prediction's.
        with self._lock:
            return self._predictor(name).predict(clip, mouse, neurons)

    def _predictor(self, name: str) -> Predictor:
        if name not in self._loaded:
            if len(self._loaded) == LOADED_AT_ONCE:
                self._loaded.popitem(last=False)
            self._loaded[name] = load_predictor(self._bundles[name])
        self._loaded.move_to_end(name)
        return self._loaded[name]


class Ingress:
    """Speaks HTTP and passes clips on to `Model`."""

    def __init__(self, models: dict[str, Served], model: DeploymentHandle) -> None:
        self._models = models
        self._model = model

    def __serve_build_asgi_app__(self) -> FastAPI:
        return make_app(self._models, self._predict)

    async def _predict(self, name: str, clip: Clip, mouse: str, neurons: np.ndarray | None) -> np.ndarray:
        try:
            return await self._model.predict.remote(name, clip, mouse, neurons)
        except ray.exceptions.RayTaskError as error:
            raise compute.original(error) from error


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
    if address is None:
        _require_free(host, port)
    owns_ray = not (ray.is_initialized() or address or "RAY_ADDRESS" in os.environ)
    compute.connect(address)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    if serve.status().proxies:
        raise InputError("serves already", "this Ray cluster", "stop that first with `serve shutdown`")
    try:
        serve.start(http_options={"host": host, "port": port}, logging_config=_QUIET)
        serve.run(_application(bundles, models), name=APPLICATION, logging_config=_QUIET)
    except BaseException:
        _end(owns_ray)
        raise
    return Endpoint(f"http://{_url_host(host)}:{port}", models, owns_ray)


def _application(bundles: dict[str, Path], models: dict[str, Served]) -> serve.Application:
    model = serve.deployment(Model, max_ongoing_requests=1, graceful_shutdown_timeout_s=_LAST_SECONDS)
    ingress = serve.deployment(
        serve.ingress()(Ingress),
        max_ongoing_requests=16,
        ray_actor_options={"num_cpus": 0},  # it only waits
        graceful_shutdown_timeout_s=_LAST_SECONDS,
    )
    return ingress.bind(models, model.bind(bundles))


def _end(owns_ray: bool) -> None:
    """End Serve: with the Ray that was started for it, since that is quicker and quieter, or alone."""
    if owns_ray:
        ray.shutdown()
    else:
        serve.shutdown()


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
