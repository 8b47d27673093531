"""A measurement in a process of its own, so that none feels what another left behind."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any


def measure(measured: Callable[..., None], *about: Any) -> Any:
    """What a function sends through its last argument, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=measured, args=(*about, theirs))
    child.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError as error:
        what = ", ".join(map(str, about))
        raise SystemExit(f"{measured.__name__} of {what} ended without an answer; is there enough memory?") from error
    finally:
        child.join()
