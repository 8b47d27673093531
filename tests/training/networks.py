"""A small network that is the same in every test, and windows for it."""

from __future__ import annotations

import numpy as np
import torch
from small import SMALL

from sensorium_ray.data.store import FrameStore
from sensorium_ray.models import find
from sensorium_ray.models.encoder import Encoder
from sensorium_ray.models.population import Population
from sensorium_ray.training.draws import MixedBatch, MouseDraw, StepDraw
from sensorium_ray.training.step import StepLoss
from sensorium_ray.training.trained import Trained

WINDOWS = (3, 2)
"""Of the two mice of the tiny world, in the step of these tests."""


def still_network(population: Population, name: str = "factorised3d", seed: int = 0) -> Encoder:
    """In evaluation mode nothing is random, and batch normalisation treats every window alike."""
    torch.manual_seed(seed)
    return find.build(name, SMALL[name], population).eval()


def step_of(store: FrameStore, cutmix: float = 0.0) -> StepDraw:
    rng = np.random.default_rng(0)
    draws = {
        name: MouseDraw.at_random(store[name], store[name].select("train"), windows, 16, 1, cutmix, rng)
        for name, windows in zip(store.mice, WINDOWS, strict=True)
    }
    return StepDraw(draws)


def windows_of(store: FrameStore) -> dict[str, int]:
    return dict(zip(store.mice, WINDOWS, strict=True))


def gradient(
    loss: StepLoss, encoder: Encoder, batch: MixedBatch, windows: dict[str, int], micro_batch: int | None = None
) -> tuple[float, dict[str, torch.Tensor]]:
    encoder.zero_grad()
    value = loss.add_gradient(encoder, batch, windows, micro_batch)
    return value, {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}


def trained(encoder: Encoder, population: Population, name: str = "factorised3d") -> Trained:
    """The network as if it had been read."""
    ids = {mouse.name: mouse.unit_ids for mouse in population.mice}
    return Trained("teacher", name, SMALL[name], ids, {k: v.clone() for k, v in encoder.state_dict().items()})
