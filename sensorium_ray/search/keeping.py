"""What a sweep leaves: the best checkpoint of each architecture, and some that are good together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ray.tune.experiment import Trial

from .. import storage
from ..data.store import FrameStore
from ..errors import SensoriumError
from .diversity import good_together
from .outcome import best_checkpoint, best_score, failure
from .settings import SweepSettings

_CANDIDATES = 4
"""The best few that `top/` is chosen from, for each that is kept."""


def keep_best(architecture: str, trials: Sequence[Trial], target: Path) -> None:
    """Copy the best checkpoint of an architecture.

    Raises
    ------
    SensoriumError : no tune trial has one; the first one's error.
    """
    best = _ranked(trials)
    if not best:
        errors = [error for error in map(failure, trials) if error is not None]
        raise (
            errors[0]
            if errors
            else SensoriumError(
                "has no checkpoint", architecture, "give the sweep more time, so that a tune trial ends its first epoch"
            )
        )
    _copy(best[0], target)


def keep_top(trials: Sequence[Trial], store: FrameStore, folder: Path, settings: SweepSettings) -> list[str]:
    """Copy checkpoints that are good together to `folder/<rank>-<tune trial>`.

    Returns
    -------
    Their names, the best first; all there are if there are no more than are to be kept.
    """
    candidates = _ranked(trials)[: _CANDIDATES * settings.keep]
    chosen = good_together(store, [best_checkpoint(trial) for trial in candidates], settings)
    digits = len(str(len(chosen)))
    names = []
    for rank, place in enumerate(chosen, 1):
        names.append(f"{rank:0{digits}d}-{candidates[place].config['name']}")
        _copy(candidates[place], folder / names[-1])
    return names


def _ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Those with a checkpoint, the best first; of equals the first."""
    scored = [(best_score(trial), trial) for trial in trials]
    return [trial for score, trial in sorted(((s, t) for s, t in scored if s is not None), key=lambda pair: -pair[0])]


def _copy(trial: Trial, target: Path) -> None:
    checkpoint = best_checkpoint(trial)
    assert checkpoint is not None
    with checkpoint.as_directory() as folder:
        storage.copy_folder(Path(folder), target, last="checkpoint.json")
