"""What torch's errors mean."""

from __future__ import annotations

import torch


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch could not allocate, on a GPU or on a CPU, where it has no type of error for that."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def is_of_compiler(error: RuntimeError) -> bool:
    """Whether torch.compile failed, e.g. since there is no C++ compiler; asked without importing it."""
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))
