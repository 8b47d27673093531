"""Predictors of a replica: a few of the models in memory, asked off the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np

from ..bundle.fetching import on_disk
from ..bundle.network import Network, OnnxNetwork
from ..bundle.predictor import Predictor, assemble
from ..data.clip import Clip
from ..insilico.subject import Differentiate, chosen_neurons
from .monitoring import LOADED
from .served import Models, Served, find
from .streaming import Parts

K = TypeVar("K")
T = TypeVar("T")

LOADED_AT_ONCE = 4
"""Models that are kept in memory; the one unused for longest makes room."""
_WAITING = 64
"""Threads that wait for workers."""


class Predictors:
    """Predicts with any of the models.

    Parameters
    ----------
    elsewhere : makes the network of a model that workers answer for, from its bundle and that one's folder on this
        machine; None: it answers here, and a prediction then keeps its cores busy, so that two at once would be no
        faster and take the memory of two.
    cores : for a prediction that is made here; 0: all.
    """

    def __init__(
        self, models: Models, elsewhere: Callable[[Path, Path], Network] | None = None, cores: int = 0
    ) -> None:
        self._models = models
        self._elsewhere = elsewhere
        self._cores = cores
        self._loaded: OrderedDict[str, Predictor] = OrderedDict()
        """By the bundles' checksums, so that one that was replaced is opened anew."""
        self._differentiated: OrderedDict[tuple[str, str, bytes], Differentiate] = OrderedDict()
        """By the bundles' checksums, the mice and the neurons."""
        self._lock, self._torch = Lock(), Lock()
        self._threads = ThreadPoolExecutor(1 if elsewhere is None else _WAITING, "predictor")
        self._members: Executor | None = None if elsewhere is None else ThreadPoolExecutor(_WAITING, "member")

    async def predict(self, name: str, clip: Clip, mouse: str, neurons: np.ndarray | None) -> Parts:
        """Responses of a mouse to a clip as they come, (neurons, some frames) float32 each, in order.

        Requests take turns, part by part. One that is cancelled, since its client hung up, ends with its part.

        Raises
        ------
        DataError : the clip does not fit the model.
        Refusal : 503, a worker was lost.
        """

        def begin() -> tuple[Iterator[np.ndarray], np.ndarray | None]:
            parts = self._predictor(name).stream(clip, mouse, neurons)
            return parts, next(parts, None)

        run = asyncio.get_running_loop().run_in_executor
        parts, part = await run(self._threads, begin)
        while part is not None:
            yield part
            part = await run(self._threads, next, parts, None)

    def respond(
        self, name: str, clips: Sequence[Clip], mouse: str, neurons: np.ndarray | None
    ) -> Future[tuple[np.ndarray, ...]]:
        """Responses to several clips of one length, (clips, n, frames) float32, alone in their tuple.

        They take a turn of their own among the parts of requests. The future raises as `predict` does.
        """
        return self._threads.submit(lambda: (self._predictor(name).predict_together(clips, mouse, neurons),))

    def differentiate(
        self, name: str, clips: Sequence[Clip], mouse: str, neurons: np.ndarray | None, weights: np.ndarray
    ) -> Future[tuple[np.ndarray, ...]]:
        """The same with gradients, which torch computes in this process.

        Parameters
        ----------
        weights : (clips, n, frames), what each response counts.

        Returns
        -------
        Responses (clips, n, frames), and the gradient (clips, frames, height, width) of their weighted sums by the
        videos' grey levels; float32. The future raises BundleError where the model came without weights for torch,
        ConfigError where they are of no architecture of this version.
        """

        def answer() -> tuple[np.ndarray, ...]:
            responses, gradients = zip(*self._gradients(name, mouse, neurons)(clips, list(weights)), strict=True)
            return np.stack(responses), np.stack(gradients)

        return self._threads.submit(answer)

    def _gradients(self, name: str, mouse: str, neurons: np.ndarray | None) -> Differentiate:
        from ..insilico.gradients import bundle_gradients  # torch takes memory, and seconds to load

        model = find(self._models, name)
        chosen = chosen_neurons(len(model.unit_ids(mouse)), neurons)
        asked = (model.checksum, mouse, chosen.tobytes())
        with self._torch:
            return _kept(self._differentiated, asked, lambda: bundle_gradients(model.path, mouse, chosen))

    def _predictor(self, name: str) -> Predictor:
        model = find(self._models, name)
        with self._lock:
            predictor = _kept(self._loaded, model.checksum, lambda: self._open(model))
            LOADED.set(len(self._loaded))
            return predictor

    def _open(self, model: Served) -> Predictor:
        with on_disk(model.path) as bundle:

            def network(folder: Path) -> Network:
                if self._elsewhere is None:
                    return OnnxNetwork(folder, self._cores)
                return self._elsewhere(model.path / folder.relative_to(bundle), folder)

            return assemble(bundle, network, pool=self._members)


def _kept(those: OrderedDict[K, T], key: K, make: Callable[[], T]) -> T:
    """One of those that are kept, made unless it is there; the one unused for longest makes room."""
    if key not in those:
        if len(those) == LOADED_AT_ONCE:
            those.popitem(last=False)
        those[key] = make()
    those.move_to_end(key)
    return those[key]
