"""Files of s3:// on this machine: fetched once, known by their checksum, the least used making room for new ones."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from threading import Lock

from . import storage
from .errors import ConfigError, DataError

_FOLDER, _LIMIT = "SENSORIUM_CACHE", "SENSORIUM_CACHE_GB"
_DEFAULT_GB = 50.0
_FETCHING = tuple(Lock() for _ in range(16))
"""No two threads fetch the same file; between processes each writes a file of its own and renames it."""


def local(path: Path, checksum: str) -> Path:
    """Path on disk of a file: its own, or for one on s3:// that of a copy whose content is known by its checksum.

    Copies lie in the folder SENSORIUM_CACHE (default: ~/.cache/sensorium-ray), which is kept below
    SENSORIUM_CACHE_GB gigabytes (default: 50) by removing those that were not used for longest. Several
    processes may share it.

    Parameters
    ----------
    path : what `storage.locate` found.
    checksum : hex SHA-256 of the file.

    Raises
    ------
    FileNotFoundError : there is no such object.
    DataError : the bucket refuses, or what came does not have that checksum.
    """
    if not storage.is_remote(path):
        return path
    copy = _copy(os.environ.get(_FOLDER, ""), checksum)
    if not _used(copy):
        with _FETCHING[hash(checksum) % len(_FETCHING)]:
            if not _used(copy):
                _fetch(path, checksum, copy)
    return copy


def folder() -> Path:
    """Where the copies lie."""
    return _folder(os.environ.get(_FOLDER, ""))


def _folder(named: str) -> Path:
    return Path(named) if named else Path.home() / ".cache" / "sensorium-ray"


@lru_cache(maxsize=100_000)
def _copy(named: str, checksum: str) -> Path:
    """Where a copy lies; remembered, since every window that is read asks for it."""
    return _folder(named) / checksum[:2] / checksum


def _used(copy: Path) -> bool:
    """Whether the copy is there; notes that it was used."""
    try:
        os.utime(copy)
    except FileNotFoundError:
        return False
    return True


def _fetch(path: Path, checksum: str, copy: Path) -> None:
    with storage.atomic_path(copy) as partial:
        partial.write_bytes(storage.read_bytes(path))
        if storage.sha256(partial) != checksum:
            raise DataError("differs from its checksum", str(path), "write it again")
    _make_room(copy)


def _limit() -> float:
    """Bytes that the copies may take."""
    text = os.environ.get(_LIMIT, "")
    try:
        return float(text or _DEFAULT_GB) * 1e9
    except ValueError as error:
        raise ConfigError(f"'{text}' is no number", _LIMIT, "give gigabytes, such as 50") from error


def _make_room(newest: Path) -> None:
    """Remove the copies that were not used for longest until the rest fits; never the newest."""
    limit = _limit()
    copies = []
    for file in folder().glob("*/*"):
        try:
            copies.append((file.stat(), file))
        except FileNotFoundError:  # another process removed it
            continue
    total = sum(status.st_size for status, _ in copies)
    for status, file in sorted(copies, key=lambda copy: copy[0].st_mtime):
        if total <= limit:
            return
        if file != newest:
            file.unlink(missing_ok=True)
            total -= status.st_size
