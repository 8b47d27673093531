"""A leaderboard's inbox: submissions that came over HTTP, from their first byte to what became of them.

    BOARD/inbox/lock                    held while one is accepted
    BOARD/inbox/scoring                 held by the one process that scores
    BOARD/inbox/<token>.partial/        one that is being sent; whoever receives it holds a lock on its file
    BOARD/inbox/<id>/                   one that was accepted: it appears whole, by one rename
      entry.json                        whose it is, when it came, and its state
      submission.zip                    what was sent; removed when nothing is left to be done with it

Everything lies on the disk and nothing in memory, so that any number of processes may use it, and whoever is killed
loses nothing that was accepted. A submission is known by its team and its file's checksum: sent again, it is the same.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..errors import DataError, SensoriumError
from ..storage import PARTIAL, locked, read_json, remove, require_space, sha256_of, sync, write_json, writing
from .entries import Receipt, iso, team_key
from .leaderboard import Leaderboard

FILES = {
    "application/zip": "submission.zip",
    "text/csv": "submission.csv",
    "application/vnd.apache.parquet": "submission.parquet",
}
"""Media types of submissions, and what their files are called here."""
State = Literal["received", "checking", "scoring", "done", "refused", "failed"]
_WAITING = ("received", "checking", "scoring")
_ENTRY, _SENT = "entry.json", "submission.*"
_ID = re.compile("[0-9a-f]{32}")
_MOST = 16
"""Submissions that wait to be scored; each may be of 5 GB, and takes minutes."""


class FullError(SensoriumError):
    """More waits than may wait."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A submission that was accepted, and what became of it.

    Parameters
    ----------
    id : of the submission, hexadecimal digits.
    team, note, received : who, what they say of it, and when it came (ISO 8601, UTC).
    file, sha256 : name of what was sent, and its checksum.
    state : 'received', 'checking' and 'scoring' until it is 'done', 'refused' or 'failed'.
    attempts : how often its scoring was begun.
    receipt : where it was checked to the end.
    fault : a sentence, where it could not be.
    """

    id: str
    team: str
    note: str
    received: str
    file: str
    sha256: str
    state: State = "received"
    attempts: int = 0
    receipt: Receipt | None = None
    fault: str = ""

    @classmethod
    def read(cls, path: Path) -> Entry:
        """Read an entry.json.

        Raises
        ------
        DataError : it is none.
        """
        try:
            return cls.of_json(read_json(path))
        except TypeError as error:
            raise DataError(f"is no entry of an inbox ({error})", str(path)) from error

    @classmethod
    def of_json(cls, found: dict[str, Any]) -> Entry:
        """An entry from its `asdict`, read from JSON."""
        receipt = found["receipt"]
        return cls(**found | {"receipt": None if receipt is None else Receipt.of_json(receipt)})

    @property
    def waits(self) -> bool:
        """Whether it is still to be scored."""
        return self.state in _WAITING


class Upload:
    """A file that comes in pieces; see `Inbox.upload`.

    Parameters
    ----------
    path : where it is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._digest = hashlib.sha256()
        self._file = path.open("xb")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def write(self, piece: bytes) -> None:
        """Write a piece.

        Raises
        ------
        DataError : the disk is full.
        """
        with writing(self.path):
            self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    def finish(self) -> str:
        """Have all of it on the disk; return its SHA-256 in hex."""
        with writing(self.path):
            self._file.flush()
            sync(self.path)
        return self._digest.hexdigest()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class Inbox:
    """The inbox of a leaderboard.

    Parameters
    ----------
    board : the leaderboard.
    most : submissions that may wait at once.

    Raises
    ------
    DataError : the leaderboard may not be written to.
    """

    def __init__(self, board: Leaderboard, most: int = _MOST) -> None:
        self.board = board
        self._folder = board.folder / "inbox"
        with writing(self._folder):
            self._folder.mkdir(exist_ok=True)
        self._most = most

    @contextmanager
    def upload(self, name: str, size: int = 0) -> Iterator[Upload]:
        """A place to write what is being sent; gone afterwards unless it was accepted.

        Parameters
        ----------
        name : of the file; its ending says what it is.
        size : bytes that are announced.

        Raises
        ------
        FullError : too many submissions wait.
        DataError : the disk has no room for it, which is needed twice.
        """
        self._require_room()
        require_space(self._folder, 2 * size)
        folder = self._folder / f"{uuid.uuid4().hex}{PARTIAL}"
        with self._locked(), writing(folder):  # else it might be swept away before it is held
            folder.mkdir()
            upload = Upload(folder / name)
        try:
            yield upload
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            upload.close()

    def accept(self, upload: Upload, team: str, note: str) -> tuple[Entry, bool]:
        """Take what was sent as a submission of a team; return it, and whether it is new.

        One that waits or counts already is not taken twice; one that was refused or failed is tried again.

        Raises
        ------
        QuotaError, SubmissionError : as `Leaderboard.require_left`.
        FullError : too many submissions wait.
        """
        checksum = upload.finish()
        name = sha256_of(team_key(team), checksum)[:32]
        with self._locked():
            before = self.find(name)
            if before is not None and (before.waits or before.state == "done"):
                return before, False
            received = self.board.now()
            waiting = self.waiting()
            mine = [entry.received for entry in waiting if team_key(entry.team) == team_key(team)]
            self.board.require_left(team, received, mine)
            self._require_room()
            entry = Entry(name, team, note, iso(received), upload.path.name, checksum)
            if before is None:
                write_json(upload.path.with_name(_ENTRY), asdict(entry))
                os.replace(upload.path.parent, self._folder / name)
            else:
                os.replace(upload.path, self.file(entry))
                self._write(entry)
        return entry, True

    def find(self, name: str) -> Entry | None:
        """The submission of an id; None: there is none."""
        file = self._folder / name / _ENTRY
        return Entry.read(file) if _ID.fullmatch(name) and file.is_file() else None

    def entries(self) -> list[Entry]:
        """All submissions, in the order in which they came."""
        return self._read(_ENTRY)

    def waiting(self) -> list[Entry]:
        """Those that are still to be scored, in the order in which they came."""
        return [entry for entry in self._read(_SENT) if entry.waits]

    def file(self, entry: Entry) -> Path:
        """What was sent."""
        return self._folder / entry.id / entry.file

    def update(self, entry: Entry, **changes: Any) -> Entry:
        """Write down what has changed of a submission; what was sent goes when nothing is left to be done with it."""
        entry = replace(entry, **changes)
        with self._locked():
            self._write(entry)
            if not entry.waits:
                remove(self.file(entry))
        return entry

    @contextmanager
    def scoring(self) -> Iterator[None]:
        """Be the one who scores, as soon as nobody else does; what killed processes left is removed first."""
        with locked(self._folder / "scoring"):
            with self._locked():
                for folder in self._folder.glob(f"*{PARTIAL}"):
                    _remove_abandoned(folder)
            yield

    def _read(self, having: str) -> list[Entry]:
        """Submissions in whose folders lies such a file, in the order in which they came."""
        places = {file.parent for file in self._folder.glob(f"*/{having}") if _ID.fullmatch(file.parent.name)}
        return sorted((Entry.read(place / _ENTRY) for place in places), key=lambda entry: entry.received)

    def _write(self, entry: Entry) -> None:
        write_json(self._folder / entry.id / _ENTRY, asdict(entry))

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self._folder / "lock")

    def _require_room(self) -> None:
        if len(self.waiting()) >= self._most:
            raise FullError("no more submissions may wait to be scored", "the inbox", "send it again in a minute")


def _remove_abandoned(folder: Path) -> None:
    """Remove what nobody writes to any more."""
    with ExitStack() as locks, suppress(BlockingIOError, FileNotFoundError):
        for file in folder.glob(_SENT):
            locks.enter_context(locked(file, fcntl.LOCK_EX | fcntl.LOCK_NB))
        remove(folder)
