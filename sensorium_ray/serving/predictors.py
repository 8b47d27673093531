"""Predictors of a replica: a few of the models in memory, one prediction at a time, off the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np

from ..bundle.predictor import Predictor, load_predictor
from ..data.clip import Clip
from ..errors import DataError

LOADED_AT_ONCE = 4
"""Models that are kept in memory; the one unused for longest makes room."""


class Predictors:
    """Predicts with any of the bundles.

    A prediction keeps all cores busy, so that two at once would be no faster and take the memory of two.
    """

    def __init__(self, bundles: Mapping[str, Path]) -> None:
        self._bundles = bundles
        self._loaded: OrderedDict[str, Predictor] = OrderedDict()
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
        if name not in self._loaded:
            if len(self._loaded) == LOADED_AT_ONCE:
                self._loaded.popitem(last=False)
            self._loaded[name] = load_predictor(self._bundles[name])
        self._loaded.move_to_end(name)
        return self._loaded[name]
