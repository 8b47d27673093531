"""What benchmarks of networks share: what a device has done."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

Figures = dict[str, Any]


def wait() -> None:
    """Until the device has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_mib() -> float:
    """Largest memory of this process's tensors on a GPU, or without one of the process itself."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def operations(work: Callable[[], object]) -> int:
    """Floating-point operations of some work that is not compiled, as torch counts them."""
    own = {torch.ops.aten.convolution_backward: _backward}
    with FlopCounterMode(display=False, custom_mapping=own) as counter:
        work()
    return counter.get_total_flops()


def _backward(outputs: list[int], inputs: list[int], weight: list[int], *_: Any, **__: Any) -> int:
    """Twice the forward's; torch counts the gradient of a depth-wise filter as if it were a dense one's."""
    return 2 * conv_flop_count(inputs, weight, outputs)
