"""Checkpoints whose mean predicts best, which are not the best ones alone: two that err alike add little.

Each candidate predicts a few neurons on one trial of every oracle video, in a task of its own. The choice is greedy:
the best, then whichever makes the mean of the chosen the best (`ensembling.weights.forward_order`). 40 candidates, ten
mice and six videos of 300 frames are 0.5 GB on the driver.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray import tune

from .. import compute
from ..data.store import FrameStore
from ..ensembling.members import Gram, MemberMoments
from ..ensembling.weights import forward_order
from ..training.checkpoint import Checkpoint
from ..training.inference import torch_run
from .settings import SweepSettings

_NEURONS = 200
"""Of each mouse, spread evenly over all."""

_Answers = dict[tuple[str, int], np.ndarray]
"""(neurons, frames) float32 by mouse and trial."""


def good_together(store: FrameStore, checkpoints: Sequence[tune.Checkpoint], settings: SweepSettings) -> list[int]:
    """Places of `settings.keep` checkpoints in the order in which they are chosen."""
    task = ray.remote(num_cpus=settings.cpus, num_gpus=settings.gpus)(_predictions)
    place = str(store.path)
    try:
        answers: list[_Answers] = ray.get([task.remote(place, checkpoint) for checkpoint in checkpoints])
    except ray.exceptions.RayTaskError as error:
        raise compute.original(error) from error
    moments: dict[str, list[MemberMoments]] = {}
    for mouse, trial in _shown(store):
        neurons, counted = _chosen(store, mouse), store.benchmark.window.slice(store[mouse].trial(trial).frames)
        recorded = store[mouse].responses(trial)[neurons, counted]
        predicted = [answer[mouse, trial][:, counted] for answer in answers]
        moments.setdefault(mouse, []).append(MemberMoments.of([recorded, *predicted]))
    return forward_order(Gram.of(map(MemberMoments.merged, moments.values())))[: settings.keep]


def _predictions(store: str, checkpoint: Any) -> _Answers:
    """Task: what one candidate answers."""
    data = FrameStore.open(store)
    with checkpoint.as_directory() as folder:
        saved = Checkpoint.read(Path(folder))
    encoder = saved.encoder().eval().to("cuda" if torch.cuda.is_available() else "cpu")
    answers = {}
    for mouse, trial in _shown(data):
        run = torch_run(encoder, saved.population, mouse)
        answers[mouse, trial] = encoder.cut.predict(run, data[mouse].clip(trial))[_chosen(data, mouse)]
    return answers


def _shown(store: FrameStore) -> list[tuple[str, int]]:
    """Mouse and trial: one of each oracle video."""
    return [
        (mouse, trial)
        for mouse in store.mice
        for trial in sorted({info.video: info.trial for info in store[mouse].select(store.benchmark.oracle)}.values())
    ]


def _chosen(store: FrameStore, mouse: str) -> np.ndarray:
    """(neurons,) indices."""
    neurons = store[mouse].neurons
    return np.linspace(0, neurons - 1, min(neurons, _NEURONS)).round().astype(np.int64)
