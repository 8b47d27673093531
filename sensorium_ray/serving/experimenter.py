"""Makes experiments, each in a process of its own, whose memory and time are bounded, and asks the replica.

    python -m sensorium_ray.serving.experimenter SOCKET

What is shown is drawn and what is answered is evaluated here; the model is the replica's alone. This process does
nothing but fork for every connection that comes over the socket, so that all libraries are loaded already. When the
replica ends, so do all of these.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from ..data.clip import CLIP_ARRAYS, Clip
from ..errors import InputError
from ..insilico import find
from ..insilico.run import draw_experiment, run_experiment, write_picture
from ..insilico.subject import Subject, together
from ..results import fits, save_result
from .parcels import receive, send

MEMORY = 8 * 1024**3
"""Bytes that an experiment may take."""
_FILE = 2 * 1024**3
"""Bytes of a file of a result."""
_FRAMES = 150
"""Asked for at once, half of what a usual request asks for: a request's part waits for no more."""
_ENOUGH = 2.0
"""Seconds after which a plan is enough."""
RESULTS = {".nc": "application/x-netcdf", ".parquet": "application/vnd.apache.parquet"}
PICTURES = {".png": "image/png", ".svg": "image/svg+xml"}
"""How the files of a run end that hold its result and its picture, and their media types."""


class _EnoughError(Exception):
    """All that need be known of an experiment beforehand is known."""


class Replica:
    """The replica that answers, at the other end of a connection.

    Parameters
    ----------
    model : which one is asked.
    """

    def __init__(self, connection: Connection, model: str) -> None:
        self._connection = connection
        self._model = model

    def respond(self, clips: Iterable[Clip]) -> Iterator[np.ndarray]:
        """Responses to clips, (neurons, frames) float32 each."""
        for some in together(clips, _FRAMES, _FRAMES):
            [responses] = self._ask("responses", some)
            yield from responses

    def differentiate(
        self, clips: Sequence[Clip], weights: Sequence[np.ndarray]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Responses and gradients, as `insilico.subject.Differentiate` has them."""
        told: list[tuple[np.ndarray, np.ndarray]] = []
        for some in together(clips, _FRAMES, _FRAMES):
            counted = np.stack(weights[len(told) : len(told) + len(some)])
            told += zip(*self._ask("gradients", some, counted), strict=True)
        return told

    def track(self, items: Iterable[np.ndarray], total: int, label: str) -> Iterator[np.ndarray]:
        """Tell how far it is."""
        for done, item in enumerate(items):
            send(self._connection, {"done": done, "total": total, "of": label})
            yield item
        send(self._connection, {"done": total, "total": total, "of": label})

    def _ask(self, what: str, clips: Sequence[Clip], *more: np.ndarray) -> list[np.ndarray]:
        shown = (np.stack([getattr(clip, name) for clip in clips]) for name in CLIP_ARRAYS)
        send(self._connection, {"ask": what, "of": self._model}, *shown, *more)
        words, answered = receive(self._connection)
        if "fault" in words:
            raise InputError(*words["fault"])
        return answered


class Plan:
    """Answers zeros, of one clip or step of many, and counts how much would be shown.

    What an experiment shows in a later part, after much to evaluate, is counted when it is made.

    Parameters
    ----------
    neurons : how many.
    """

    def __init__(self, neurons: int) -> None:
        self.frames = 0
        self.longest = 0
        self.gradients = False
        self._neurons = neurons
        self._end = time.monotonic() + _ENOUGH

    def respond(self, clips: Iterable[Clip]) -> Iterator[np.ndarray]:
        """Zeros (neurons, frames)."""
        for clip in clips:
            yield self._count(clip)

    def differentiate(
        self, clips: Sequence[Clip], weights: Sequence[np.ndarray]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Zeros, and gradients of zeros."""
        self.gradients = True
        return [(self._count(clip), np.zeros_like(clip.video)) for clip in clips]

    def track(self, items: Iterable[np.ndarray], total: int, label: str) -> Iterator[np.ndarray]:
        """The first of some items as often as there are items."""
        before = self.frames
        for item in items:
            self.frames += (total - 1) * (self.frames - before)
            for _ in range(total):
                if time.monotonic() > self._end:
                    raise _EnoughError
                yield item
            return

    def _count(self, clip: Clip) -> np.ndarray:
        self.frames += clip.frames
        self.longest = max(self.longest, clip.frames)
        return np.zeros((self._neurons, clip.frames), np.float32)


def subject_of(about: dict[str, Any], answers: Callable[[str], Replica | Plan]) -> Subject:
    """The subject that a replica describes.

    Parameters
    ----------
    answers : who answers for a model.
    """
    who = answers(about["model"])
    subject = Subject(
        model=about["model"],
        checksum=about["checksum"],
        mouse=about["mouse"],
        unit_ids=np.asarray(about["unit_ids"], np.int64),
        frame_shape=tuple(about["frame_shape"]),
        rate=about["rate"],
        behavior=np.asarray(about["behavior"], np.float32),
        pupil_center=np.asarray(about["pupil_center"], np.float32),
        respond=who.respond,
        differentiate=who.differentiate,
        track=who.track,
    )
    return subject.beside(subject_of(about["against"], answers)) if "against" in about else subject


def plan(name: str, settings: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """What an experiment asks for, as far as that can be seen beforehand.

    Returns
    -------
    frames, longest : that it shows, and those of its longest clip.
    gradients : whether it asks for some.

    Raises
    ------
    InputError : it cannot be made with these settings.
    """
    counted = Plan(len(about["unit_ids"]))
    config = find.make_config(name, settings)
    try:
        find.experiment(name).measure(subject_of(about, lambda _: counted), config)
    except _EnoughError:
        pass
    except (ValueError, TypeError, ArithmeticError, LookupError) as error:
        if not counted.frames:  # afterwards it may be that nothing can be made of zeros
            raise InputError(f"cannot be made with these settings ({error})", name, "change them") from error
    return {"frames": counted.frames, "longest": counted.longest, "gradients": counted.gradients}


def make(name: str, settings: dict[str, Any], about: dict[str, Any], connection: Connection) -> None:
    """Make an experiment, and write its result and its pictures to the working folder."""
    result = run_experiment(name, subject_of(about, lambda model: Replica(connection, model)), **settings)
    for ending in RESULTS:
        if fits(result, ending):
            save_result(result, f"result{ending}")
    figure = draw_experiment(result)
    for ending in PICTURES:
        write_picture(figure, f"picture{ending}")


def work(connection: Connection) -> None:
    """Do what the replica asks for, and tell it how that ended."""
    asked, _ = receive(connection)
    name, settings, about = asked["experiment"], asked["settings"], asked["subject"]
    signal.alarm(asked["seconds"])
    try:
        if asked["folder"] is None:
            send(connection, plan(name, settings, about))
        elif Path(asked["folder"]).is_dir():  # else it was cancelled already
            os.chdir(asked["folder"])  # so that files go where it goes, and nowhere once it is removed
            make(name, settings, about, connection)
            send(connection, {"finished": True})
    except InputError as error:
        send(connection, {"fault": [error.what, error.where, error.mend]})
    except MemoryError:
        what = f"needs more than {MEMORY // 1024**3} GiB of memory"
        send(connection, {"fault": [what, name, "ask for fewer neurons or conditions"]})


def _is_wanted() -> bool:
    """Whether the working folder, which goes with the run, is still there."""
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


def main(server: socket.socket) -> None:
    """Fork for every connection that comes over a socket, until that is closed."""
    os.nice(10)  # requests come first
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that end
    for what, limit in ((resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_FSIZE, _FILE), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (limit, limit))
    for name in find.names():
        find.experiment(name)
    while (received := socket.recv_fds(server, 1, 1))[0]:
        [handle] = received[1]
        if os.fork():
            os.close(handle)
            continue
        server.close()
        try:
            work(Connection(handle))
        except (EOFError, ConnectionError):
            pass  # the replica has ended, or wants this no more
        except FileNotFoundError:
            if _is_wanted():
                traceback.print_exc()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
