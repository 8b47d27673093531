"""Files of s3:// on this machine: fetched once, known by their checksum, the least used making room for new ones."""

from __future__ import annotations

import os
from pathlib import Path

from . import storage
from .errors import ConfigError, DataError

_FOLDER, _LIMIT = "SENSORIUM_CACHE", "SENSORIUM_CACHE_GB"
_DEFAULT_GB = 50.0


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
    copy = folder() / checksum[:2] / f"{checksum}{path.suffix}"
    if copy.is_file():
        os.utime(copy)
        return copy
    with storage.atomic_path(copy) as partial:
        partial.write_bytes(storage.read_bytes(path))
        if storage.sha256(partial) != checksum:
            raise DataError("differs from its checksum", str(path), "write it again")
    _make_room(copy)
    return copy


def folder() -> Path:
    """Where the copies lie."""
    return Path(os.environ.get(_FOLDER) or Path.home() / ".cache" / "sensorium-ray")


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
