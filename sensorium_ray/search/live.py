"""A sweep as it goes: a table on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.progress_reporter import TrialProgressCallback
from rich import live
from rich.console import Console
from rich.table import Table

from ..progress import clock
from .budget import Budget
from .outcome import best_score, curve, failed
from .settings import SweepSettings

_SECONDS_BETWEEN_TABLES, _SECONDS_BETWEEN_LINES = 1.0, 5.0


class Live(TrialProgressCallback):
    """Takes the place of Ray Tune's own prints.

    Shows on stderr how many tune trials run, are finished and failed, the best score, the budget, the time left.

    Parameters
    ----------
    total : tune trials in all.
    """

    def __init__(self, total: int, settings: SweepSettings, budget: Budget) -> None:
        super().__init__()
        self._total, self._settings, self._budget = total, settings, budget
        self._table = live.Live(console=Console(stderr=True), auto_refresh=False) if sys.stderr.isatty() else None
        self._pause = _SECONDS_BETWEEN_LINES if self._table is None else _SECONDS_BETWEEN_TABLES
        self._started = self._shown = time.monotonic()
        self._before: float | None = None

    def __enter__(self) -> Live:
        if self._table is not None:
            self._table.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._table is not None:
            self._table.stop()

    def log_result(self, trial: Trial, result: dict[str, Any], error: bool = False) -> None:
        """Print nothing for a single report."""

    def on_trial_complete(self, iteration: int, trials: Sequence[Trial], trial: Trial, **_: Any) -> None:
        """Print nothing for a single tune trial."""

    def on_step_end(self, iteration: int, trials: Sequence[Trial], **_: Any) -> None:
        """Show, if it is time to."""
        if time.monotonic() - self._shown >= self._pause:
            self._show(trials)

    def on_experiment_end(self, trials: Sequence[Trial], **_: Any) -> None:
        """Show how it ended."""
        self._show(trials)

    def _show(self, trials: Sequence[Trial]) -> None:
        self._shown = time.monotonic()
        rows, footer = summary(trials), ", ".join(self._footer(trials))
        if self._table is None:
            best = ", ".join(f"{row[0]} {row[-1]}" for row in rows)
            print(f"sweep: {footer}; best {best}" if rows else f"sweep: {footer}", file=sys.stderr, flush=True)
            return
        table = Table("architecture", "running", "waiting", "finished", "failed", "best", caption=footer)
        for row in rows:
            table.add_row(*row)
        self._table.update(table, refresh=True)

    def _footer(self, trials: Sequence[Trial]) -> list[str]:
        ended = sum(trial.is_finished() for trial in trials)
        said = [f"{ended}/{self._total} tune trials"]
        if self._settings.hours is not None:
            said.append(f"{self._budget.hours:.2f} of {self._settings.hours:g} h")
        if self._settings.cost is not None:
            said.append(f"{self._budget.cost:.2f} of {self._settings.cost:g} dollars")
        left = self._left(trials)
        return said if left is None else [*said, f"at most {clock(left)} left"]

    def _left(self, trials: Sequence[Trial]) -> float | None:
        """Seconds, from the epochs that are left and how fast they went since the start of this run."""
        epochs, seconds = self._settings.epochs, time.monotonic() - self._started
        done = sum(epochs if trial.is_finished() else len(curve(trial)) for trial in trials)
        if self._before is None:
            self._before = done
        if done <= self._before:
            return None
        left = (self._total * epochs - done) * seconds / (done - self._before)
        if self._settings.hours is not None:
            left = min(left, (self._settings.hours - self._budget.hours) * 3600)
        return max(left, 0.0)


def summary(trials: Sequence[Trial]) -> list[tuple[str, ...]]:
    """One row an architecture: its name, how many run, wait, are finished and failed, and the best score so far."""
    by_architecture: dict[str, list[Trial]] = {}
    for trial in trials:
        by_architecture.setdefault(trial.config["architecture"], []).append(trial)
    rows = []
    for architecture, own in by_architecture.items():
        broken = sum(map(failed, own))
        finished = sum(trial.is_finished() for trial in own) - broken
        running = sum(trial.status == Trial.RUNNING for trial in own)
        scores = [score for score in map(best_score, own) if score is not None]
        best = f"{max(scores):.4f}" if scores else "-"
        counts = (running, len(own) - running - finished - broken, finished, broken)
        rows.append((architecture, *map(str, counts), best))
    return rows
