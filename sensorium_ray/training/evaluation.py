"""How well a network in training predicts trials that it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..data.store import FrameStore, TrialInfo
from ..metrics.statistics import CoMoments
from ..models.encoder import Encoder
from ..models.population import Population
from .inference import torch_run


def correlation(
    encoder: Encoder, population: Population, store: FrameStore, trials: Mapping[str, Sequence[TrialInfo]]
) -> float:
    """Single-trial correlation over the frames that count, mean over the neurons of all mice.

    Parameters
    ----------
    trials : by mouse; a mouse without any does not count.
    """
    by_mouse = [mouse_correlation(encoder, population, store, mouse, found) for mouse, found in trials.items() if found]
    return float(np.mean(np.concatenate(by_mouse)))


def mouse_correlation(
    encoder: Encoder, population: Population, store: FrameStore, mouse: str, trials: Sequence[TrialInfo]
) -> np.ndarray:
    """The same of one mouse: (neurons,)."""
    data, window = store[mouse], store.benchmark.window
    run = torch_run(encoder, population, mouse)

    def moments(trial: TrialInfo) -> CoMoments:
        counted = window.slice(trial.frames)
        predicted = encoder.cut.predict(run, data.clip(trial.trial))
        return CoMoments.of(np.stack([data.responses(trial.trial)[:, counted], predicted[:, counted]]))

    total = moments(trials[0])
    for trial in trials[1:]:
        total = total.merge(moments(trial))
    return total.correlation(0, 1)
