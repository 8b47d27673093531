"""Loading: training windows are their own frames, always drawn the same, in order from any number of threads."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_mouse import FRAMES, MOUSE, NEURONS, write_mouse
from fake_mouse2022 import MOUSE_2022, write_mouse_2022

from sensorium_ray import storage
from sensorium_ray.data import trial_file as reading
from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.loading import Batch, Draw, draw_windows, prefetch, sample_windows
from sensorium_ray.data.store import FrameStore, MouseData, trial_file
from sensorium_ray.data.trial_file import Window, first_row, read_rows
from sensorium_ray.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    """Stores of one mouse: 'exact', 'half' and 'images'."""
    folder = tmp_path_factory.mktemp("loading")
    write_mouse(folder / "videos")
    write_mouse_2022(folder / "still")
    ingest(folder / "videos", folder / "exact")
    ingest(folder / "videos", folder / "half", dtype="float16")
    ingest(folder / "still", folder / "images")
    return folder


@pytest.fixture
def mouse(folder: Path) -> MouseData:
    return FrameStore.open(folder / "exact")[MOUSE]


def _draws(mouse: MouseData, count: int) -> list[Draw]:
    rng = np.random.default_rng(0)
    return [draw_windows(mouse, mouse.select("train"), 3, 4, 2, rng) for _ in range(count)]


def _equal(ours: Batch, theirs: Batch) -> bool:
    return all(np.array_equal(getattr(ours, f.name), getattr(theirs, f.name)) for f in fields(Batch))


def _window(mouse: MouseData, trial: int, start: int, frames: int, stride: int) -> np.ndarray:
    rows = np.zeros((1, frames), mouse.row_dtype)
    mouse.read_windows([(trial, start)], stride, rows)
    return rows[0]


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("frames", [1, 5])
def test_a_window_is_the_slice_of_the_trial(mouse: MouseData, frames: int, stride: int) -> None:
    rows, reach = np.array(mouse.rows(0)), (frames - 1) * stride + 1
    for start in (0, 3, FRAMES - reach):
        np.testing.assert_array_equal(_window(mouse, 0, start, frames, stride), rows[start : start + reach : stride])


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_thread_beside_another_reads_the_same(mouse: MouseData, stride: int) -> None:
    rows = np.array(mouse.rows(0))
    with reading._ROW_BY_ROW:
        for start in (0, 3, FRAMES - 4 * stride - 1):
            found = _window(mouse, 0, start, 5, stride)
            np.testing.assert_array_equal(found, rows[start : start + 4 * stride + 1 : stride])


def test_a_thread_beside_another_copies_a_window_in_one_call(mouse: MouseData, monkeypatch: pytest.MonkeyPatch) -> None:
    def preadv(*arguments: Any) -> int:
        calls.append(arguments)
        return whole(*arguments)

    np.array(mouse.rows(0))  # in the page cache
    calls: list[tuple[Any, ...]] = []
    whole = os.preadv
    monkeypatch.setattr(os, "preadv", preadv)
    with reading._ROW_BY_ROW:
        _window(mouse, 0, 1, 5, 2)
    assert len(calls) == 1
    _window(mouse, 0, 1, 5, 2)
    assert len(calls) == 1 + 5


@pytest.mark.parametrize("stops", [1, 40, 100])
def test_a_call_that_stops_early_is_gone_on_with(mouse: MouseData, monkeypatch: pytest.MonkeyPatch, stops: int) -> None:
    """The kernel may stop at any byte of a row, or of the gap behind it."""

    def preadv(file: int, buffers: list[memoryview], place: int, flags: int) -> int:
        return whole(file, [buffers[0], *(part[:stops] for part in buffers[1:2])], place, flags)

    rows = np.array(mouse.rows(0))
    whole = os.preadv
    monkeypatch.setattr(os, "preadv", preadv)
    with reading._ROW_BY_ROW:
        np.testing.assert_array_equal(_window(mouse, 0, 1, 5, 2), rows[1:10:2])


@pytest.mark.parametrize("warm", ["nothing", "a part", "all"])
def test_a_window_reads_its_own_frames_and_no_others(tmp_path: Path, warm: str) -> None:
    """What is not in the page cache already; the disk gives no more than the window and parts of pages."""
    dtype, file = np.dtype([("responses", "<f4", (25_000,)), ("behavior", "<f4", (2,))]), tmp_path / "0.npy"
    rows = np.zeros(100, dtype)
    rows["responses"] = np.arange(100)[:, None]
    rows["behavior"] = np.arange(100)[:, None]
    np.save(file, rows)
    start = first_row(file, dtype, 100) + 30 * dtype.itemsize
    with file.open("rb") as written:
        os.fsync(written.fileno())
        kept = {"nothing": 0, "a part": start + 17 * dtype.itemsize, "all": file.stat().st_size}[warm]
        os.posix_fadvise(written.fileno(), kept, 0, os.POSIX_FADV_DONTNEED)
    before, out = _read_from_disk(), np.empty(8, dtype)
    window = Window(str(file), start, 5 * dtype.itemsize, 8, dtype.itemsize, 0)
    read_rows(out.view(np.uint8).data, [window])
    np.testing.assert_array_equal(out, rows[30:70:5])
    assert _read_from_disk() - before <= 8 * (dtype.itemsize + 2 * mmap.PAGESIZE)


def test_a_file_system_that_cannot_tell_what_it_holds_is_read_too(
    mouse: MouseData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def preadv(file: int, buffers: tuple[memoryview], place: int, flags: int) -> int:
        if flags:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        return whole(file, buffers, place)

    (draw,) = _draws(mouse, 1)
    expected = draw.read()
    whole = os.preadv
    monkeypatch.setattr(os, "preadv", preadv)
    assert _equal(draw.read(), expected)


def _read_from_disk() -> int:
    """Bytes that were read from a disk for this process."""
    line = next(line for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("read_bytes"))
    return int(line.split()[1])


@pytest.mark.parametrize("window", [(-1, 4, 1), (0, FRAMES + 1, 1), (FRAMES - 4, 3, 2), (0, 2, 0), (0, 2, -1)])
def test_frames_that_a_trial_does_not_have_are_refused(mouse: MouseData, window: tuple[int, int, int]) -> None:
    with pytest.raises(DataError, match=rf"{MOUSE}/0: has no frames .*; it has {FRAMES}"):
        _window(mouse, 0, *window)


@pytest.mark.parametrize("spoil", [lambda whole: whole[:-7], lambda whole: b"", lambda whole: whole[:60]])
def test_a_damaged_trial_is_an_error_that_says_how_to_mend_it(
    folder: Path, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    shutil.copytree(folder / "exact", tmp_path / "store")
    mouse = FrameStore.open(tmp_path / "store")[MOUSE]
    path = trial_file(mouse.path, 4)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DataError, match=r"4\.npy: is damaged.*run `sensorium ingest` again"):
        _window(mouse, 4, FRAMES - 1, 1, 1)
    path.unlink()
    with pytest.raises(DataError, match=r"4\.npy: file is missing"):
        _window(mouse, 4, 0, 1, 1)


def test_no_file_stays_open(mouse: MouseData) -> None:
    for _ in prefetch(_draws(mouse, 20), 3):
        pass
    open_files = [str(link.resolve()) for link in Path("/proc/self/fd").iterdir()]
    assert [file for file in open_files if file.startswith(str(mouse.path))] == []


def test_training_windows_are_frames_of_one_trial(mouse: MouseData) -> None:
    draw = draw_windows(mouse, mouse.select("train"), 5, 4, 2, np.random.default_rng(0))
    batch = draw.read()
    assert batch.video.shape == (5, 4, *mouse.frame_shape)
    assert batch.behavior.shape == batch.pupil_center.shape == (5, 2, 4)
    assert batch.responses.shape == (5, NEURONS, 4)
    for place, (trial, start) in enumerate(draw.places):
        rows = mouse.rows(trial.trial)[start : start + 7 : 2]
        np.testing.assert_array_equal(batch.video[place], rows["video"])
        np.testing.assert_array_equal(batch.behavior[place], rows["behavior"].T)
        np.testing.assert_array_equal(batch.pupil_center[place], rows["pupil_center"].T)
        np.testing.assert_array_equal(batch.responses[place], rows["responses"].T)


def test_the_draws_of_a_seed_never_change(mouse: MouseData) -> None:
    """A training that goes on from a checkpoint of an earlier version sees the windows that it would have seen."""
    draw = draw_windows(mouse, mouse.select("train"), 6, 4, 2, np.random.default_rng(7))
    assert [(trial.trial, start) for trial, start in draw.places] == [(5, 11), (3, 2), (4, 0), (5, 4), (3, 3), (4, 12)]


def test_every_moment_of_every_trial_is_drawn(mouse: MouseData) -> None:
    draw = draw_windows(mouse, mouse.select("train"), 2000, 8, 2, np.random.default_rng(0))
    starts = {(trial.trial, start) for trial, start in draw.places}
    assert starts == {(trial.trial, start) for trial in mouse.select("train") for start in range(trial.frames - 14)}


def test_a_window_longer_than_every_trial_is_refused(mouse: MouseData) -> None:
    with pytest.raises(ConfigError, match=r"no trial of .* has the 500 frames"):
        sample_windows(mouse, mouse.select("train"), 1, 500, 1, np.random.default_rng(0))


def test_windows_of_a_float16_store_are_float32_of_the_rounded_values(folder: Path, mouse: MouseData) -> None:
    half = FrameStore.open(folder / "half")[MOUSE]
    exact, rounded = (
        sample_windows(each, each.select("train"), 5, 4, 2, np.random.default_rng(0)) for each in (mouse, half)
    )
    for field in fields(Batch):
        ours, theirs = getattr(rounded, field.name), getattr(exact, field.name)
        assert ours.dtype == (np.int64 if field.name == "moment" else np.float32)
        kept = (
            theirs
            if field.name in ("behavior", "pupil_center", "moment")
            else theirs.astype(np.float16).astype(np.float32)
        )
        np.testing.assert_array_equal(ours, kept)


def test_a_still_image_is_held_for_a_window(folder: Path) -> None:
    mouse = FrameStore.open(folder / "images")[MOUSE_2022]
    draw = draw_windows(mouse, mouse.select("train"), 3, 4, 2, np.random.default_rng(0))
    batch = draw.read()
    assert batch.video.shape == (3, 4, *mouse.frame_shape)
    assert batch.behavior.shape == (3, 3, 4)
    for place, (trial, start) in enumerate(draw.places):
        assert start == 0
        (row,) = mouse.rows(trial.trial)
        for frame in range(4):
            np.testing.assert_array_equal(batch.video[place, frame], row["video"])
            np.testing.assert_array_equal(batch.responses[place, :, frame], row["responses"])


@pytest.mark.parametrize("readers", [1, 2, 5])
def test_any_number_of_readers_gives_the_same_batches_in_order(mouse: MouseData, readers: int) -> None:
    draws = _draws(mouse, 12)
    with closing(prefetch(draws, readers)) as batches:
        found = list(batches)
    assert len(found) == 12
    assert all(_equal(ours, draw.read()) for ours, draw in zip(found, draws, strict=True))


class _Slow(Draw):
    """Takes its time, the earlier ones more of it."""

    def read(self) -> Batch:
        time.sleep(0.03 if self.places[0][1] % 2 else 0.0)
        return super().read()


def test_the_order_is_that_of_the_draws_not_of_the_readers(mouse: MouseData) -> None:
    draws = [_Slow(draw.mouse, draw.places, draw.frames, draw.stride) for draw in _draws(mouse, 12)]
    found = list(prefetch(draws, 4))
    assert all(_equal(ours, Draw.read(draw)) for ours, draw in zip(found, draws, strict=True))


def test_reading_keeps_only_a_few_batches_ahead(mouse: MouseData) -> None:
    drawn = 0

    def counted() -> Iterator[Draw]:
        nonlocal drawn
        for draw in _draws(mouse, 20):
            drawn += 1
            yield draw

    with closing(prefetch(counted(), 2)) as batches:
        for used in range(1, 6):
            next(batches)
            assert drawn == used + 2


def test_what_a_reader_raises_comes_out_in_its_turn(mouse: MouseData) -> None:
    draws = _draws(mouse, 6)
    trial, _ = draws[3].places[0]
    draws[3] = Draw(mouse, [(trial, FRAMES)], 4, 2)
    batches = prefetch(draws, 2)
    for draw in draws[:3]:
        assert _equal(next(batches), draw.read())
    with pytest.raises(DataError, match="has no frames"):
        next(batches)
    assert _readers() == []


def test_what_drawing_raises_comes_out(mouse: MouseData) -> None:
    draws = (draw_windows(mouse, [], 1, 4, 1, np.random.default_rng(0)) for _ in range(3))
    with pytest.raises(ConfigError, match="no trial"):
        next(prefetch(draws))


def test_a_loader_that_is_left_early_leaves_no_thread(mouse: MouseData) -> None:
    with closing(prefetch(_draws(mouse, 50), 3)) as batches:
        next(batches)
        assert _readers()
    assert _readers() == []


def _readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@pytest.fixture(scope="module")
def bucket(folder: Path, s3_server: str) -> str:
    """The store 'exact' on s3://."""
    import s3fs

    files = s3fs.S3FileSystem(use_listings_cache=False)
    files.mkdir("loading")
    for path in (folder / "exact").rglob("*.*"):
        files.put_file(str(path), f"loading/store/{path.relative_to(folder / 'exact')}")
    return "s3://loading/store"


@pytest.fixture
def remote(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MouseData:
    """The mouse on s3://, none of whose trials is in the cache."""
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path / "cache"))
    return FrameStore.open(bucket)[MOUSE]


class _Tells(Draw):
    """Says when it was read."""

    was_read = threading.Event()

    def read(self) -> Batch:
        batch = super().read()
        self.was_read.set()
        return batch


def test_who_waits_for_the_network_holds_up_no_other(remote: MouseData, monkeypatch: pytest.MonkeyPatch) -> None:
    absent, present = remote.trial(0), remote.trial(1)
    remote.rows(1)
    read_bytes = storage.read_bytes
    monkeypatch.setattr(storage, "read_bytes", lambda path: _Tells.was_read.wait(30) and read_bytes(path))
    draws = [Draw(remote, [(absent, 0)], 4, 1), _Tells(remote, [(present, 0)], 4, 1)]
    assert len(list(prefetch(draws, 2))) == 2


def test_readers_that_want_the_same_remote_trial_fetch_it_once(
    folder: Path, remote: MouseData, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = remote.trial(0)
    fetched = []
    read_bytes = storage.read_bytes
    monkeypatch.setattr(storage, "read_bytes", lambda path: fetched.append(path) or read_bytes(path))
    draws = [Draw(remote, [(trial, start)] * 3, 4, 1) for start in range(12)]
    found = list(prefetch(draws, 4))
    assert len(fetched) == 1
    local = FrameStore.open(folder / "exact")[MOUSE]
    for batch, draw in zip(found, draws, strict=True):
        assert _equal(batch, Draw(local, draw.places, 4, 1).read())
