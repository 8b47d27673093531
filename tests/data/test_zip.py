"""A mouse in a zip is read where it lies, and is the mouse in a folder, array by array."""

from __future__ import annotations

import pickle
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipFile

import numpy as np
import pytest
from fake_mouse import MOUSE, pack, write_mouse
from fake_mouse2022 import MOUSE_2022, write_mouse_2022
from test_raw import FAULTS, TRIAL, read_all

from sensorium_ray.data.raw import RawMouse, find_mice
from sensorium_ray.data.source import _open
from sensorium_ray.errors import DataError

VIDEO = f"data/videos/{TRIAL}.npy"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_mouse(tmp_path / "unpacked")


@pytest.fixture
def packed(folder: Path, tmp_path: Path) -> Path:
    (tmp_path / "mice").mkdir()
    return pack(folder, tmp_path / "mice" / f"{MOUSE}.zip")


def open_(path: Path) -> RawMouse:
    (mouse,) = find_mice(path)
    return mouse


def assert_same(first: RawMouse, second: RawMouse) -> None:
    assert first.name == second.name
    assert first.trials == second.trials
    assert first.shape() == second.shape()
    for name in ("tiers", "unit_ids", "coordinates", "areas"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert first.statistics.keys() == second.statistics.keys()
    for name, array in first.statistics.items():
        assert np.array_equal(array, second.statistics[name], equal_nan=True)
    for trial in first.trials:
        one, other = first.read(trial), second.read(trial)
        for field in ("video", "responses", "behavior", "pupil_center"):
            assert np.array_equal(getattr(one, field), getattr(other, field))
            assert getattr(one, field).dtype == getattr(other, field).dtype == np.float32


@pytest.mark.parametrize("top", ["", "a mouse"])
@pytest.mark.parametrize("write", [write_mouse, write_mouse_2022])
def test_zip_and_folder_are_the_same_mouse(tmp_path: Path, write: Callable[..., Path], top: str) -> None:
    folder = write(tmp_path / "unpacked", "a mouse")
    packed = pack(folder, tmp_path / ("any name.zip" if top else "a mouse.zip"), top)
    assert_same(open_(folder), open_(packed))
    assert_same(open_(folder), open_(tmp_path))


def test_nothing_is_unpacked(packed: Path) -> None:
    read_all(packed)
    assert [path.name for path in packed.parent.iterdir()] == [packed.name]


def test_what_macos_adds_is_not_seen(folder: Path, packed: Path) -> None:
    before = open_(packed).fingerprint()
    with ZipFile(packed, "a") as file:
        for junk in ("__MACOSX/data/videos/0.npy", ".DS_Store", "data/videos/._2.npy", "meta/.x/tiers.npy"):
            file.writestr(junk, b"junk")
        file.writestr("meta/statistics/videos/all/._mean.npy", b"junk")
        file.writestr("__MACOSX/other/data/videos/._0.npy", b"junk")
    assert_same(open_(folder), open_(packed))
    assert open_(packed).fingerprint() == before


def test_a_mouse_that_is_there_twice_is_taken_from_its_folder(folder: Path, packed: Path) -> None:
    shutil.copytree(folder, packed.parent / MOUSE)
    assert open_(packed.parent).where("videos", 0) == str(packed.parent / MOUSE / "data/videos/0.npy")
    packed.write_bytes(b"cut off")
    assert open_(packed.parent).name == MOUSE
    packed.unlink()
    pack(folder, packed.with_name("other name.zip"), top=MOUSE)
    assert "other name" not in open_(packed.parent).where("videos", 0)


def test_folders_and_zips_of_both_releases_side_by_side(packed: Path) -> None:
    write_mouse(packed.parent, "dynamic00002")
    pack(write_mouse_2022(packed.parent.parent / "unpacked"), packed.parent / "x.zip", top=MOUSE_2022)
    (packed.parent / "._x.zip").write_bytes(b"junk")
    with ZipFile(packed.parent / "predictions.zip", "w") as file:
        file.writestr("predictions.parquet", b"")
    assert [mouse.name for mouse in find_mice(packed.parent)] == [MOUSE, "dynamic00002", MOUSE_2022]


def test_two_zips_of_one_mouse(folder: Path, packed: Path) -> None:
    pack(folder, packed.with_name("again.zip"), top=MOUSE)
    with pytest.raises(DataError, match=rf"holds the mouse {MOUSE}, and so does again\.zip; remove one of the two"):
        find_mice(packed.parent)


def test_several_mice_in_one_zip(folder: Path, tmp_path: Path) -> None:
    write_mouse(tmp_path / "unpacked", "second")
    with pytest.raises(DataError, match=rf"holds 2 mice: {MOUSE}, second; pack each into its own zip"):
        find_mice(pack(tmp_path / "unpacked", tmp_path / "both.zip"))


def test_no_mouse_in_a_zip(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("a/b/data/videos/0.npy", b"")
    with pytest.raises(DataError, match="holds no mouse"):
        find_mice(tmp_path / "x.zip")
    with pytest.raises(DataError, match="holds no mouse"):
        find_mice(tmp_path)
    (tmp_path / "file.txt").write_text("hello")
    with pytest.raises(DataError, match=r"file\.txt: is cut off or is no zip"):
        find_mice(tmp_path / "file.txt")


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"folder"}))
def test_faults_in_a_zip_are_told_as_in_a_folder(folder: Path, tmp_path: Path, fault: str) -> None:
    spoil, where, what = FAULTS[fault]
    spoil(folder)
    with pytest.raises(DataError) as caught:
        read_all(pack(folder, tmp_path / "mouse.zip"))
    assert what in str(caught.value)
    assert where in caught.value.where
    assert str(tmp_path / "mouse.zip") in caught.value.where
    assert "\n" not in str(caught.value)


def payload(archive: Path, member: str) -> slice:
    """Bytes of a member's packed data in the zip."""
    with ZipFile(archive) as file:
        info = file.getinfo(member)
    head = archive.read_bytes()[info.header_offset :]
    names, extra = struct.unpack("<HH", head[26:30])
    start = info.header_offset + 30 + names + extra
    return slice(start, start + info.compress_size)


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED, ZIP_LZMA])
def test_a_wrong_byte_is_told_by_the_crc(folder: Path, tmp_path: Path, method: int) -> None:
    packed = tmp_path / "mouse.zip"
    with ZipFile(packed, "w", method) as file:
        for path in sorted(folder.rglob("*.npy")):
            file.write(path, path.relative_to(folder))
    data = bytearray(packed.read_bytes())
    inside = payload(packed, VIDEO)
    data[(inside.start + inside.stop) // 2] ^= 0xFF
    packed.write_bytes(data)
    mouse = open_(packed)
    mouse.read(TRIAL + 1)
    with pytest.raises(DataError) as caught:
        mouse.read(TRIAL)
    assert caught.value.where == f"{packed}/{VIDEO}"
    assert caught.value.what.startswith("is cut off or damaged (")
    assert "\n" not in str(caught.value)


def test_a_cut_zip(packed: Path) -> None:
    whole = packed.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 30):
        packed.write_bytes(whole[:size])
        for path in (packed, packed.parent):
            with pytest.raises(DataError) as caught:
                find_mice(path)
            assert caught.value.where == str(packed)
            assert "is cut off or is no zip" in caught.value.what
            assert "download" in caught.value.mend


def test_a_zip_that_was_changed_is_opened_again(folder: Path, packed: Path) -> None:
    mouse = open_(packed)
    before = mouse.fingerprint(), mouse.read(TRIAL).responses
    changed = np.load(folder / f"data/responses/{TRIAL}.npy") + 1
    np.save(folder / f"data/responses/{TRIAL}.npy", changed)
    pack(folder, packed)
    assert mouse.fingerprint() != before[0]
    np.testing.assert_allclose(mouse.read(TRIAL).responses, before[1] + 1, rtol=1e-6)
    packed.unlink()
    with pytest.raises(DataError, match=r"\.zip: file is missing; copy or download it again"):
        mouse.read(TRIAL)


def test_an_encrypted_zip(packed: Path) -> None:
    data = bytearray(packed.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = -1
        while (at := data.find(signature, at + 1)) >= 0:
            data[at + offset] |= 1
    packed.write_bytes(data)
    with pytest.raises(DataError, match=r"tiers\.npy: is encrypted; pack the mouse again without a password"):
        find_mice(packed)


def test_whatever_is_wrong_with_a_zip_is_a_data_error(packed: Path) -> None:
    whole, chance = packed.read_bytes(), random.Random(0)
    for _ in range(60):
        damaged = bytearray(whole)
        # Half of the places lie in the directory at the end, where every byte means something.
        start = chance.choice([0, len(whole) - 5000])
        damaged[chance.randrange(start, len(whole))] ^= chance.randrange(1, 256)
        packed.write_bytes(damaged)
        with suppress(DataError):
            read_all(packed)


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_mouse_travels_to_another_process(folder: Path, packed: Path, tmp_path: Path, as_zip: bool) -> None:
    mouse = open_(packed if as_zip else folder)
    trial = mouse.read(TRIAL)
    data = pickle.dumps(mouse)
    assert len(data) < 5000
    (tmp_path / "mouse.pickle").write_bytes(data)
    code = (
        "import pickle, sys, numpy; from pathlib import Path;"
        "mouse = pickle.loads(Path(sys.argv[1]).read_bytes());"
        f"numpy.save(sys.argv[2], mouse.read({TRIAL}).responses)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "mouse.pickle", tmp_path / "read.npy"], check=True)
    assert np.array_equal(np.load(tmp_path / "read.npy"), trial.responses)


def test_a_zip_is_opened_once_a_process(packed: Path) -> None:
    _open.cache_clear()
    for mouse in (open_(packed), pickle.loads(pickle.dumps(open_(packed)))):  # noqa: S301 - our own
        for trial in mouse.trials:
            mouse.read(trial)
    assert _open.cache_info().misses == 1


def test_a_forked_process_reads_beside_its_parent(packed: Path) -> None:
    """A forked process that shared its parent's handle would move the parent's place in the file."""
    code = f"""
import multiprocessing, sys
from pathlib import Path
import numpy
from sensorium_ray.data.raw import find_mice
(mouse,) = find_mice(Path(sys.argv[1]))
def work(_):
    return [mouse.read(trial).responses.sum() for _ in range(20) for trial in mouse.trials]
with multiprocessing.get_context("fork").Pool(4) as pool:
    sums = pool.map(work, range(4))
assert all(numpy.array_equal(sums[0], other) for other in sums)
assert sums[0] == work(0)
assert {MOUSE!r} == mouse.name
"""
    subprocess.run([sys.executable, "-c", code, packed], check=True)
