"""Files that are whole or not there: atomic writes, checksums, and the one sentence for a full disk."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError

StrPath = str | os.PathLike[str]
"""What public functions take where a path is wanted."""

_PARTIAL = ".partial"
_UNWRITABLE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "may not be written to",
    errno.EROFS: "lies on a read-only disk",
    errno.ENOTDIR: "lies below something that is not a folder",
    errno.EEXIST: "lies below something that is not a folder",
}


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends well, remove it when not.

    Works for a file and for a folder. A reader never sees a half-written `path`, not even after a kill.

    Raises
    ------
    DataError : the disk is full or may not be written to.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}{_PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(partial)
        yield partial
        if partial.is_file():
            _sync(partial)
        os.replace(partial, path)
    except BaseException as error:
        if path.parent.is_dir():
            remove(partial)
        if isinstance(error, OSError) and error.errno in _UNWRITABLE:
            raise DataError(_UNWRITABLE[error.errno], str(path), "free some space or name another place") from error
        raise


def remove(path: Path) -> None:
    """Remove a file or a folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_partials(folder: Path) -> None:
    """Remove what killed writers left directly in `folder`."""
    for leftover in folder.glob(f"*{_PARTIAL}"):
        remove(leftover)


def write_npy(path: Path, array: np.ndarray) -> None:
    """Write one array atomically; object arrays are refused, since reading them would unpickle.

    numpy hides why it could not write to a plain file, so a full disk would not be told from other faults;
    given nothing but a `write` it lets the operating system's error through.
    """
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.save(_Sink(file.write), array, allow_pickle=False)


class _Sink:
    def __init__(self, write: Callable[[bytes], int]) -> None:
        self.write = write


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write named arrays atomically."""
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read every array of an npz file.

    Raises
    ------
    DataError : the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise DataError("file is missing", str(path)) from error
    except Exception as error:
        raise DataError(f"is not a readable npz file ({error})", str(path)) from error


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, with sorted keys, so that equal values make equal files."""
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def read_json(path: Path, mend: str = "") -> Any:
    """Read a JSON file.

    Raises
    ------
    DataError : the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise DataError("file is missing", str(path), mend) from error
    except (ValueError, OSError) as error:
        raise DataError(f"is not readable JSON ({error})", str(path), mend) from error


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table atomically."""
    with atomic_path(path) as partial, partial.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(*parts: str | bytes) -> str:
    """Hex SHA-256 of several strings in order; the lengths are part of it, so no two splits agree."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def require_new(path: Path) -> None:
    """Refuse an output that exists already.

    Raises
    ------
    DataError : `path` exists and is not an empty folder.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise DataError("exists already", str(path), "name another output or remove it first")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
