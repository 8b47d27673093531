"""Copies of folders are whole or not there, and a full disk is told as one."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from sensorium_ray import storage
from sensorium_ray.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "from" / "inner").mkdir(parents=True)
    (tmp_path / "from" / "inner" / "weights").write_text("new")
    (tmp_path / "from" / "last").write_text("new")
    return tmp_path / "from"


def test_a_copy_takes_the_place_of_what_was_there(folder: Path, tmp_path: Path) -> None:
    storage.copy_folder(folder, tmp_path / "to", last="last")
    (folder / "last").unlink()
    storage.copy_folder(folder, tmp_path / "to", last="last")
    assert [path.relative_to(tmp_path / "to").as_posix() for path in (tmp_path / "to").rglob("*")] == [
        "inner",
        "inner/weights",
    ]


def test_a_full_disk_is_told_and_leaves_what_was_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "last").write_text("old")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(DataError, match=r"to: the disk is full; free some space or name another place"):
        storage.copy_folder(folder, tmp_path / "to", last="last")
    assert (tmp_path / "to" / "last").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["from", "to"]
