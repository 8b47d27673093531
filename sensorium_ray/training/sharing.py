"""One training by several processes: each takes a share of every batch, gradients are summed.

Alone, without torch.distributed, everything here does nothing. A step's loss is a sum over its windows, so the
summed gradients of the shares are those of the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, distributed, nn


def workers() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def worker() -> int:
    """Which of them this is; 0 scores and keeps checkpoints."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def add_up(tensors: Iterable[Tensor]) -> None:
    """Replace float32 tensors by their sums over the workers, in one message."""
    if workers() == 1:
        return
    found = list(tensors)
    flat = torch.cat([tensor.reshape(-1) for tensor in found])
    distributed.all_reduce(flat)
    for tensor, total in zip(found, flat.split([tensor.numel() for tensor in found]), strict=True):
        tensor.copy_(total.view_as(tensor))


def total(value: float, device: torch.device) -> float:
    """Sum of a number over the workers."""
    tensor = torch.tensor([value], dtype=torch.float32, device=device)
    add_up([tensor])
    return float(tensor) if workers() > 1 else value


def add_up_gradients(network: nn.Module) -> None:
    """Sum gradients over the workers, and average what batch normalisation remembers."""
    running = [value for name, value in network.named_buffers() if ".running_" in name]
    for value in running:
        value.div_(workers())
    add_up([*(p.grad for p in network.parameters() if p.grad is not None), *running])
