"""A folder or a zip as a tree of .npy files: published mice are read where they lie, and nothing is unpacked.

Hidden files (`.DS_Store`, `._0.npy`) and `__MACOSX`, which occur in the published zips, are not seen.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from functools import lru_cache
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import numpy as np

from ..errors import DataError
from ..storage import sha256_of
from .npy import AGAIN, parse_npy, read_npy

_TOPS = ("data", "meta")
"""Folders that make a tree a mouse."""
_ENCRYPTED = 1
"""Bit of a member's flags."""


class Tree(ABC):
    """The .npy files of one mouse; files are named as in 'data/videos/0.npy'.

    Parameters
    ----------
    name : of the mouse.
    path : the folder or the zip.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path

    @abstractmethod
    def files(self, folder: str) -> list[str]:
        """Names of the files directly in `folder`, such as 'data/videos'; none where there is no such folder."""

    @abstractmethod
    def has(self, file: str) -> bool:
        """Whether there is such a file."""

    @abstractmethod
    def read(self, file: str) -> np.ndarray:
        """Read one array.

        Raises
        ------
        DataError : the file is missing, damaged or no plain .npy.
        """

    @abstractmethod
    def where(self, file: str) -> str:
        """What a message calls the file: its path, or 'mouse.zip/data/videos/0.npy'."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Changes when one of the files does."""


class FolderTree(Tree):
    """The files below a folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.absolute().name, path)

    def files(self, folder: str) -> list[str]:
        """Names of the files directly in `folder`."""
        inside = (self.path / folder).glob("*.npy")
        return sorted(f"{folder}/{file.name}" for file in inside if is_visible(file.name))

    def has(self, file: str) -> bool:
        """Whether there is such a file."""
        return (self.path / file).exists()

    def read(self, file: str) -> np.ndarray:
        """Read one array."""
        return read_npy(self.path / file)

    def where(self, file: str) -> str:
        """Path of the file."""
        return str(self.path / file)

    def fingerprint(self) -> str:
        """Hash of the files' names, sizes and times of change."""
        entries = []
        for top in _TOPS:
            for file in (self.path / top).rglob("*.npy"):
                name = file.relative_to(self.path).as_posix()
                if is_visible(name):
                    stat = file.stat()
                    entries.append(f"{name} {stat.st_size} {stat.st_mtime_ns}")
        return sha256_of(*sorted(entries))


class ZipTree(Tree):
    """The files of a zip, at its top or below one folder of it.

    Build it with `open_zip`. It can be sent to another process, which opens the zip for itself.
    """

    def __init__(self, name: str, path: Path, top: str) -> None:
        super().__init__(name, path)
        self._top = top

    def files(self, folder: str) -> list[str]:
        """Names of the files directly in `folder`."""
        below = f"{folder}/"
        names = (name.removeprefix(below) for name in self._members() if name.startswith(below))
        return sorted(below + name for name in names if "/" not in name)

    def has(self, file: str) -> bool:
        """Whether there is such a member."""
        return self._top + file in _opened(self.path).NameToInfo

    def read(self, file: str) -> np.ndarray:
        """Read one array, its CRC checked."""
        archive, where = _opened(self.path), self.where(file)
        if not self.has(file):
            raise DataError("file is missing", where, AGAIN)
        member = archive.getinfo(self._top + file)
        if member.flag_bits & _ENCRYPTED:
            raise DataError("is encrypted", where, "pack the mouse again without a password")
        try:
            data = archive.read(member)
        except Exception as error:  # a damaged member makes zlib, lzma and zipfile raise almost anything
            raise DataError(f"is cut off or damaged ({error or type(error).__name__})", where, AGAIN) from error
        return parse_npy(data, where)

    def where(self, file: str) -> str:
        """Path of the zip and the member's name in it."""
        return f"{self.path}/{self._top}{file}"

    def fingerprint(self) -> str:
        """Hash of the members' names, sizes and CRCs."""
        return sha256_of(*sorted(f"{name} {info.file_size} {info.CRC}" for name, info in self._members().items()))

    def _members(self) -> dict[str, ZipInfo]:
        infos = _opened(self.path).infolist()
        inside = {info.filename.removeprefix(self._top): info for info in infos if info.filename.startswith(self._top)}
        return {name: info for name, info in inside.items() if name.endswith(".npy") and is_visible(name)}


def open_folder(path: Path) -> FolderTree | None:
    """The mouse that a folder is: one with data/ or meta/; None if it is none."""
    return FolderTree(path) if any((path / top).is_dir() for top in _TOPS) else None


def open_zip(path: Path) -> ZipTree | None:
    """The mouse in a zip: data/ or meta/ at its top, or below one folder of it; None if there is none.

    Raises
    ------
    DataError : the zip is missing, damaged, or holds several mice.
    """
    tops = {top for name in _opened(path).namelist() if is_visible(name) for top in _tops_of(name)}
    if not tops:
        return None
    if "" in tops:
        return ZipTree(path.stem, path, "")
    top, *others = sorted(tops)
    if others:
        raise DataError(f"holds {len(tops)} mice: {', '.join(sorted(tops))}", str(path), "pack each into its own zip")
    return ZipTree(top, path, f"{top}/")


def is_visible(name: str) -> bool:
    """Whether no part of a name is hidden or what macOS adds to a zip."""
    return not any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _tops_of(member: str) -> list[str]:
    """Folder that a member makes a mouse, as a list of at most one; '' is the zip itself."""
    parts = member.split("/")
    if len(parts) > 1 and parts[0] in _TOPS:
        return [""]
    return [parts[0]] if len(parts) > 2 and parts[1] in _TOPS else []


def _opened(path: Path) -> ZipFile:
    """The open zip: one handle a process, since a forked process shares its parent's place in the file."""
    try:
        stat = path.stat()
        return _open(path, stat.st_size, stat.st_mtime_ns, os.getpid())
    except FileNotFoundError as error:
        raise DataError("file is missing", str(path), AGAIN) from error
    except OSError as error:
        raise DataError(f"may not be read ({error.strerror})", str(path), "mend its permissions") from error
    except Exception as error:  # a damaged directory makes zipfile raise almost anything
        raise DataError(f"is cut off or is no zip ({error})", str(path), AGAIN) from error


@lru_cache(maxsize=32)
def _open(path: Path, size: int, changed: int, process: int) -> ZipFile:
    return ZipFile(path)
