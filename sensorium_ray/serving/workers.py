"""Processes that answer windows of clips for the replicas: on other machines or GPUs, an ensemble's members at once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import numpy as np
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from .. import compute, storage
from ..bundle.fetching import on_disk
from ..bundle.manifest import Manifest, bundle_checksum
from ..bundle.network import Network, OnnxNetwork, Windows
from ..errors import SensoriumError
from .batching import together
from .predictors import LOADED_AT_ONCE
from .problems import Refusal


class Worker:
    """Holds a few networks, and answers with one at a time.

    Parameters
    ----------
    threads : for one answer.
    batch : windows of like shape that are answered at once, if so many wait.
    """

    def __init__(self, threads: int, batch: int) -> None:
        self._threads = threads
        self._thread = ThreadPoolExecutor(1, "network")
        self.answer.set_max_batch_size(batch)

    @serve.batch(batch_wait_timeout_s=0.0)  # whatever came while the last were answered; none waits for company
    async def answer(self, asked: list[Windows]) -> list[np.ndarray]:
        """Responses to windows that were asked one by one, of the network that they name."""
        network = await self._network(serve.get_multiplexed_model_id())
        return await asyncio.get_running_loop().run_in_executor(self._thread, together, network, asked)

    @serve.multiplexed(max_num_models_per_replica=LOADED_AT_ONCE)
    async def _network(self, name: str) -> Network:
        return await asyncio.to_thread(self._open, *name.split("@", 1))

    def _open(self, checksum: str, bundle: str) -> Network:
        with on_disk(storage.locate(bundle)) as folder:
            if bundle_checksum(folder) != checksum:
                raise _again("has another bundle now")
            Manifest.read(folder).verify(folder)
            return OnnxNetwork(folder, self._threads)


@dataclass(frozen=True)
class Elsewhere:
    """Makes networks that workers answer for."""

    workers: DeploymentHandle

    def network(self, bundle: Path, folder: Path) -> Network:
        """That of a model.

        Parameters
        ----------
        bundle : the model's, on a disk or s3://, where workers find it too.
        folder : the same on this machine's disk.
        """
        name = f"{bundle_checksum(folder)}@{bundle}"
        handle = self.workers.options(multiplexed_model_id=name)

        def ask(windows: Windows) -> np.ndarray:
            try:
                answer: np.ndarray = handle.answer.remote(windows).result()
            except (RayError, RayServeException) as error:
                raise _lost(error) from error
            return answer

        return ask


def _lost(error: Exception) -> BaseException:
    """What to tell when a worker does not answer: its own error, or to come again where it is gone."""
    raised = compute.original(error)
    return _again("lost the worker that was to answer this") if raised is error else raised


def _again(what: str) -> Refusal:
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, SensoriumError(what, "the endpoint", "ask again"))
