"""The file system that Ray Tune writes a sweep to: that of `storage`, each file whole or not there."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem
from pyarrow.fs import FSSpecHandler, PyFileSystem
from pyarrow.lib import PythonFile

from .. import storage


def file_system(path: Path) -> tuple[PyFileSystem, str]:
    """Arrow file system of a place that `storage.locate` found, and its path there.

    A driver may be killed while it writes what a sweep is resumed from: half of that would cost the sweep.
    """
    if storage.is_remote(path):
        return PyFileSystem(_Whole(path.fs, "s3://")), str(path).removeprefix("s3://")  # type: ignore[attr-defined]
    return PyFileSystem(_Whole(LocalFileSystem(auto_mkdir=True), "")), str(path.absolute())


class _Whole(FSSpecHandler):
    """Writes through `storage.atomic_path`.

    Parameters
    ----------
    fs : for all but writing.
    scheme : what `storage.locate` wants before a path.
    """

    def __init__(self, fs: Any, scheme: str) -> None:
        super().__init__(fs)
        self._scheme = scheme

    def __reduce__(self) -> tuple[type, tuple[Any, str]]:
        return type(self), (self.fs, self._scheme)

    def open_output_stream(self, path: str, metadata: Any) -> PythonFile:
        return PythonFile(_WholeFile(storage.locate(self._scheme + path)), mode="w")


class _WholeFile:
    """A file that is there when it is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open = ExitStack()
        self._file = self._open.enter_context(self._open.enter_context(storage.atomic_path(path)).open("wb"))

    def write(self, data: bytes) -> int:
        with storage.writing(self._path):
            return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        with storage.writing(self._path):
            self._file.flush()

    @property
    def closed(self) -> bool:
        return self._file.closed

    def close(self) -> None:
        self._open.close()
