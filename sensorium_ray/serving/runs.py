"""Experiments that an endpoint was asked for: what waits, what is made, and what was found, in a folder.

    DIR/lock              held while one is added, changed or removed
    DIR/<id>/             one of them: it appears whole, by one rename, and goes by one
      run.json            what was asked for, its state and how far it is
      lock                held by the replica that makes it, and let go when that dies
      made/               its result and pictures; whole once the state is 'finished'

Everything lies on the disk and nothing in memory, so that any number of replicas may share it. One whose replica was
killed is made again by the next that is free, also of a later endpoint.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from ..errors import DataError
from ..storage import PARTIAL, atomic_path, locked, read_json, remove, remove_partials, write_json, writing
from ..submissions.inbox import FullError

WAITING = 16
"""Experiments that may wait at once."""
KEPT = 100
"""Finished ones that are kept, the latest."""
AGE = timedelta(days=7)
"""For which they are kept."""
State = Literal["waiting", "running", "finished", "failed"]
_RUN, _LOCK, _MADE = "run.json", "lock", "made"
_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Order:
    """An experiment that is asked for.

    Parameters
    ----------
    experiment, settings : which one, and the settings that are to be others than usual.
    model, mouse, neurons : whom it is made on; neurons are indices, None: all.
    against : another model of the same neurons, for experiments that compare two.
    """

    experiment: str
    settings: dict[str, Any]
    model: str
    mouse: str
    neurons: list[int] | None = None
    against: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """An experiment that was asked for, and what became of it.

    Parameters
    ----------
    id : hexadecimal digits.
    owner : name of the key that asked; None: no keys are asked for.
    order : what was asked for.
    asked, ended : when (ISO 8601, UTC); ended is empty until then.
    state : 'waiting' and 'running' until it is 'finished' or 'failed'.
    done, total : how far it is, in clips or steps; 0 of 0 until it is known.
    attempts : how often it was begun.
    fault : a sentence, where it failed.
    """

    id: str
    owner: str | None
    order: Order
    asked: str
    ended: str = ""
    state: State = "waiting"
    done: int = 0
    total: int = 0
    attempts: int = 0
    fault: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it is still to be made."""
        return self.state in ("waiting", "running")


class Runs:
    """The experiments of an endpoint.

    Parameters
    ----------
    folder : on a disk that all replicas see; made where it is missing.

    Raises
    ------
    DataError : it may not be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _LOCK).touch()

    def add(self, order: Order, owner: str | None) -> Run:
        """Let an experiment wait for its turn.

        Raises
        ------
        FullError : too many wait.
        DataError : the disk is full.
        """
        run = Run(uuid.uuid4().hex, owner, order, _now())
        with self._locked():
            self.require_room()
            with atomic_path(self._folder / run.id) as partial:
                partial.mkdir()
                write_json(partial / _RUN, asdict(run))
        return run

    def require_room(self) -> None:
        """Refuse one more.

        Raises
        ------
        FullError : too many wait.
        """
        if sum(run.is_open for run in self.all()) >= WAITING:
            raise FullError("no more experiments may wait", "the endpoint", "ask again in a minute")

    def find(self, name: str) -> Run | None:
        """The run of an id; None: there is none."""
        return self._read(name) if _ID.fullmatch(name) else None

    def all(self) -> list[Run]:
        """Every run, in the order in which they were asked for."""
        found = (self.find(entry.name) for entry in self._folder.iterdir())
        return sorted((run for run in found if run is not None), key=lambda run: run.asked)

    def made(self, run: Run) -> Path:
        """Folder of a run's result and pictures."""
        return self._folder / run.id / _MADE

    def update(self, run: Run, **changes: Any) -> Run | None:
        """Write down what has changed of a run; None: it was removed meanwhile."""
        run = replace(run, **changes)
        with self._locked():
            if self.find(run.id) is None:
                return None
            write_json(self._folder / run.id / _RUN, asdict(run))
        return run

    def end(self, run: Run, fault: str = "") -> None:
        """Write down that a run is finished, or that it failed with a fault."""
        if fault:
            self.update(run, state="failed", fault=fault, ended=_now())
        else:
            self.update(run, state="finished", done=run.total, ended=_now())

    def remove(self, name: str) -> None:
        """Forget a run; who makes it stops when it is not found any more."""
        with self._locked():
            if self.find(name) is not None:
                gone = self._folder / f"{name}{PARTIAL}"
                os.replace(self._folder / name, gone)
                shutil.rmtree(gone, ignore_errors=True)

    @contextmanager
    def claimed(self) -> Iterator[Run | None]:
        """The run that has waited longest and that nobody makes, while the block lasts; None: there is none."""
        with ExitStack() as stack:
            mine = (self._claim(run, stack) for run in self.all() if run.is_open)
            yield next(filter(None, mine), None)

    def sweep(self) -> None:
        """Remove what is too old or too much, and what killed writers left."""
        ended = [run for run in self.all() if not run.is_open]
        oldest = (datetime.now(UTC) - AGE).isoformat()
        for place, run in enumerate(sorted(ended, key=lambda run: run.ended, reverse=True)):
            if place >= KEPT or run.ended < oldest:
                self.remove(run.id)
        with self._locked():
            remove_partials(self._folder)

    def _claim(self, run: Run, stack: ExitStack) -> Run | None:
        """The run as it is now, held until the stack closes; None: another makes it, or has just ended it."""
        try:
            lock = locked(self._folder / run.id / _LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stack.enter_context(lock)
        except (BlockingIOError, FileNotFoundError):
            return None
        now = self.find(run.id)
        if now is None or not now.is_open:
            return None
        with writing(self.made(run)):
            remove(self.made(run))
            self.made(run).mkdir()
        return now

    def _read(self, name: str) -> Run | None:
        try:
            found = read_json(self._folder / name / _RUN)
            return Run(**found | {"order": Order(**found["order"])})
        except (DataError, TypeError, KeyError):  # it was removed, or another version wrote it
            return None

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self._folder / _LOCK)


def _now() -> str:
    return datetime.now(UTC).isoformat()
