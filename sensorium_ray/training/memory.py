"""How a training process keeps its memory."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Of mallopt(3)."""


def keep_freed_memory() -> None:
    """Let this process use the memory that it frees again, rather than give it back to the kernel.

    A step on a CPU frees and asks for gigabytes of activations. The GNU C library maps and unmaps each large one, and
    the kernel clears every page of it anew: measured, half of a step's CPU time. Other C libraries are left as they
    are. The process stays as large as it has once been, so this is for processes that do nothing but train.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, -1)
