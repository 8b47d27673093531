"""Train one network from a store into a checkpoint folder, by one process or by several."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from .. import storage
from ..data.store import FrameStore
from ..errors import ConfigError
from ..progress import ProgressLine
from ..storage import StrPath
from . import schedule, sharing
from .checkpoint import Checkpoint
from .settings import TrainSettings
from .tracking import open_tracker
from .trained import Trained, read_start
from .trainer import Epoch, Trainer


@dataclass(frozen=True, slots=True)
class Task:
    """What to train, as plain values that other processes take too.

    Parameters
    ----------
    store : frame store.
    architecture, model : of the network.
    settings : how to train.
    out : folder of the checkpoint; training goes on from the one that is there.
    start, teachers : checkpoints or bundles, to begin with and to learn from.
    """

    store: str
    architecture: str
    model: Mapping[str, Any]
    settings: TrainSettings
    out: str
    start: str | None = None
    teachers: tuple[str, ...] = ()

    def trainer(self, device: torch.device | None = None) -> Trainer:
        """A trainer that is where the checkpoint is.

        Raises
        ------
        ConfigError, DataError, BundleError : as `Trainer`, `Trainer.resume` and `Trained.read`.
        """
        found = Trainer(
            FrameStore.open(self.store),
            self.architecture,
            dict(self.model),
            self.settings,
            start=None if self.start is None else read_start(self.start, self.architecture),
            teachers=[Trained.read(teacher) for teacher in self.teachers],
            device=device,
        )
        if self.begun:
            found.resume(Checkpoint.read(Path(self.out)))
        return found

    @property
    def begun(self) -> bool:
        """Whether there is a checkpoint."""
        return (Path(self.out) / "checkpoint.json").is_file()

    def run(
        self, trainer: Trainer, on_epoch: Callable[[Epoch], None], on_step: Callable[[float], None] = lambda loss: None
    ) -> None:
        """Train to the end; worker 0 keeps each epoch in the checkpoint, then calls `on_epoch` with it."""
        while not trainer.finished:
            epoch = trainer.run_epoch(on_step)
            if sharing.worker() == 0:
                trainer.checkpoint().write(Path(self.out))
                on_epoch(epoch)


def train(
    store: StrPath,
    architecture: str,
    out: StrPath,
    model: Mapping[str, Any] | None = None,
    settings: TrainSettings | None = None,
    *,
    start: StrPath | None = None,
    teachers: Sequence[StrPath] = (),
    resume: bool = False,
    workers: int = 1,
    track: str | None = None,
    address: str | None = None,
) -> dict[str, Any]:
    """Train a network and keep its best epoch, and all that is needed to go on, in a checkpoint folder.

    Parameters
    ----------
    store : what `ingest` wrote.
    model : settings of the architecture; what is not given is as published.
    settings : how to train.
    start : checkpoint or bundle to begin with: the core, and the readouts of mice that are the same.
    teachers : checkpoints or bundles to learn from; see `distillation`.
    resume : go on with what is in `out`.
    workers : processes that share every batch, through Ray; each has a GPU where there are GPUs.
    track : service that keeps the curves; see `tracking`.
    address : Ray cluster for several workers; all of its machines must see `store` and `out`.

    Returns
    -------
    'architecture', 'epochs' (number, loss and scores of each) and 'best', one of them.

    Raises
    ------
    ConfigError : the architecture, a setting, or what these ask for does not exist; `out` holds another training.
    DataError : `out` exists already, or the training diverged; then `out` has the last good epoch.
    """
    if workers < 1:
        raise ConfigError(f"is {workers}", "workers", "give 1 or more")
    settings, out = settings or TrainSettings(), Path(out)
    if workers > settings.batch:
        raise ConfigError(f"a batch of {settings.batch} cannot be shared by {workers}", "workers", "raise batch")
    if not resume:
        storage.require_new(out)
    task = Task(
        store=storage.absolute(store),
        architecture=architecture,
        model=dict(model or {}),
        settings=settings,
        out=str(out.absolute()),
        start=None if start is None else storage.absolute(start),
        teachers=tuple(storage.absolute(teacher) for teacher in teachers),
    )
    epochs = _epochs_so_far(task)
    _run(task, epochs, workers, track, address)
    best = max(epochs, key=lambda epoch: (epoch.score, -epoch.number))
    return {"architecture": architecture, "epochs": [asdict(epoch) for epoch in epochs], "best": asdict(best)}


def _run(task: Task, epochs: list[Epoch], workers: int, track: str | None, address: str | None) -> None:
    """Train with progress and curves; every finished epoch is added to `epochs`."""
    settings = task.settings
    values = {"architecture": task.architecture, **task.model, **asdict(settings)}
    trainer = task.trainer() if workers == 1 else None
    tracker = open_tracker(track, Path(task.out), values, len(epochs)) if track else None
    steps = settings.epochs * settings.steps
    with ProgressLine(steps, "training", done=len(epochs) * settings.steps) as line:

        def note() -> str:
            return f"epoch {epochs[-1].number}: correlation {epochs[-1].score:.4f}" if epochs else ""

        def on_epoch(epoch: Epoch) -> None:
            epochs.append(epoch)
            line.advance(settings.steps if trainer is None else 0, note())
            if tracker is not None:
                rate = schedule.learning_rate(settings, epoch.number * settings.steps - 1)
                values = {**asdict(epoch), "learning_rate": rate}
                tracker.log({k: v for k, v in values.items() if k != "number" and v is not None}, epoch.number)

        try:
            if trainer is None:
                from .distributed import train_on_workers

                train_on_workers(task, workers, on_epoch, address=address)
            else:
                task.run(trainer, on_epoch, lambda loss: line.advance(1, f"loss {loss:.4f} {note()}".rstrip()))
        except KeyboardInterrupt:
            at = f"after epoch {len(epochs)}" if epochs else "before its first epoch was kept"
            print(f"stopped {at}; run the same command with --resume to go on", file=sys.stderr)
            raise
        finally:
            if tracker is not None:
                tracker.close()


def _epochs_so_far(task: Task) -> list[Epoch]:
    if not task.begun:
        return []
    return [Epoch(**epoch) for epoch in Checkpoint.read(Path(task.out)).resume["epochs"]]
