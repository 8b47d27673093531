"""Published zips: nothing in them is believed before it is checked, and nothing is unpacked outside its folder."""

from __future__ import annotations

import errno
import re
import stat
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from .. import storage
from ..errors import ArchiveError
from .source import is_visible

_MOST_BYTES = 200 * 10**9
"""Unpacked size above which a zip is refused: ten times the largest published mouse, 740 trials of 8,285 neurons
and 36 × 64 pixels × 324 frames in float64."""
_MOST_RATIO = 100
"""Unpacked bytes for a byte of the zip. One file may come near deflate's own end, 1032: withheld responses are
published as zeros. They are no more than half of a mouse, so a whole one shrinks far less (simulated mice: 8 times).
"""
_BLOCK = 1 << 20
_LOCAL_HEADER = 30
"""Bytes of a zip's local header before the name."""
_BROKEN = (BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError, OverflowError)
"""What zipfile raises on damaged files."""
_AGAIN = "remove it and download it again"


def check(zip_path: Path, between: Callable[[], None] = lambda: None) -> None:
    """Inflate every file and compare its size and CRC; `between` is called between blocks and may raise to stop.

    Raises
    ------
    ArchiveError : it is no zip, is cut off or damaged, or is refused as `members` says.
    """
    with _opened(zip_path) as archive:
        for member in members(archive).values():
            for _ in _inflated(archive, member, between):
                pass


def unpack(zip_path: Path, folder: Path, between: Callable[[], None] = lambda: None) -> None:
    """Make `folder` of a mouse's zip, checking as `check` does: `folder` is whole or not there.

    Raises
    ------
    ArchiveError : as `check`.
    DataError : `folder` exists, or the disk is too small or may not be written to.
    """
    storage.require_new(folder)
    with _opened(zip_path) as archive:
        files = members(archive)
        storage.require_space(folder.parent, sum(member.file_size for member in files.values()))
        with storage.atomic_path(folder) as partial:
            for path, member in files.items():
                target = partial / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    file.writelines(_inflated(archive, member, between))


def members(archive: ZipFile) -> dict[PurePosixPath, ZipInfo]:
    """Files of a mouse's zip by their path in the mouse's folder, such as data/videos/0.npy.

    Folders around data/ and meta/ are taken off; hidden files, `__MACOSX` and what lies outside are left out.

    Raises
    ------
    ArchiveError : a name leads out of the folder; a file is a link, encrypted or not deflated; files overlap or
        have the same name; together they are too large to be a mouse; there is not one mouse.
    """
    entries = archive.infolist()
    for entry in entries:
        if fault := _fault(entry):
            raise _refused(archive, f"holds {entry.orig_filename!r}, which {fault}")
    _refuse_bomb(archive, entries)
    named = [(PurePosixPath(entry.filename), entry) for entry in entries if not entry.is_dir()]
    named = [(path, entry) for path, entry in named if is_visible(path.as_posix())]
    files = dict(named)
    if len(files) < len(named) or any(parent in files for path in files for parent in path.parents):
        raise _refused(archive, "holds two files of the same name")
    roots = {_root(path) for path in files} - {None}
    if len(roots) != 1:
        raise _refused(archive, f"holds {len(roots)} folders that have data/ or meta/ in them instead of one")
    root = PurePosixPath(*roots.pop() or ())
    files = {path.relative_to(root): entry for path, entry in files.items() if path.is_relative_to(root)}
    return files


@contextmanager
def _opened(path: Path) -> Iterator[ZipFile]:
    try:
        with ZipFile(path) as archive:
            yield archive
    except (*_BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # that is to seek before the zip's begin
            raise
        with path.open("rb") as file:
            is_page = file.read(256).lstrip().startswith(b"<")
        what = "is a web page instead of a zip" if is_page else f"is a cut off or damaged zip ({error})"
        raise ArchiveError(what, str(path), _AGAIN) from error


def _fault(entry: ZipInfo) -> str | None:
    name = entry.orig_filename  # as it stands in the zip: `filename` ends at a NUL
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or re.search(r"\\|\0|^[A-Za-z]:", name) or not path.parts:
        return "is no path inside a folder"
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return "is compressed by another method than deflate"
    return None


def _refuse_bomb(archive: ZipFile, entries: Sequence[ZipInfo]) -> None:
    by_offset = sorted(entries, key=lambda entry: entry.header_offset)
    ends = [*(entry.header_offset for entry in by_offset), archive.start_dir][1:]
    for entry, end in zip(by_offset, ends, strict=True):
        if entry.header_offset + _LOCAL_HEADER + entry.compress_size > end:
            raise _refused(archive, f"holds {entry.filename!r}, which overlaps another file or the list of files")
    size = sum(entry.file_size for entry in entries)
    if size > min(_MOST_BYTES, _MOST_RATIO * Path(str(archive.filename)).stat().st_size):
        raise _refused(archive, f"would unpack to {size / 1e9:.3g} GB, which is too much to be a mouse")


def _inflated(archive: ZipFile, member: ZipInfo, between: Callable[[], None]) -> Iterator[bytes]:
    """Blocks of one file; zipfile inflates no more than the declared size and compares the CRC at the end."""
    left = member.file_size
    with archive.open(member) as file:
        while block := file.read(_BLOCK):
            between()
            left -= len(block)
            yield block
    if left:
        raise BadZipFile(f"{member.filename!r} is {left} bytes shorter than declared")


def _root(path: PurePosixPath) -> tuple[str, ...] | None:
    """Folders around the first data/ or meta/ of a path."""
    return next((path.parts[:i] for i, part in enumerate(path.parts[:-1]) if part in ("data", "meta")), None)


def _refused(archive: ZipFile, what: str) -> ArchiveError:
    return ArchiveError(what, str(archive.filename), _AGAIN)
