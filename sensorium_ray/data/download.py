"""Fetch the published mice: several zips at once, gone on with after a cut, whole or not there."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from .. import storage
from ..benchmark import MICE, folder_of_2022
from ..errors import ArchiveError, DataError
from ..progress import ProgressLine
from ..storage import StrPath
from . import archive
from .fetch import Fetch

_GIN = "https://gin.g-node.org"
_SCANS_2022 = ("21067-10-18", "22846-10-16", "23343-5-17", "23656-14-22", "23964-4-22", "26872-17-20", "27204-5-13")
_FOLDERS = {
    "2022": {f"static{scan}": folder_of_2022(scan) for scan in _SCANS_2022},
    "2023": {mouse.letter: mouse.folder for mouse in MICE},
}
"""Release to its mice's short and full names."""
_BASES = {
    **dict.fromkeys(_FOLDERS["2022"].values(), f"{_GIN}/cajal/Sensorium2022/raw/master"),
    **{mouse.folder: f"{_GIN}/pollytur/Sensorium2023Data/raw/master" for mouse in MICE[:5]},
    **{mouse.folder: f"{_GIN}/pollytur/sensorium_2023_dataset/raw/master" for mouse in MICE[5:]},
}
"""Where each mouse's zip is published."""

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds before each further try; after as many tries that got no further a download gives up."""
_PATIENCE = httpx.Timeout(30.0)
_SECONDS_BETWEEN_LOOKS = 0.3


def mice_of(release: str) -> list[str]:
    """Short names of a release's mice: A to J of '2023', static21067-10-18 and so on of '2022'."""
    return list(_FOLDERS[release])


def download(
    folder: StrPath,
    mice: Sequence[str],
    *,
    base_url: str | None = None,
    parallel: int = 2,
    unpack: bool = True,
    keep_zips: bool = False,
    pauses: Sequence[float] = PAUSES,
) -> list[Path]:
    """Fetch mice into `folder`; what is there is not fetched again, and what was cut off is gone on with.

    Parameters
    ----------
    folder : where the mice go.
    mice : short names as of `mice_of`, or names of mouse folders.
    base_url : address of another folder of zips, such as a mirror.
    parallel : files at once.
    unpack : make `folder/MOUSE`; else keep `folder/MOUSE.zip`.
    keep_zips : keep the zips beside the folders made from them.
    pauses : seconds to wait before each further try that follows one which got no further.

    Returns
    -------
    One path a mouse: its folder, or its zip where nothing is unpacked.

    Raises
    ------
    DataError : a mouse is unknown, the server refuses or breaks off too often, a zip is corrupt or unsafe (and
        removed), or the disk is too small; the other mice are finished first.
    """
    folder, stop, keep = Path(folder), threading.Event(), keep_zips or not unpack
    with httpx.Client(timeout=_PATIENCE, follow_redirects=True, headers={"Accept-Encoding": "identity"}) as client:
        wanted = [
            _Mouse(folder / name, Fetch(client, url, folder / f"{name}.zip.part", pauses, stop), unpack, keep)
            for name, url in _addresses(mice, base_url).items()
        ]
        with _written(folder):
            folder.mkdir(parents=True, exist_ok=True)
            storage.remove_partials(folder)
            for mouse in wanted:
                if mouse.finished:
                    mouse.fetch.forget()  # left there by a run that was killed just before it did so
            if missing := [mouse for mouse in wanted if not mouse.finished]:
                _make_all(folder, missing, parallel, stop)
    return [mouse.folder if unpack else mouse.zip for mouse in wanted]


def _addresses(mice: Sequence[str], base_url: str | None) -> dict[str, str]:
    short = {name: folder for release in _FOLDERS.values() for name, folder in release.items()}
    addresses = {}
    for mouse in mice:
        name = short.get(mouse, mouse)
        base = base_url or _BASES.get(name)
        if base is None:
            known = "; ".join(f"{release}: {', '.join(names)}" for release, names in _FOLDERS.items())
            raise DataError(f"'{mouse}' is no published mouse", "", f"published are {known}")
        addresses[name] = f"{base.rstrip('/')}/{name}.zip"
    return addresses


@dataclass(slots=True)
class _Mouse:
    """A mouse's way into its folder, taken by a thread of its own."""

    folder: Path
    fetch: Fetch
    unpack: bool
    keep: bool
    unpacking: bool = False

    @property
    def zip(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.zip")

    @property
    def finished(self) -> bool:
        return (self.folder.exists() or not self.unpack) and (self.zip.exists() or not self.keep)

    @property
    def least_space(self) -> int:
        """Bytes of its folder at the least, since it is no smaller than its zip; `archive.unpack` asks again."""
        return self.fetch.size if self.unpack and not self.folder.exists() else 0

    def make(self) -> None:
        self.fetch.heed()
        if self.zip.exists():  # of an earlier run, which checked it
            return self._open(self.zip)
        self.fetch.receive()
        self._open(self.fetch.part)
        if self.keep:
            os.replace(self.fetch.part, self.zip)
        self.fetch.forget()

    def _open(self, source: Path) -> None:
        self.unpacking = True
        try:
            if self.unpack and not self.folder.exists():
                archive.unpack(source, self.folder, self.fetch.heed)
            else:
                archive.check(source, self.fetch.heed)
        except ArchiveError as error:
            storage.remove(source)
            self.fetch.forget()
            mend = "it has been removed: run the same command again, or name another address with --url"
            raise DataError(error.what, self.fetch.url, mend) from error
        finally:
            self.unpacking = False


def _make_all(folder: Path, mice: list[_Mouse], parallel: int, stop: threading.Event) -> None:
    fetches = [mouse.fetch for mouse in mice if not mouse.zip.exists()]
    for fetch in fetches:
        fetch.ask()
    size, shown = sum(fetch.size for fetch in fetches), sum(fetch.have for fetch in fetches)
    storage.require_space(folder, size - shown + max((mouse.least_space for mouse in mice), default=0))
    with ThreadPoolExecutor(parallel) as pool, ProgressLine(size, "download", done=shown, in_bytes=True) as line:
        jobs = [pool.submit(mouse.make) for mouse in mice]
        try:
            running = set(jobs)
            while running:
                running = wait(running, _SECONDS_BETWEEN_LOOKS).not_done
                have, unpacking = sum(fetch.have for fetch in fetches), sum(mouse.unpacking for mouse in mice)
                line.advance(have - shown, f"({unpacking} unpacking)" if unpacking else "")
                shown = have
        finally:
            stop.set()
        for job in jobs:
            job.result()


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"may not be written to ({error.strerror})"
        raise DataError(what, str(folder), "free some space or name another place") from error
