"""Predictors of a replica: a few of the models in memory, one prediction at a time, off the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..bundle.fetching import on_disk
from ..bundle.predictor import Predictor, load_predictor
from ..data.clip import Clip
from .monitoring import LOADED
from .served import Models, find
from .streaming import Parts

LOADED_AT_ONCE = 4
"""Models that are kept in memory; the one unused for longest makes room."""


class Predictors:
    """Predicts with any of the models.

    A prediction keeps all cores busy, so that two at once would be no faster and take the memory of two.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._loaded: OrderedDict[str, Predictor] = OrderedDict()
        """By the bundles' checksums, so that one that was replaced is opened anew."""
        self._thread = ThreadPoolExecutor(1, "predictor")

    async def predict(self, name: str, clip: Clip, mouse: str, neurons: np.ndarray | None) -> Parts:
        """Responses of a mouse to a clip as they come, (neurons, some frames) float32 each, in order.

        Requests take turns, part by part. One that is cancelled, since its client hung up, ends with its part.

        Raises
        ------
        DataError : the clip does not fit the model.
        """

        def begin() -> Iterator[np.ndarray]:
            return self._predictor(name).stream(clip, mouse, neurons)

        run = asyncio.get_running_loop().run_in_executor
        parts = await run(self._thread, begin)
        while (part := await run(self._thread, next, parts, None)) is not None:
            yield part

    def _predictor(self, name: str) -> Predictor:
        model = find(self._models, name)
        if model.checksum not in self._loaded:
            if len(self._loaded) == LOADED_AT_ONCE:
                self._loaded.popitem(last=False)
            with on_disk(model.path) as folder:
                self._loaded[model.checksum] = load_predictor(folder)
            LOADED.set(len(self._loaded))
        self._loaded.move_to_end(model.checksum)
        return self._loaded[model.checksum]
