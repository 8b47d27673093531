"""Where submissions are handed in: their number at once is bounded here, and a process scores what waits."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..storage import StrPath
from ..submissions import worker
from ..submissions.inbox import Entry, FullError, Inbox, Upload
from ..submissions.leaderboard import Leaderboard

logger = logging.getLogger("ray.serve.sensorium")

_UPLOADS = 4
"""That a replica takes at once; a slow one of 5 GB takes an hour, and predictions shall have places left."""


class Desk:
    """Takes submissions to a leaderboard and has them scored, what an earlier endpoint left first.

    Parameters
    ----------
    folder : of the leaderboard.

    Raises
    ------
    DataError : there is none.
    """

    def __init__(self, folder: StrPath) -> None:
        self.board = Leaderboard.open(folder)
        self.inbox = Inbox(self.board)
        self._places = threading.BoundedSemaphore(_UPLOADS)
        self._wanted = threading.Event()
        self._wanted.set()
        threading.Thread(target=self._have_scored, name="scoring", daemon=True).start()

    @contextmanager
    def upload(self, name: str, size: int) -> Iterator[Upload]:
        """As `Inbox.upload`; so many at once.

        Raises
        ------
        FullError : too many are being sent, or wait.
        """
        if not self._places.acquire(blocking=False):
            raise FullError("no more submissions may be sent at once", "the inbox", "send it again in a minute")
        try:
            with self.inbox.upload(name, size) as upload:
                yield upload
        finally:
            self._places.release()

    def accept(self, upload: Upload, team: str, note: str) -> tuple[Entry, bool]:
        """As `Inbox.accept`; it is scored as soon as those before it are."""
        entry, is_new = self.inbox.accept(upload, team, note)
        self._wanted.set()
        return entry, is_new

    def _have_scored(self) -> None:
        while self._wanted.wait():
            self._wanted.clear()
            try:
                self._empty()
            except Exception:
                logger.exception("what waits cannot be scored")

    def _empty(self) -> None:
        """Start a process for each submission; should this one die, its standard input ends, and so does it."""
        command = [sys.executable, "-m", worker.__name__, str(self.board.folder)]
        while self.inbox.waiting():
            with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
                status = child.wait()
            if status:
                logger.warning("a process that scores ended with status %d", status)
                time.sleep(1.0)
