"""Scores the submission that has waited longest in a leaderboard's inbox, in a process of its own that then ends.

What strangers sent is read here, within bounds of memory and time, and beside whatever answers requests. However often
this process is killed, a submission is scored once: it counts from one rename on, and is then found again.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path
from types import FrameType

from ..errors import SubmissionError
from ..storage import StrPath
from .entries import Receipt, Step
from .inbox import Entry, Inbox
from .leaderboard import Leaderboard

MEMORY = 8 * 1024**3
"""Bytes; far more than the videos of a published mouse take."""
DISK = 16 * 1024**3
"""Bytes of a file; of what was zipped and is not."""
SECONDS = 2 * 3600
"""For a submission; one of 5 GB takes some minutes."""
ATTEMPTS = 3
"""How often a submission may end its process before that is held to be its own fault."""
_FAILED = "could not be scored here; the organisers' log tells why"

logger = logging.getLogger(__name__)


class _TooLongError(Exception):
    """The time is over."""


def score_next(board: StrPath) -> None:
    """Score what has waited longest, if anything waits, once nobody else scores."""
    inbox = Inbox(Leaderboard.open(board))
    with inbox.scoring():
        waiting = inbox.waiting()
        if waiting:
            _bound()
            _score(inbox, waiting[0])


def _score(inbox: Inbox, entry: Entry) -> None:
    """Score a submission and write down what became of it."""
    try:
        receipt = inbox.board.receipt_of(entry.team, entry.sha256) or _attempt(inbox, entry)
    except SubmissionError as error:
        where = Path(error.where).name if Path(error.where).is_absolute() else error.where
        inbox.update(entry, state="refused", fault=str(SubmissionError(error.what, where, error.mend)))
    except MemoryError:
        inbox.update(entry, state="failed", fault=f"needs more than {MEMORY // 1024**3} GiB of memory to be scored")
    except _TooLongError:
        inbox.update(entry, state="failed", fault=f"takes longer than {SECONDS // 3600} hours to be scored")
    except Exception:
        logger.exception("submission %s of '%s' failed", entry.id, entry.team)
        inbox.update(entry, state="failed", fault=_FAILED)
    else:
        inbox.update(entry, state="done" if receipt.accepted else "refused", receipt=receipt)


def _attempt(inbox: Inbox, entry: Entry) -> Receipt:
    if entry.attempts == ATTEMPTS:
        raise RuntimeError(f"it ended its process {ATTEMPTS} times")
    attempts = entry.attempts + 1

    def tell(step: Step) -> None:
        inbox.update(entry, state=step, attempts=attempts)

    tell("checking")
    received = datetime.fromisoformat(entry.received)
    board = Leaderboard.open(inbox.board.folder, clock=lambda: received)
    return board.submit(inbox.file(entry), entry.team, entry.note, tell)


def _bound() -> None:
    for what, limit in (
        (resource.RLIMIT_DATA, MEMORY),
        (resource.RLIMIT_FSIZE, DISK),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(SECONDS)


def _stop(_: int, __: FrameType | None) -> None:
    raise _TooLongError


def _die_with_parent() -> None:
    """End as soon as the parent, which holds the other end of the standard input, has ended."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_die_with_parent, daemon=True).start()
    score_next(sys.argv[1])
