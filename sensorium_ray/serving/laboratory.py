"""Where experiments are made: each in a process of its own, which asks this replica part by part, as requests do."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from ..data.clip import Clip
from ..errors import DataError, InputError
from ..insilico.subject import chosen_neurons, mean_state
from ..submissions.inbox import FullError
from . import forking
from .monitoring import FRAMES
from .parcels import receive, send
from .predictors import Predictors
from .problems import Refusal
from .runs import Order, Run, Runs
from .served import Models, Served, find

MOST_FRAMES = 216_000
"""That an experiment may show: two hours of 30 a second, as long as a clip may be."""
LONGEST = 9_000
"""Frames of one of its clips, five minutes: its answers are in memory at once."""
SECONDS = 6 * 3600
"""For an experiment."""
ATTEMPTS = 3
"""How often an experiment may lose its replica before that is held to be its own fault."""
_PLANS = 2
"""Experiments that a replica plans at once; each takes a process of some seconds."""
_PLANNING = 60
"""Seconds for a plan."""
_LOOKS = 0.5
"""Seconds between two looks at whether an experiment is still wanted."""
_IDLE = 2.0
"""Seconds between two looks for what other replicas took or left."""
_FAILED = "could not be made here; the endpoint's log tells why"

logger = logging.getLogger("ray.serve.sensorium")


class Laboratory:
    """Makes the experiments that wait, one at a time, what an earlier endpoint left first.

    Parameters
    ----------
    folder : of `Runs`.
    models : that are served.
    predictors : of this replica.

    Raises
    ------
    DataError : the folder may not be written to.
    """

    def __init__(self, folder: Path, models: Models, predictors: Predictors) -> None:
        self.runs = Runs(folder)
        self._models = models
        self._predictors = predictors
        self._planning = threading.BoundedSemaphore(_PLANS)
        self._wanted = threading.Event()
        self._wanted.set()
        self._closed = False
        threading.Thread(target=self._work, name="laboratory", daemon=True).start()

    def plan(self, order: Order) -> None:
        """Refuse an experiment that cannot be made, or shows too much.

        Raises
        ------
        InputError : its settings are impossible, it shows more than `MOST_FRAMES`, or needs gradients that are unknown.
        FullError : too many wait, or are being planned.
        """
        self.runs.require_room()
        about = self._describe(order)
        if not self._planning.acquire(blocking=False):
            raise FullError("has no room to plan one more experiment now", "the endpoint", "ask again in a minute")
        try:
            with _process(None, order, about, _PLANNING) as connection:
                words, _ = receive(connection)
        except (EOFError, ConnectionError) as error:
            what = f"takes more than {_PLANNING} s to plan, or ended meanwhile"
            raise DataError(what, order.experiment, "ask for less; the endpoint's log may tell why") from error
        finally:
            self._planning.release()
        if "fault" in words:
            raise InputError(*words["fault"])
        _require_size(order, words["frames"], words["longest"])
        for name in filter(None, (order.model, order.against) if words["gradients"] else ()):
            if not find(self._models, name).tells_gradients:
                mend = "choose one that came with its weights, as `sensorium export` writes them"
                raise DataError(f"'{name}' tells no gradients, which {order.experiment} needs", "model", mend)

    def take(self, order: Order, owner: str | None) -> Run:
        """As `Runs.add`; it is made as soon as those before it are."""
        run = self.runs.add(order, owner)
        self._wanted.set()
        return run

    def close(self) -> None:
        """Begin nothing more, and leave what is being made to others."""
        self._closed = True
        self._wanted.set()

    def _work(self) -> None:
        while not self._closed:
            self._wanted.wait(_IDLE)
            self._wanted.clear()
            try:
                while not self._closed and self._make_next():
                    pass
            except Exception:
                logger.exception("what waits cannot be made")
                time.sleep(_IDLE)

    def _make_next(self) -> bool:
        """Make what has waited longest; tell whether there was anything."""
        with self.runs.claimed() as run:
            if run is None:
                return False
            try:
                if run.attempts >= ATTEMPTS:
                    logger.warning("experiment %s of %s is given up", run.order.experiment, run.order.model)
                    raise InputError(
                        f"lost its replica {ATTEMPTS} times", run.order.experiment, "ask again, or for less"
                    )
                self._make(run)
            except InputError as error:
                self.runs.end(run, str(error))
            except Refusal as refusal:
                self.runs.end(run, str(refusal.error))
            except Exception:
                if self.runs.find(run.id):  # else it was cancelled, and what made it has noticed first
                    logger.exception("experiment %s of %s failed", run.order.experiment, run.order.model)
                    self.runs.end(run, _FAILED)
            self.runs.sweep()
        return True

    def _make(self, run: Run) -> None:
        order = run.order
        about = self._describe(order)
        making = self.runs.update(run, state="running", attempts=run.attempts + 1, done=0, total=0)
        end, told, shown = time.monotonic() + SECONDS, 0.0, 0
        with _process(self.runs.made(run), order, about, SECONDS + _PLANNING) as connection:
            while making is not None:
                if self._closed:
                    self.runs.update(making, state="waiting", attempts=run.attempts, done=0, total=0)
                    return
                if time.monotonic() > end:
                    raise DataError(f"takes longer than {SECONDS // 3600} hours", order.experiment, "ask for less")
                if not connection.poll(_LOOKS):
                    making = making if self.runs.find(run.id) else None
                    continue
                words, arrays = receive(connection)
                if "fault" in words:
                    raise InputError(*words["fault"])
                if "finished" in words:
                    self.runs.end(making)
                    return
                if "done" in words and (time.monotonic() > told + _LOOKS or words["done"] == words["total"]):
                    making = self.runs.update(making, done=words["done"], total=words["total"])
                    told = time.monotonic()
                if "ask" in words:
                    clips, weights = _asked(arrays, about["rate"])
                    shown += sum(clip.frames for clip in clips)
                    _require_size(order, shown, clips[0].frames)
                    self._answer(connection, order, words["of"], clips, weights)

    def _answer(
        self, connection: Connection, order: Order, model: str, clips: list[Clip], weights: np.ndarray | None
    ) -> None:
        neurons = None if order.neurons is None else np.asarray(order.neurons)
        FRAMES.labels(model).inc(sum(clip.frames for clip in clips))
        asked = (model, clips, order.mouse, neurons)
        try:
            if weights is None:
                answered = self._predictors.respond(*asked).result()
            else:
                answered = self._predictors.differentiate(*asked, weights).result()
        except InputError as error:
            send(connection, {"fault": [error.what, error.where, error.mend]})
        else:
            send(connection, {}, *answered)

    def _describe(self, order: Order) -> dict[str, Any]:
        """The subject of an experiment, in plain values.

        Raises
        ------
        DataError : a neuron is unknown, or a model does not know the mouse's mean behaviour.
        Refusal : 404, there is no such model or mouse.
        """
        about = _described(find(self._models, order.model), order)
        if order.against is not None:
            about["against"] = _described(find(self._models, order.against), order)
        return about


def _described(model: Served, order: Order) -> dict[str, Any]:
    entry = model.entry(model.mouse(order.mouse))
    behavior, pupil_center = mean_state(entry.name, entry.behavior_mean, entry.pupil_center_mean)
    return {
        "model": model.manifest.name,
        "checksum": model.checksum,
        "mouse": entry.name,
        "unit_ids": model.unit_ids(entry.name)[chosen_neurons(len(entry.unit_ids), order.neurons)].tolist(),
        "frame_shape": list(model.manifest.frame_shape),
        "rate": model.manifest.rate,
        "behavior": behavior.tolist(),
        "pupil_center": pupil_center.tolist(),
    }


@contextmanager
def _process(folder: Path | None, order: Order, about: dict[str, Any], seconds: int) -> Iterator[Connection]:
    """A process that makes an experiment in a folder, or plans it where that is None, and ends with the block."""
    with forking.HERE.connect() as connection:
        asked = {"experiment": order.experiment, "settings": order.settings, "subject": about, "seconds": seconds}
        send(connection, {**asked, "folder": None if folder is None else str(folder)})
        yield connection


def _asked(arrays: list[np.ndarray], rate: float) -> tuple[list[Clip], np.ndarray | None]:
    """Clips that are asked about, and weights (clips, neurons, frames) where gradients are."""
    video, behavior, pupil_center, *weights = arrays
    clips = [Clip(*parts, rate) for parts in zip(video, behavior, pupil_center, strict=True)]
    return clips, weights[0] if weights else None


def _require_size(order: Order, frames: int, longest: int) -> None:
    mend = "ask for fewer conditions or neurons, or for less of each"
    if frames > MOST_FRAMES:
        raise DataError(f"shows {frames:,} frames, and may show {MOST_FRAMES:,}", order.experiment, mend)
    if longest > LONGEST:
        raise DataError(f"shows clips of {longest:,} frames, which may have {LONGEST:,}", order.experiment, mend)
