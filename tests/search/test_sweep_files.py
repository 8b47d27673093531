"""Where Ray Tune writes: a full disk is told as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sensorium_ray import storage
from sensorium_ray.errors import DataError
from sensorium_ray.search.files import file_system


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def full(path: Path) -> Iterator[Path]:
        yield Path("/dev/full")

    monkeypatch.setattr(storage, "atomic_path", full)
    files, folder = file_system(tmp_path)
    with pytest.raises(DataError, match=r"checkpoint\.json: the disk is full; free some space"):
        files.open_output_stream(f"{folder}/checkpoint.json").write(bytes(2**20))
