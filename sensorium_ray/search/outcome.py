"""What tune trials came to: read from their last reports, which carry the whole curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from ray import tune
from ray.tune.experiment import Trial

from .. import compute, errors
from ..errors import ConfigError, SensoriumError
from .settings import METRIC

_NO_MEMORY = "low on memory"
"""What Ray's memory monitor says of those that it killed."""


def curve(trial: Trial) -> list[list[float]]:
    """Loss and score of every epoch that the tune trial's weights have seen."""
    return list(trial.last_result.get("curve", []))


def best_checkpoint(trial: Trial) -> tune.Checkpoint | None:
    """Checkpoint of the tune trial's best epoch; None: it has none."""
    best = _best(trial)
    return None if best is None else best.checkpoint


def best_score(trial: Trial) -> float | None:
    """Score of that checkpoint."""
    best = _best(trial)
    return None if best is None else float(best.metrics[METRIC])


def _best(trial: Trial) -> Any:
    return trial.run_metadata.checkpoint_manager.best_checkpoint_result


def failed(trial: Trial) -> bool:
    """Whether an error ended it."""
    return trial.status == Trial.ERROR or "failure" in trial.last_result


def failure(trial: Trial) -> Exception | None:
    """The error that ended it, if one did."""
    told = trial.last_result.get("failure")
    if told is not None:
        kind = getattr(errors, told["kind"], None)
        if isinstance(kind, type) and issubclass(kind, SensoriumError):
            return kind(told["what"], told["where"], told["mend"])
        return SensoriumError(f"{told['kind']}: {told['what']}")
    if trial.status == Trial.ERROR:
        pickled = trial.get_pickled_error()
        raised = None if pickled is None else compute.original(pickled)
        if isinstance(raised, SensoriumError):
            return raised
        words = _last_words(trial, raised)
        if _NO_MEMORY in words:
            what = "was killed again and again, since its machine was running out of memory"
            mend = "let fewer run at once, with more --cpus each, or take machines that have more"
            return ConfigError(what, trial.config["name"], mend)
        return SensoriumError(f"its processes died again and again ({words})", trial.config["name"])
    return None


def ended(trial: Trial) -> bool:
    """Whether it ended by itself, by its scheduler or by a failure, so that there is nothing to go on with."""
    return trial.status == Trial.ERROR or bool(trial.last_result.get("done"))


def rows(trials: Sequence[Trial], epochs: int) -> list[dict[str, Any]]:
    """One row a tune trial: what it was, how far it came, how it ended."""
    return [_row(trial, epochs) for trial in trials]


def _row(trial: Trial, epochs: int) -> dict[str, Any]:
    seen, error = curve(trial), failure(trial)
    row: dict[str, Any] = {
        "architecture": trial.config["architecture"],
        "trial": trial.config["name"],
        "config": trial.config["point"],
        "epochs": len(seen),
        "seconds": trial.last_result.get("time_total_s", 0.0),
    }
    score = best_score(trial)
    if score is not None:
        row[METRIC] = score
    if error is not None:
        return {**row, "outcome": "failed", "error": str(error)}
    finished = "finished" if len(seen) >= epochs else "stopped early"
    return {**row, "outcome": finished if ended(trial) else "cut off"}


def curves(trials: Sequence[Trial]) -> pd.DataFrame:
    """Epoch, loss and score of all tune trials."""
    table = [
        (number, loss, score, trial.config["architecture"], trial.config["name"])
        for trial in trials
        for number, (loss, score) in enumerate(curve(trial), 1)
    ]
    return pd.DataFrame(table, columns=["epoch", "loss", METRIC, "architecture", "trial"])


def _last_words(trial: Trial, raised: BaseException | None) -> str:
    if raised is not None:
        return str(raised).strip().partition("\n")[0]
    told = str(trial.get_error() or "")  # Tune keeps some kinds as text alone, after a line 'Failure # 8 (…)' each
    return "".join(told.rpartition("Failure # ")[2].splitlines()[1:2])
