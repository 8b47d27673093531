"""Files that are whole or not there, on a disk or on s3://: atomic writes, checksums, one sentence a fault."""

from __future__ import annotations

import csv
import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np

from .errors import DataError

StrPath = str | os.PathLike[str]
"""What public functions take where a path is wanted."""

PARTIAL = ".partial"
"""How the name of what is being written ends."""
_UNWRITABLE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "may not be written to",
    errno.EROFS: "lies on a read-only disk",
    errno.ENOTDIR: "lies below something that is not a folder",
    errno.EEXIST: "is no folder, or lies below what is none",
}


def locate(path: StrPath) -> Path:
    """Where a path leads: on this machine's disks, or for 's3://bucket/key' to an object with a Path's methods.

    Credentials and the endpoint of s3:// come from the environment, as for every AWS tool
    (AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL, ...).

    Raises
    ------
    DataError : the address is of another kind than s3://.
    """
    text = str(path)
    if "://" not in text:
        return Path(path)
    if not text.startswith("s3://"):
        raise DataError("is an address of an unknown kind", text, "name a folder or s3://bucket/folder")
    from upath import UPath

    # Listings are not cached, since other machines write to the same bucket.
    return cast(Path, UPath(text, use_listings_cache=False))


def is_remote(path: Path) -> bool:
    """Whether `locate` found it on s3://."""
    return not isinstance(path, Path)


def absolute(path: StrPath) -> str:
    """Path that other processes, whatever their working folder, take for the same place."""
    place = locate(path)
    return str(place) if is_remote(place) else str(place.absolute())


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path on disk; it becomes `path` when the block ends well, and is removed when not.

    Works for a file and, on disk, for a folder. A reader never sees a half-written `path`, not even after a
    kill: on disk it is renamed, to s3:// it is sent as one object.

    Raises
    ------
    DataError : the disk is full or may not be written to; the bucket is missing or refuses.
    """
    if is_remote(path):
        with tempfile.TemporaryDirectory() as folder:
            partial = Path(folder) / path.name
            yield partial
            with _remote(path):
                _files(path).put_file(str(partial), str(path))
        return
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove(partial)
            yield partial
            if partial.is_file():
                sync(partial)
            os.replace(partial, path)
        except BaseException:
            if path.parent.is_dir():
                remove(partial)
            raise


@contextmanager
def atomic_folder(path: Path, last: str) -> Iterator[Path]:
    """Give a new folder on disk; it becomes `path` when the block ends well, and is removed when not.

    Parameters
    ----------
    path : must not exist; on s3:// the files are sent one by one.
    last : the file that says that the folder is whole; sent last.

    Raises
    ------
    DataError : as `atomic_path`.
    """
    if not is_remote(path):
        with atomic_path(path) as partial:
            partial.mkdir()
            yield partial
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
        copy_folder(Path(name), path, last)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one sentence why `path` cannot be written, on a disk.

    Raises
    ------
    DataError : the disk is full or may not be written to.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _UNWRITABLE:
            raise DataError(_UNWRITABLE[error.errno], str(path), "free some space or name another place") from error
        raise


@contextmanager
def locked(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a lock file, which the operating system takes back from whoever dies.

    Parameters
    ----------
    kind : of `fcntl.flock`; with LOCK_NB a BlockingIOError says that another holds it.
    """
    with path.open("a") as file:
        fcntl.flock(file, kind)
        yield


def copy_folder(folder: Path, target: Path, last: str) -> None:
    """Put a copy of a folder on disk in the place of `target`, on disk or s3://.

    Parameters
    ----------
    last : the file that says that the folder is whole; on s3:// it is taken away first and sent last.

    Raises
    ------
    DataError : as `atomic_path`.
    """
    files = sorted((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file == folder / last)
    if not is_remote(target):
        with atomic_path(target) as partial:
            partial.mkdir()
            for file in files:  # shutil.copytree would go on when the disk is full, and hide why
                copy = partial / file.relative_to(folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
            remove(target)
        return
    remove(target / last)
    remove(target)
    for file in files:
        with atomic_path(target / file.relative_to(folder).as_posix()) as partial:
            shutil.copyfile(file, partial)


def _files(path: Path) -> Any:
    """The s3fs file system of a remote path."""
    return path.fs  # type: ignore[attr-defined]


@contextmanager
def _remote(path: Path) -> Iterator[None]:
    """Say in one sentence what a bucket did; a missing object stays a FileNotFoundError."""
    from aiohttp import ClientPayloadError
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except FileNotFoundError as error:
        if "specified bucket" in str(error):
            raise DataError("bucket does not exist", str(path), "make it, or name another") from error
        raise
    except (BotoCoreError, ClientError, ClientPayloadError, OSError) as error:
        lost = isinstance(error, BotoCoreError | ClientPayloadError)
        what = f"cannot be reached ({error})" if lost else f"is refused ({error})"
        raise DataError(what, str(path), "check the bucket, the credentials and AWS_ENDPOINT_URL") from error


def read_bytes(path: Path) -> bytes:
    """Content of a file on disk or s3://.

    Raises
    ------
    FileNotFoundError, OSError : as pathlib does.
    DataError : the bucket is missing, refuses or cannot be reached.
    """
    if not is_remote(path):
        return path.read_bytes()
    with _remote(path):
        # In one piece: s3fs asks again for a body that was cut off, but not where it reads several parts at once.
        return cast(bytes, _files(path).cat_file(str(path), max_concurrency=1))


def is_file(path: Path) -> bool:
    """Whether there is such a file.

    Raises
    ------
    DataError : the bucket refuses or cannot be reached.
    """
    if not is_remote(path):
        return path.is_file()
    with _remote(path):
        try:
            return bool(_files(path).info(str(path))["type"] == "file")
        except FileNotFoundError:
            return False


def names(folder: Path) -> list[str]:
    """Names of what lies directly in a folder, sorted; none where there is no such folder.

    Raises
    ------
    DataError : the bucket is missing, refuses or cannot be reached.
    """
    if not is_remote(folder):
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    with _remote(folder):
        try:
            return sorted(PurePosixPath(entry).name for entry in _files(folder).ls(str(folder), detail=False))
        except FileNotFoundError:
            return []


def remove(path: Path) -> None:
    """Remove a file or a folder if it is there."""
    if is_remote(path):
        with _remote(path):
            if _files(path).exists(str(path)):
                _files(path).rm(str(path), recursive=True)
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.is_symlink() or path.exists():
        path.unlink(missing_ok=True)


def remove_partials(folder: Path) -> None:
    """Remove what killed writers left directly in `folder`; on s3:// they leave nothing."""
    if is_remote(folder):
        return
    for leftover in folder.glob(f"*{PARTIAL}"):
        remove(leftover)


def write_npy(path: Path, array: np.ndarray) -> str:
    """Write one array atomically; object arrays are refused, since reading them would unpickle.

    numpy hides why it could not write to a plain file, so a full disk would not be told from other faults;
    given nothing but a `write` it lets the operating system's error through.

    Returns
    -------
    Hex SHA-256 of the file.
    """
    digest = hashlib.sha256()
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.save(_Sink(file.write, digest.update), array, allow_pickle=False)
    return digest.hexdigest()


def write_npy_in_parts(path: Path, parts: Iterable[np.ndarray]) -> tuple[int, int]:
    """Write arrays (rows, columns) atomically as one, their columns beside each other, in the memory of one of them.

    Parameters
    ----------
    parts : one at least.

    Returns
    -------
    Rows and columns.
    """
    rows = columns = 0
    with atomic_path(path) as partial, partial.open("wb") as file:
        for part in parts:
            if not file.tell():
                rows = len(part)
                file.write(npy_header(part.dtype, (rows, 0), fortran_order=True))
            file.write(part.T.tobytes())
            columns += part.shape[1]
        file.seek(0)
        file.write(npy_header(part.dtype, (rows, columns), fortran_order=True))
    return rows, columns


def npy_header(dtype: np.dtype[Any], shape: tuple[int, int], *, fortran_order: bool) -> bytes:
    """What an npy file begins with; numpy leaves room for a longer axis that grows, so that its length stays."""
    buffer = io.BytesIO()
    head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": fortran_order, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, head)
    return buffer.getvalue()


class _Sink:
    def __init__(self, *takers: Callable[[bytes], object]) -> None:
        self._takers = takers

    def write(self, data: bytes) -> None:
        for take in self._takers:
            take(data)


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
        file = io.BytesIO(read_bytes(path)) if is_remote(path) else path
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise DataError("file is missing", str(path)) from error
    except DataError:
        raise
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
        return json.loads(read_bytes(path))
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
    """Hex SHA-256 of a file on disk or s3://."""
    if is_remote(path):
        return hashlib.sha256(read_bytes(path)).hexdigest()
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
    if is_file(path) or names(path):
        raise DataError("exists already", str(path), "name another output or remove it first")


def require_space(folder: Path, needed: int, there: int = 0) -> None:
    """Refuse a disk that has not `needed` bytes free; what is `there` already counts as free.

    Raises
    ------
    DataError : it has not.
    """
    standing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(standing).free + there
    if needed > free:
        what = f"needs {needed / 1e9:.3g} GB, the disk has {free / 1e9:.3g} GB free"
        raise DataError(what, str(folder), "free some space or name another place")


def sync(path: Path) -> None:
    """Have the operating system write a file to its disk now."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
