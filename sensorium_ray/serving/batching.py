"""Windows that wait for the same network, answered in one go where they are alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from ..bundle.network import Network, Windows

_SHARED = "neurons"
"""The input that all windows of a batch have in common."""


def together(network: Network, asked: Sequence[Windows]) -> list[np.ndarray]:
    """Responses to each of some windows: (its batch, n, answered frames) float32.

    Those of like shape that ask about the same neurons go through the network at once, whatever their mice: one pass
    over eight windows keeps a GPU busier than eight passes.
    """
    alike: defaultdict[Hashable, list[int]] = defaultdict(list)
    for place, windows in enumerate(asked):
        alike[_likeness(windows)].append(place)
    answers: dict[int, np.ndarray] = {}
    for places in alike.values():
        ends = np.cumsum([len(asked[place]["mouse"]) for place in places])
        responses = network(_stacked([asked[place] for place in places]))
        answers |= zip(places, np.split(responses, ends[:-1]), strict=True)
    return [answers[place] for place in range(len(asked))]


def _likeness(windows: Windows) -> Hashable:
    """What windows of one batch have in common."""
    return windows[_SHARED].tobytes(), tuple(array.shape[1:] for name, array in windows.items() if name != _SHARED)


def _stacked(alike: Sequence[Windows]) -> Windows:
    first = alike[0]
    return {
        name: first[name] if name == _SHARED else np.concatenate([windows[name] for windows in alike]) for name in first
    }
