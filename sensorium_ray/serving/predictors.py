"""Predictors of a replica: a few of the models in memory, one prediction at a time, off the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np

from ..bundle.fetching import on_disk
from ..bundle.predictor import Predictor, load_predictor
from ..data.clip import Clip
from ..errors import DataError
from .served import Models, find

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

    async def predict(self, name: str, clip: Clip, mouse: str, neurons: np.ndarray | None) -> np.ndarray:
        """Responses (neurons, frames) float32 of a mouse to a clip.

        A request that is cancelled, since its client hung up, ends after the frames that are under way.

        Raises
        ------
        DataError : the clip does not fit the model, or has values so large that the answers are not finite.
        """
        left = Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._predict, name, clip, mouse, neurons, left
            )
        except asyncio.CancelledError:
            left.set()
            raise

    def _predict(self, name: str, clip: Clip, mouse: str, neurons: np.ndarray | None, left: Event) -> np.ndarray:
        parts = []
        for part in self._predictor(name).stream(clip, mouse, neurons):
            if not np.isfinite(part).all():
                mend = "give grey levels 0..255, and behaviour as recorded"
                raise DataError("has values at which the model's answers are not finite", "clip", mend)
            parts.append(part)
            if left.is_set():
                break
        return np.concatenate(parts, axis=1)

    def _predictor(self, name: str) -> Predictor:
        model = find(self._models, name)
        if model.checksum not in self._loaded:
            if len(self._loaded) == LOADED_AT_ONCE:
                self._loaded.popitem(last=False)
            with on_disk(model.path) as folder:
                self._loaded[model.checksum] = load_predictor(folder)
        self._loaded.move_to_end(model.checksum)
        return self._loaded[model.checksum]
