"""A frame store on a real S3 server: the same store as on disk, resumed after a kill, read through a bounded cache."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
import s3fs
from fake_mouse import MOUSE, write_mouse

from sensorium_ray import cache
from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.store import FrameStore, open_store, verify
from sensorium_ray.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def files(s3_server: str) -> s3fs.S3FileSystem:
    return s3fs.S3FileSystem(use_listings_cache=False)


@pytest.fixture
def bucket(files: s3fs.S3FileSystem) -> str:
    name = f"bucket-{uuid.uuid4().hex}"
    files.mkdir(name)
    return f"s3://{name}"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write_mouse(folder)
    return folder


@pytest.fixture(scope="module")
def on_disk(raw: Path, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> FrameStore:
    return ingest(raw, tmp_path_factory.mktemp("on_disk") / "store")


@pytest.fixture
def stored(raw: Path, bucket: str, ray_session: None) -> FrameStore:
    return ingest(raw, f"{bucket}/lab/store")


def test_a_store_on_s3_is_the_one_on_disk(stored: FrameStore, on_disk: FrameStore) -> None:
    assert stored.checksum == on_disk.checksum
    assert stored.benchmark == on_disk.benchmark
    ours, theirs = stored[MOUSE], on_disk[MOUSE]
    assert ours.trials == theirs.trials
    np.testing.assert_array_equal(ours.coordinates, theirs.coordinates)
    np.testing.assert_array_equal(ours.statistics.response_mean, theirs.statistics.response_mean)
    np.testing.assert_array_equal(ours.published["responses/std"], theirs.published["responses/std"])
    for info in ours.trials:
        np.testing.assert_array_equal(ours.rows(info.trial), theirs.rows(info.trial))


def test_a_finished_store_is_left_alone(raw: Path, stored: FrameStore, files: s3fs.S3FileSystem) -> None:
    before = {path: facts["LastModified"] for path, facts in files.find(str(stored.path), detail=True).items()}
    time.sleep(1)
    assert ingest(raw, str(stored.path)).checksum == stored.checksum
    assert {path: facts["LastModified"] for path, facts in files.find(str(stored.path), detail=True).items()} == before


def test_verify_reads_what_is_in_the_bucket(stored: FrameStore, files: s3fs.S3FileSystem) -> None:
    assert verify(stored) > len(stored[MOUSE].trials)
    trial = f"{stored.path}/{MOUSE}/trials/0.npy"
    data = bytearray(files.cat(trial))
    data[-1] ^= 1
    files.pipe(trial, bytes(data))
    with pytest.raises(DataError, match=r"1 of \d+ files are missing or damaged: .*trials/0\.npy"):
        verify(open_store(str(stored.path)))


def test_a_damaged_trial_is_not_read(stored: FrameStore, files: s3fs.S3FileSystem) -> None:
    files.pipe(f"{stored.path}/{MOUSE}/trials/1.npy", b"nothing")
    with pytest.raises(DataError, match=r"trials/1\.npy: differs from its checksum"):
        stored[MOUSE].rows(1)
    files.rm(f"{stored.path}/{MOUSE}/trials/2.npy")
    with pytest.raises(DataError, match=r"trials/2\.npy: file is missing"):
        stored[MOUSE].rows(2)


def test_each_trial_is_fetched_once(stored: FrameStore, files: s3fs.S3FileSystem, own_cache: Path) -> None:
    stored[MOUSE].rows(0)
    kept = set(own_cache.glob("*/*"))
    files.rm(f"{stored.path}/{MOUSE}/trials/0.npy")
    open_store(str(stored.path))[MOUSE].rows(0)
    assert set(own_cache.glob("*/*")) == kept


def test_the_cache_keeps_below_its_limit(stored: FrameStore, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mouse = stored[MOUSE]
    size = mouse.rows(0).nbytes
    monkeypatch.setenv("SENSORIUM_CACHE_GB", str(3.5 * size / 1e9))
    for info in mouse.trials:
        mouse.rows(info.trial)
        assert sum(path.stat().st_size for path in own_cache.rglob("*") if path.is_file()) < 4 * size
    newest = cache.folder() / mouse.trials[-1].sha256[:2] / mouse.trials[-1].sha256
    assert newest.is_file()


def test_a_limit_that_is_no_number_is_refused(stored: FrameStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_CACHE_GB", "much")
    with pytest.raises(ConfigError, match="SENSORIUM_CACHE_GB: 'much' is no number"):
        stored[MOUSE].rows(0)


@pytest.mark.slow
def test_a_killed_ingest_goes_on_where_it_was(
    raw: Path, bucket: str, on_disk: FrameStore, files: s3fs.S3FileSystem, ray_session: None
) -> None:
    store = f"{bucket}/store"
    code = f"from sensorium_ray.data.ingest import ingest; ingest({str(raw)!r}, {store!r})"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    trials = f"{store}/{MOUSE}/trials"
    while not (files.exists(trials) and len(files.ls(trials)) >= 2):
        assert process.poll() is None, "the ingest ended before it could be killed"
        time.sleep(0.01)
    os.killpg(process.pid, 9)
    process.wait()
    assert ingest(raw, store).checksum == on_disk.checksum
    assert verify(open_store(store)) > 0


def test_a_missing_bucket_is_one_sentence(raw: Path, s3_server: str) -> None:
    with pytest.raises(DataError, match=r"s3://no-such-bucket/store.*bucket does not exist"):
        ingest(raw, "s3://no-such-bucket/store")


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    code = "from sensorium_ray.data.store import open_store; open_store('s3://bucket/store')"
    environment = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    last = answer.stderr.strip().splitlines()[-1]
    assert "s3://bucket/store/store.json: cannot be reached" in last
    assert "AWS_ENDPOINT_URL" in last


def test_other_addresses_are_refused() -> None:
    with pytest.raises(DataError, match="is an address of an unknown kind"):
        open_store("gs://bucket/store")
