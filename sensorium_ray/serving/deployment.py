"""What runs on Ray Serve: replicas that speak HTTP and predict."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

import ray
from fastapi import FastAPI
from prometheus_client import Metric
from ray import serve
from ray.serve._private import replica as ray_replica
from ray.serve._private.direct_ingress_http_util import ASGIDIReceiveProxy
from ray.serve.config import BackpressureConfig
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from ..errors import InputError
from . import front, gate, monitoring
from .app import make_app
from .catalogue import Catalogue
from .desk import Desk
from .laboratory import Laboratory
from .predictors import Predictors
from .problems import RETRY_AFTER
from .settings import Settings
from .workers import Elsewhere, Worker

_NAME = "sensorium"
_ONGOING = 8
"""Requests that a replica reads and answers at once."""
_BUSY = 4.0
"""Requests at once, queue included, that a replica has on average when another is started, where there may be more."""
_TOLD_WITHIN = 8.0
"""Seconds in which replicas tell what they counted; one that does not is left out."""
_AHEAD = 4
"""Pieces of a body, of 64 KiB or so, that are read before they are asked for."""
_QUIET = LoggingConfig(log_level="WARNING", enable_access_log=False)
_logger = logging.getLogger("ray.serve.sensorium")


class _Patient(ASGIDIReceiveProxy):
    """Lets a client wait while its body is written to the disk; Serve would read all of it into memory."""

    _queue: asyncio.Queue[object] | None

    @property
    def queue(self) -> asyncio.Queue[object]:
        """Pieces that were read."""
        if self._queue is None:
            self._queue = asyncio.Queue(_AHEAD)
        return self._queue


class Replica:
    """Speaks HTTP and predicts: a full answer is 9.5 MB, and every process that it passes through takes its time.

    Parameters
    ----------
    workers : ask the networks; None: this process does.
    cores : that it then does so with; 0: all.
    """

    def __init__(self, models: Catalogue, settings: Settings, workers: DeploymentHandle | None, cores: int) -> None:
        ray_replica.ASGIDIReceiveProxy = _Patient
        self._models = models
        self._settings = settings
        self._predictors = Predictors(models, None if workers is None else Elsewhere(workers).network, cores)
        self._desk = None if settings.leaderboard is None else Desk(settings.leaderboard)
        made = settings.experiments
        self._laboratory = None if made is None else Laboratory(made, models, self._predictors)
        _logger.setLevel(settings.log_level)

    def __serve_build_asgi_app__(self) -> FastAPI:
        settings = self._settings
        app = make_app(
            self._models,
            self._predictors.predict,
            settings.keys,
            settings.per_minute,
            self._desk,
            self._gathered,
            self._laboratory,
            self._predictors.differentiate,
        )
        gate.HERE.app = app
        return app

    async def counted(self) -> tuple[str, list[Metric]]:
        """Name of this replica, and what it has counted."""
        return serve.get_replica_context().replica_id.unique_id, list(monitoring.REGISTRY.collect())

    async def close(self) -> None:
        """Refuse further requests, and return when those that run are answered."""
        if self._laboratory is not None:
            self._laboratory.close()
        await gate.HERE.close()

    async def _gathered(self) -> dict[str, list[Metric]]:
        told = [await self.counted()]
        try:
            told += await asyncio.wait_for(self._all_counted(), _TOLD_WITHIN)
        except (RayServeException, TimeoutError) as error:  # it has just begun, and does not know the others yet
            _logger.warning("the metrics are this replica's alone (%s)", error)
        return dict(one for one in told if not isinstance(one, BaseException))

    async def _all_counted(self) -> list[tuple[str, list[Metric]]]:
        context = serve.get_replica_context()
        handle = await asyncio.to_thread(serve.get_deployment_handle, context.deployment, context.app_name)
        return await handle.broadcast("counted").results_async(return_exceptions=True)


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
    serve.run(application(models, settings), name=_NAME, logging_config=_QUIET)


def application(models: Catalogue, settings: Settings) -> serve.Application:
    """What Serve runs."""
    logs = _QUIET.model_copy(
        update={
            "encoding": settings.log_format,
            "logs_dir": None if settings.log_folder is None else str(settings.log_folder),
        }
    )
    grows = settings.max_replicas is not None
    between = {"min_replicas": settings.replicas, "max_replicas": settings.max_replicas}
    replica = serve.deployment(
        serve.ingress()(Replica),
        num_replicas=None if grows else settings.replicas,
        autoscaling_config=between | {"target_ongoing_requests": _BUSY} if grows else None,
        max_ongoing_requests=_ONGOING,
        max_queued_requests=settings.queue,
        backpressure_config=BackpressureConfig(status_code=503, retry_after_s=int(RETRY_AFTER)),
        graceful_shutdown_timeout_s=settings.drain,
        logging_config=logs,
        ray_actor_options={"num_cpus": 0 if settings.workers else 1},  # the workers need them
    )
    many = settings.replicas > 1 and not (grows or settings.workers)
    return replica.bind(models, settings, _workers(settings), _share(settings.replicas) if many else 0)


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
    cores = _share(settings.workers)
    worker = serve.deployment(
        Worker,
        num_replicas=settings.workers,
        max_ongoing_requests=2 * settings.batch,  # the next ones gather while the last are answered
        graceful_shutdown_timeout_s=settings.drain,
        ray_actor_options={"num_cpus": cores, "num_gpus": settings.worker_gpus},
    )
    return worker.bind(cores, settings.batch)


def _share(processes: int) -> int:
    """Cores of this cluster for each of some processes, one at least."""
    return max(1, int(ray.cluster_resources().get("CPU", 0)) // processes)


def close(seconds: float) -> None:
    """Have the replicas refuse new requests, and return when those that run are answered, or after some seconds."""
    logging.getLogger("ray.serve").setLevel(logging.ERROR)  # that a replica is slow now is nobody's concern
    with suppress(RayServeException, TimeoutError):  # it never came to life, or it takes too long
        closing = serve.get_app_handle(_NAME).broadcast("close")
        closing.results(timeout_s=seconds, return_exceptions=True)


def stop() -> None:
    """End the replicas, and Serve."""
    serve.delete(_NAME)
    serve.shutdown()
