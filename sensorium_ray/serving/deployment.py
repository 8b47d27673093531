"""What runs on Ray Serve: replicas that speak HTTP and predict."""

from __future__ import annotations

import logging
from pathlib import Path

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve.config import BackpressureConfig
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from ..errors import InputError
from . import front
from .app import make_app
from .catalogue import Catalogue
from .predictors import Predictors
from .problems import RETRY_AFTER
from .settings import Settings
from .workers import Elsewhere, Worker

_NAME = "sensorium"
_ONGOING = 8
"""Requests that a replica reads and answers at once."""
_LAST_SECONDS = 5.0
"""How long requests may take to finish when the endpoint stops."""
_QUIET = LoggingConfig(log_level="WARNING", enable_access_log=False)


class Replica:
    """Speaks HTTP and predicts: a full answer is 9.5 MB, and every process that it passes through takes its time.

    Parameters
    ----------
    workers : ask the networks; None: this process does.
    """

    def __init__(self, models: Catalogue, settings: Settings, workers: DeploymentHandle | None) -> None:
        self._models = models
        self._settings = settings
        self._predictors = Predictors(models, None if workers is None else Elsewhere(workers).network)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return make_app(self._models, self._predictors.predict, self._settings.keys, self._settings.per_minute)


def runs() -> bool:
    """Whether this Ray cluster serves something already."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    return bool(serve.status().proxies)


def start(models: Catalogue, settings: Settings, private: Path) -> None:
    """Start the replicas, and what stands before them; return when they answer.

    Parameters
    ----------
    private : as in `front.environment`.
    """
    listening: dict[str, object] = {"host": settings.host, "port": settings.port}
    if settings.certificate is not None:
        listening |= {"ssl_certfile": str(settings.certificate), "ssl_keyfile": str(settings.private_key)}
    serve.start(http_options=listening, logging_config=_QUIET)
    front.tell_broken_off(private)
    replica = serve.deployment(
        serve.ingress()(Replica),
        max_ongoing_requests=_ONGOING,
        max_queued_requests=settings.queue,
        backpressure_config=BackpressureConfig(status_code=503, retry_after_s=int(RETRY_AFTER)),
        graceful_shutdown_timeout_s=_LAST_SECONDS,
        ray_actor_options={"num_cpus": 0 if settings.workers else 1},  # the workers need them
    )
    serve.run(replica.bind(models, settings, _workers(settings)), name=_NAME, logging_config=_QUIET)


def _workers(settings: Settings) -> serve.Application | None:
    """The processes that ask the networks, each with its share of the cores; None: the replicas do it.

    Raises
    ------
    InputError : this cluster has fewer cores or GPUs than they need.
    """
    if settings.workers == 0:
        return None
    found = ray.cluster_resources()
    for what, needed in (("CPU", 1.0), ("GPU", settings.worker_gpus)):
        if settings.workers * needed > found.get(what, 0):
            need = f"need {settings.workers * needed:g} {what}s, and there are {found.get(what, 0):g}"
            raise InputError(need, f"{settings.workers} workers", "ask for fewer with --workers")
    cores = int(found["CPU"]) // settings.workers
    worker = serve.deployment(
        Worker,
        num_replicas=settings.workers,
        max_ongoing_requests=2 * settings.batch,  # the next ones gather while the last are answered
        graceful_shutdown_timeout_s=_LAST_SECONDS,
        ray_actor_options={"num_cpus": cores, "num_gpus": settings.worker_gpus},
    )
    return worker.bind(cores, settings.batch)


def stop(everything: bool) -> None:
    """Let requests finish for a few seconds, then end the replicas, and Serve if `everything`."""
    serve.delete(_NAME)
    if everything:
        serve.shutdown()
