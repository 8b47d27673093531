"""How learning rate and weights' average change over the steps of a training."""

from __future__ import annotations

import math

import torch
from torch import nn

from .settings import TrainSettings


def learning_rate(settings: TrainSettings, step: int) -> float:
    """Rate at a step, counted through all epochs: linear warm-up, then a cosine from 1 to 0.01 of `learning_rate`.

    Loshchilov & Hutter 2017 (arXiv 1608.03983, eq. 5), without restarts.
    """
    warmup = settings.warmup * settings.steps
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    through = (step - warmup) / max(1.0, settings.epochs * settings.steps - warmup)
    return settings.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * through)) / 2)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move a running average of weights, buffers too, towards the network; it starts faster than `decay`.

    Polyak & Juditsky 1992, as an exponential average.
    """
    ours, decay = average.state_dict(), min(decay, (1 + step) / (10 + step))
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            ours[name].lerp_(value, 1 - decay)
        else:
            ours[name].copy_(value)
