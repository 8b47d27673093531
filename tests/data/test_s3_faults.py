"""A bucket whose server turns requests away, forgets, dawdles and cuts bodies: nothing is lost or half there."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs
from flaky_s3 import FAULTS, flaky

from sensorium_ray import storage


@pytest.fixture
def told(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the server did wrong so far; all s3:// is asked of it."""
    with flaky(s3_server) as (url, words):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        s3fs.S3FileSystem.clear_instance_cache()  # they remember their server
        yield words
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(told: list[str]) -> Path:
    name = f"bucket-{uuid.uuid4().hex}"
    s3fs.S3FileSystem().mkdir(name)
    return storage.locate(f"s3://{name}")


def test_what_is_written_is_read_again_whole(bucket: Path, told: list[str]) -> None:
    contents = {f"{number}/file": os.urandom(1000 * number + 1) for number in range(12)}
    for name, content in contents.items():
        with storage.atomic_path(bucket / name) as partial:
            partial.write_bytes(content)
    assert storage.names(bucket) == sorted(name.split("/")[0] for name in contents)
    for name, content in contents.items():
        assert storage.is_file(bucket / name)
        assert storage.read_bytes(bucket / name) == content
    storage.remove(bucket / "0")
    assert not storage.is_file(bucket / "0" / "file")
    assert set(told) == set(FAULTS)


def test_a_large_file_is_read_again_whole(bucket: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3fs.S3FileSystem, "default_block_size", 1024**2)  # above which s3fs would read parts at once
    content = os.urandom(5 * 1024**2)
    with storage.atomic_path(bucket / "large") as partial:
        partial.write_bytes(content)
    while "cut" not in told or len(told) < 8:
        assert storage.read_bytes(bucket / "large") == content
