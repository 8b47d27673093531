"""Zips made to do harm, and zips that came to harm."""

from __future__ import annotations

import random
import stat
import struct
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from sensorium_ray.data import archive
from sensorium_ray.data.archive import check, members, unpack
from sensorium_ray.errors import ArchiveError, DataError

GOOD = {"data/videos/0.npy": b"video" * 50, "meta/trials/tiers.npy": b"tiers", "config.json": b"{}"}


def write(path: Path, files: dict[str, bytes] | list[tuple[zipfile.ZipInfo | str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items() if isinstance(files, dict) else files:
            made.writestr(name, content)
    return path


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(zip_path: Path) -> str:
    """The sentence; nothing is left or written anywhere, and `check` says the same."""
    before = sorted(zip_path.parent.rglob("*"))
    with pytest.raises(ArchiveError) as raised:
        unpack(zip_path, zip_path.parent / "mouse")
    with pytest.raises(ArchiveError) as checked:
        check(zip_path)
    assert sorted(zip_path.parent.rglob("*")) == before
    assert str(checked.value) == str(raised.value)
    assert raised.value.where == str(zip_path)
    return raised.value.what


@pytest.mark.parametrize("top", ["", "dynamic1/", "./", "sensorium/2023/dynamic1/"])
def test_a_mouse_is_unpacked_wherever_it_lies_in_the_zip(tmp_path: Path, top: str) -> None:
    zip_path = write(tmp_path / "a.zip", {f"{top}{name}": content for name, content in GOOD.items()})
    check(zip_path)
    unpack(zip_path, tmp_path / "mouse")
    assert content_of(tmp_path / "mouse") == GOOD


def test_hidden_files_and_what_lies_outside_the_mouse_are_dropped(tmp_path: Path) -> None:
    inside = {f"m/{name}": content for name, content in GOOD.items()}
    hidden = {"m/.DS_Store": b"", "__MACOSX/m/data/0.npy": b"", "m/data/.git/config": b"", "README.txt": b""}
    zip_path = write(tmp_path / "a.zip", inside | hidden | {"m/": b"", "m/data/": b"", "m/empty/": b""})
    unpack(zip_path, tmp_path / "mouse")
    assert content_of(tmp_path / "mouse") == GOOD


@pytest.mark.parametrize(
    "name",
    ["/etc/evil", "../evil", "data/../../evil", "data/..", "C:/evil", "c:evil", "data\\..\\..\\evil", "\\\\host\\evil"],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    assert "is no path inside a folder" in refusal(write(tmp_path / "a.zip", GOOD | {name: b"evil"}))


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    zip_path = write(tmp_path / "a.zip", GOOD | {"data/aXb": b"evil"})
    zip_path.write_bytes(zip_path.read_bytes().replace(b"data/aXb", b"data/a\0b"))
    assert "is no path inside a folder" in refusal(zip_path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    link = zipfile.ZipInfo("data/link")
    link.create_system, link.external_attr = 3, (kind | 0o777) << 16
    assert "is a link or a device" in refusal(write(tmp_path / "a.zip", [*GOOD.items(), (link, b"/etc")]))


def test_encrypted_and_rare_compression_are_refused(tmp_path: Path) -> None:
    zip_path = write(tmp_path / "a.zip", GOOD)
    raw = bytearray(zip_path.read_bytes())
    raw[raw.rindex(b"PK\1\2") + 8] |= 1
    zip_path.write_bytes(raw)
    assert "is encrypted" in refusal(zip_path)
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_LZMA) as made:
        made.writestr("data/0.npy", b"0")
    assert "another method than deflate" in refusal(zip_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["data/videos/0.npy", "data//videos/0.npy", "data/videos/0.npy/1.npy"])
def test_two_files_of_the_same_name_are_refused(tmp_path: Path, second: str) -> None:
    assert "the same name" in refusal(write(tmp_path / "a.zip", [*GOOD.items(), (second, b"other")]))


def test_not_one_mouse_is_refused(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "a.zip", {"a/b.txt": b""})).startswith("holds 0 folders")
    assert refusal(write(tmp_path / "b.zip", {})).startswith("holds 0 folders")
    assert refusal(write(tmp_path / "c.zip", {"a/data/0.npy": b"", "b/data/0.npy": b""})).startswith("holds 2 folders")


def test_a_zip_that_inflates_too_much_is_refused(tmp_path: Path) -> None:
    assert "too much to be a mouse" in refusal(write(tmp_path / "a.zip", {"data/0.npy": bytes(5_000_000)}))


def test_a_zip_larger_than_any_mouse_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MOST_BYTES", 200)
    assert "too much to be a mouse" in refusal(write(tmp_path / "a.zip", GOOD))


def test_withheld_responses_published_as_zeros_are_no_bomb(tmp_path: Path) -> None:
    files = {"data/responses/0.npy": bytes(1_000_000), "data/responses/1.npy": random.Random(0).randbytes(100_000)}
    unpack(write(tmp_path / "a.zip", files), tmp_path / "mouse")
    assert content_of(tmp_path / "mouse") == files


def _central(raw: bytes, entry: int) -> int:
    at = raw.index(b"PK\1\2")
    for _ in range(entry):
        at = raw.index(b"PK\1\2", at + 1)
    return at


def test_files_that_overlap_are_refused(tmp_path: Path) -> None:
    """The first entry is said to be so long that it holds the second one's header and data."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr("data/0.npy", b"0" * 100)
        made.writestr("data/1.npy", b"1" * 100)
    raw = bytearray((tmp_path / "a.zip").read_bytes())
    struct.pack_into("<LL", raw, _central(raw, 0) + 20, 200, 200)
    (tmp_path / "a.zip").write_bytes(raw)
    assert "overlaps another file" in refusal(tmp_path / "a.zip")
    struct.pack_into("<LL", raw, _central(raw, 0) + 20, 100, 100)
    struct.pack_into("<LL", raw, _central(raw, 1) + 20, 200, 200)
    (tmp_path / "a.zip").write_bytes(raw)
    assert "overlaps another file or the list" in refusal(tmp_path / "a.zip")


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_that_is_not_as_long_as_declared_is_refused(tmp_path: Path, change: int) -> None:
    content = random.Random(0).randbytes(1000)
    raw = bytearray(write(tmp_path / "a.zip", {"data/0.npy": content}).read_bytes())
    struct.pack_into("<L", raw, _central(raw, 0) + 24, len(content) + change)
    (tmp_path / "a.zip").write_bytes(raw)
    assert ("Bad CRC-32" if change < 0 else "1 bytes shorter than declared") in refusal(tmp_path / "a.zip")


def test_a_web_page_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"  <html>no</html>")
    assert refusal(tmp_path / "a.zip") == "is a web page instead of a zip"


def test_any_damage_is_either_harmless_or_a_sentence(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.zip", GOOD).read_bytes()
    for at, byte in enumerate(whole):
        for damaged in (
            whole[:at],
            *(whole[:at] + bytes([new]) + whole[at + 1 :] for new in (byte ^ 1, byte ^ 255, 0)),
        ):
            (tmp_path / "a.zip").write_bytes(damaged)
            try:
                check(tmp_path / "a.zip")
            except ArchiveError:
                continue
            with zipfile.ZipFile(tmp_path / "a.zip") as made:
                assert {made.read(entry) for entry in members(made).values()} <= set(GOOD.values())


def test_an_unpacking_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    zip_path = write(tmp_path / "a.zip", GOOD)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(zip_path, tmp_path / "mouse", stop)
    assert list(tmp_path.iterdir()) == [zip_path]


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mouse").mkdir()
    (tmp_path / "mouse" / "mine").touch()
    with pytest.raises(DataError, match="exists already"):
        unpack(write(tmp_path / "a.zip", GOOD), tmp_path / "mouse")


def test_members_are_named_by_their_path_in_the_mouse(tmp_path: Path) -> None:
    with zipfile.ZipFile(write(tmp_path / "a.zip", {f"m/{name}": b"" for name in GOOD})) as made:
        assert sorted(members(made)) == sorted(PurePosixPath(name) for name in GOOD)
