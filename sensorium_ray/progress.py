"""Progress with a remaining-time estimate on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich import filesize
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

T = TypeVar("T")

_SECONDS_BETWEEN_LINES = 5.0


def track(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Yield `items` while showing how many of `total` are done and how long the rest will take."""
    progress = ProgressLine(total, label)
    with progress:
        for item in items:
            yield item
            progress.advance()


class ProgressLine:
    """The same for work that reports in steps of its own: `with ProgressLine(100, 'training') as line`.

    Parameters
    ----------
    total : steps, of which `done` were done before.
    label : what is going on.
    in_bytes : the steps are bytes, shown as such and with their rate.
    """

    def __init__(self, total: float, label: str, *, done: float = 0.0, in_bytes: bool = False) -> None:
        self._total = total
        self._label = label
        self._done = self._before = done
        self._in_bytes = in_bytes
        self._started = self._spoken = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> ProgressLine:
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                *((DownloadColumn(), TransferSpeedColumn()) if self._in_bytes else (MofNCompleteColumn(),)),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task(self._label, total=self._total, completed=int(self._done))
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif kind is None:
            self._say(f"done in {clock(time.monotonic() - self._started)}")

    def advance(self, steps: float = 1, note: str = "") -> None:
        """Count `steps` more as done; `note` follows the label."""
        self._done += steps
        if self._bar is not None:
            self._bar.update(self._task, advance=steps, description=f"{self._label} {note}".rstrip())
        elif self._done > self._before and time.monotonic() - self._spoken > _SECONDS_BETWEEN_LINES:
            rate = (self._done - self._before) / (time.monotonic() - self._started)
            left = clock((self._total - self._done) / rate)
            self._say(f"{self._counted(rate)}, about {left} left {note}".rstrip())

    def _counted(self, rate: float) -> str:
        if not self._in_bytes:
            return f"{self._done:g}/{self._total:g}"
        done, total, rate_in_words = (filesize.decimal(int(size)) for size in (self._done, self._total, rate))
        return f"{done} of {total} at {rate_in_words}/s"

    def _say(self, text: str) -> None:
        self._spoken = time.monotonic()
        print(f"{self._label}: {text}", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Minutes and seconds, as in 3:07."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    return f"{minutes}:{rest:02d}"
