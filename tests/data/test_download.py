"""`sensorium download` against a real HTTP server that misbehaves."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
import typer
from flaky_http import Flaky, serve
from typer.testing import CliRunner

from sensorium_ray.cli.download import download as command
from sensorium_ray.data.download import _addresses, download, mice_of
from sensorium_ray.data.fetch import Fetch
from sensorium_ray.errors import DataError

MOUSE = "dynamic1-1-1-Video-0"
OTHER = "dynamic2-2-2-Video-0"


def zip_of(seed: int = 0, size: int = 50_000, mouse: str = MOUSE) -> bytes:
    """A zip of a few files of noise, so that it is not much smaller than they are."""
    noise, buffer = random.Random(seed), BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name in ("data/videos/0.npy", "data/responses/0.npy", "meta/trials/tiers.npy", ".DS_Store"):
            made.writestr(f"{mouse}/{name}", noise.randbytes(size))
    return buffer.getvalue()


ZIP = zip_of()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Flaky]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve() as flaky:
        flaky.files = {f"/{MOUSE}.zip": ZIP, f"/{OTHER}.zip": zip_of(1, mouse=OTHER)}
        yield flaky


def fetch(folder: Path, server: Flaky, *mice: str, tries: int = 3, **options: object) -> list[Path]:
    pauses = (0.0,) * (tries - 1)
    return download(folder, mice or (MOUSE,), base_url=server.url, pauses=pauses, **options)  # type: ignore[arg-type]


def refusal(folder: Path, server: Flaky, **options: object) -> str:
    """The sentence of a download that fails; nothing is taken for whole, and the address is named."""
    with pytest.raises(DataError) as raised:
        fetch(folder, server, **options)
    assert not (folder / MOUSE).exists()
    assert not (folder / f"{MOUSE}.zip").exists()
    assert not list(folder.glob("*.partial"))
    assert raised.value.where == f"{server.url}/{MOUSE}.zip"
    assert raised.value.mend
    return raised.value.what


def assert_whole(folder: Path, mouse: str = MOUSE, content: bytes = ZIP) -> None:
    with zipfile.ZipFile(BytesIO(content)) as made:
        names = [name for name in made.namelist() if not name.endswith(".DS_Store")]
        for name in names:
            assert (folder / name).read_bytes() == made.read(name)
    assert sum(path.is_file() for path in (folder / mouse).rglob("*")) == len(names)
    assert not [path for path in folder.iterdir() if re.search(r"\.part", path.name)]


def test_two_mice_are_fetched_checked_and_unpacked(tmp_path: Path, server: Flaky) -> None:
    (tmp_path / "mice" / f"{MOUSE}.1.partial" / "data").mkdir(parents=True)  # of a run killed while it unpacked
    assert fetch(tmp_path / "mice", server, MOUSE, OTHER) == [tmp_path / "mice" / MOUSE, tmp_path / "mice" / OTHER]
    assert_whole(tmp_path / "mice")
    assert_whole(tmp_path / "mice", OTHER, server.files[f"/{OTHER}.zip"])
    assert sorted(path.name for path in (tmp_path / "mice").iterdir()) == [MOUSE, OTHER]


def test_what_is_there_is_not_asked_for_again(tmp_path: Path, server: Flaky) -> None:
    fetch(tmp_path, server)
    (tmp_path / f"{MOUSE}.zip.part").write_bytes(b"of a run that was killed while it tidied up")
    server.asked.clear()
    assert fetch(tmp_path, server) == [tmp_path / MOUSE]
    assert server.asked == []
    assert_whole(tmp_path)


def test_zips_are_kept_when_asked_for(tmp_path: Path, server: Flaky) -> None:
    assert fetch(tmp_path, server, unpack=False) == [tmp_path / f"{MOUSE}.zip"]
    assert [path.name for path in tmp_path.iterdir()] == [f"{MOUSE}.zip"]
    server.asked.clear()
    fetch(tmp_path, server, keep_zips=True)
    assert server.asked == []
    assert_whole(tmp_path)
    assert (tmp_path / f"{MOUSE}.zip").read_bytes() == ZIP


@pytest.mark.parametrize("validator", ["etag", "date", "none"])
def test_a_cut_connection_is_gone_on_with(tmp_path: Path, server: Flaky, validator: str) -> None:
    server.etag = '"first"' if validator == "etag" else None
    server.dated = validator == "date"
    server.cuts = [10_000, 20_000, 30_000, 5, 1, 40_000]
    fetch(tmp_path, server)
    assert_whole(tmp_path)
    assert server.sent == len(ZIP) + 1  # the first byte is fetched to learn the size
    assert "bytes=10000-" in [asked.range for asked in server.asked]


def test_tries_are_bounded_and_the_next_run_goes_on(tmp_path: Path, server: Flaky) -> None:
    server.cuts = [10_000, 0, 0, 0]
    assert "gave up after 3 tries" in refusal(tmp_path, server)
    assert (tmp_path / f"{MOUSE}.zip.part").stat().st_size == 10_000
    server.cuts = []
    server.asked.clear()
    fetch(tmp_path, server)
    assert_whole(tmp_path)
    assert server.sent == len(ZIP) - 10_000 + 1


def test_the_pauses_begin_again_where_a_try_got_further(tmp_path: Path, server: Flaky) -> None:
    class Clock(threading.Event):
        pauses: ClassVar[list[float]] = []

        def wait(self, timeout: float | None = None) -> bool:
            self.pauses.append(timeout or 0)
            return False

    server.cuts = [10_000, 0, 0, 10_000, 0]
    with httpx.Client() as client:
        fetch = Fetch(client, f"{server.url}/{MOUSE}.zip", tmp_path / "part", (1, 2, 4), Clock())
        fetch.ask()
        fetch.receive()
    assert Clock.pauses == [1, 2, 4, 1, 2]
    assert (tmp_path / "part").read_bytes() == ZIP


def test_a_server_that_ignores_ranges_starts_the_file_anew(tmp_path: Path, server: Flaky) -> None:
    server.ranges, server.cuts = False, [0, 30_000, 20_000]
    fetch(tmp_path, server, tries=5)
    assert_whole(tmp_path)
    assert "bytes=30000-" in [asked.range for asked in server.asked]


def test_a_server_that_always_cuts_at_the_same_byte_is_given_up(tmp_path: Path, server: Flaky) -> None:
    server.ranges, server.cuts = False, [30_000] * 20
    assert "gave up after 3 tries" in refusal(tmp_path, server)
    assert len(server.asked) < 10


@pytest.mark.parametrize("honest", [True, False], ids=["heeds If-Range", "ignores If-Range"])
def test_a_file_that_changed_between_runs_starts_anew(tmp_path: Path, server: Flaky, honest: bool) -> None:
    server.cuts = [10_000, 0, 0]
    refusal(tmp_path, server)
    changed = zip_of(7)
    server.files[f"/{MOUSE}.zip"], server.etag, server.cuts = changed, '"second"' if honest else None, []
    fetch(tmp_path, server)
    assert_whole(tmp_path, content=changed)


@pytest.mark.parametrize("etags", [('"first"', '"second"'), ('W/"weak"', 'W/"weak"')], ids=["strong", "weak"])
def test_a_file_that_changes_while_it_is_fetched_starts_anew(
    tmp_path: Path, server: Flaky, etags: tuple[str, str]
) -> None:
    changed = zip_of(7, size=40_000)

    def change() -> None:
        server.files[f"/{MOUSE}.zip"], server.etag = changed, etags[1]

    server.etag, server.hold_after, server.cuts = etags[0], 20_000, [60_000]
    server.gate = _Once(change)  # type: ignore[assignment]
    fetch(tmp_path, server)
    # If-Range makes a server answer with the new file at once; without a strong tag it takes a further request.
    assert len(server.asked) == (3 if etags[0] == '"first"' else 4)
    assert_whole(tmp_path, content=changed)


class _Once:
    """A gate that is open, and does something when it is first come to."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._acts = [act]

    def wait(self, _: float) -> None:
        if self._acts:
            self._acts.pop()()

    def set(self) -> None:
        pass


def test_a_part_that_is_longer_than_the_file_is_not_gone_on_with(tmp_path: Path, server: Flaky) -> None:
    server.cuts = [10_000, 0, 0]
    refusal(tmp_path, server)
    with (tmp_path / f"{MOUSE}.zip.part").open("ab") as part:
        part.write(bytes(len(ZIP)))
    fetch(tmp_path, server)
    assert_whole(tmp_path)


def test_a_part_that_was_damaged_on_the_disk_is_found_out(tmp_path: Path, server: Flaky) -> None:
    server.cuts = [10_000, 0, 0]
    refusal(tmp_path, server)
    (tmp_path / f"{MOUSE}.zip.part").write_bytes(ZIP[:5000] + bytes(5000))
    assert "damaged zip" in refusal(tmp_path, server)
    fetch(tmp_path, server)
    assert_whole(tmp_path)


@pytest.mark.parametrize("chunked", [True, False], ids=["without a length", "with the longer length"])
def test_a_server_that_sends_less_than_it_announces_is_found_out(tmp_path: Path, server: Flaky, chunked: bool) -> None:
    server.lie, server.chunked = 500, chunked
    assert "gave up after 3 tries" in refusal(tmp_path, server)


@pytest.mark.parametrize("chunked", [True, False], ids=["without a length", "with the shorter length"])
def test_a_server_that_sends_more_than_it_announces_is_found_out(tmp_path: Path, server: Flaky, chunked: bool) -> None:
    server.lie, server.chunked = -500, chunked
    found = "sends more than" if chunked else "cut off or damaged zip"
    assert found in refusal(tmp_path, server)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_tells_no_size_is_refused(tmp_path: Path, server: Flaky) -> None:
    server.chunked, server.ranges = True, False
    assert "how large" in refusal(tmp_path, server)


@pytest.mark.parametrize("unpack", [True, False])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (ZIP[:60_000] + bytes([ZIP[60_000] ^ 1]) + ZIP[60_001:], "Bad CRC-32"),
        (ZIP[:-100], "cut off or damaged zip"),
        (b"\n<!DOCTYPE html><p>Log in", "is a web page instead of a zip"),
        (b"x", "cut off or damaged zip"),
    ],
    ids=["bad CRC", "truncated central directory", "web page", "one byte"],
)
def test_a_corrupt_zip_is_removed_and_fetched_again(
    tmp_path: Path, server: Flaky, content: bytes, sentence: str, unpack: bool
) -> None:
    server.files[f"/{MOUSE}.zip"] = content
    assert sentence in refusal(tmp_path, server, unpack=unpack)
    assert list(tmp_path.iterdir()) == []
    server.files[f"/{MOUSE}.zip"] = ZIP
    fetch(tmp_path, server)
    assert_whole(tmp_path)


def test_a_kept_zip_that_came_to_harm_is_removed_and_fetched_again(tmp_path: Path, server: Flaky) -> None:
    (tmp_path / f"{MOUSE}.zip").write_bytes(ZIP[:-100])
    assert "cut off or damaged zip" in refusal(tmp_path, server)
    fetch(tmp_path, server)
    assert_whole(tmp_path)


def test_the_bytes_are_asked_for_as_they_are(tmp_path: Path, server: Flaky) -> None:
    fetch(tmp_path, server)
    assert {asked.encoding for asked in server.asked} == {"identity"}


def test_one_corrupt_mouse_does_not_keep_the_others(tmp_path: Path, server: Flaky) -> None:
    server.files[f"/{MOUSE}.zip"] = ZIP[:-100]
    with pytest.raises(DataError, match=MOUSE):
        fetch(tmp_path, server, MOUSE, OTHER)
    assert_whole(tmp_path, OTHER, server.files[f"/{OTHER}.zip"])


@pytest.mark.parametrize(("status", "sentence"), [(404, "no such file"), (403, "refuses with HTTP status 403")])
def test_a_refusal_is_a_sentence_and_not_tried_again(tmp_path: Path, server: Flaky, status: int, sentence: str) -> None:
    server.statuses = [status] * 5
    assert sentence in refusal(tmp_path, server)
    assert len(server.asked) == 1


def test_a_busy_server_is_tried_again(tmp_path: Path, server: Flaky) -> None:
    server.statuses = [503, 429]
    fetch(tmp_path, server)
    assert_whole(tmp_path)


def test_a_busy_server_is_given_up_with_its_status(tmp_path: Path, server: Flaky) -> None:
    server.statuses = [503] * 3
    assert refusal(tmp_path, server) == "gave up after 3 tries (HTTP status 503)"


def test_no_server_and_no_address_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gave up after 1 tries"):
        download(tmp_path, [MOUSE], base_url="http://127.0.0.1:9", pauses=())
    with pytest.raises(DataError, match="is no address"):
        download(tmp_path, [MOUSE], base_url="elsewhere", pauses=())


def test_redirects_are_followed_with_the_range(tmp_path: Path, server: Flaky) -> None:
    server.files["/moved.zip"] = server.files.pop(f"/{MOUSE}.zip")
    server.redirect[f"/{MOUSE}.zip"] = "/moved.zip"
    server.cuts = [10_000]
    fetch(tmp_path, server)
    assert ("/moved.zip", "bytes=10000-") in [(asked.path, asked.range) for asked in server.asked]
    assert_whole(tmp_path)


def test_a_small_disk_is_told_before_anything_is_fetched(
    tmp_path: Path, server: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = len(ZIP) + 1000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(DataError, match="GB free; free some space"):
        fetch(tmp_path, server)
    assert server.sent == 1
    fetch(tmp_path, server, unpack=False)


def test_a_small_disk_is_told_before_unpacking_and_the_zip_stays(
    tmp_path: Path, server: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 2 * len(ZIP) + 1000

    loose = BytesIO()
    with zipfile.ZipFile(loose, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("data/videos/0.npy", random.Random(0).randbytes(50_000) + bytes(500_000))
    server.files[f"/{MOUSE}.zip"] = loose.getvalue()
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(DataError, match="GB free; free some space"):
        fetch(tmp_path, server)
    Usage.free *= 100
    server.asked.clear()
    fetch(tmp_path, server)
    assert server.sent == 1
    assert (tmp_path / MOUSE / "data" / "videos" / "0.npy").stat().st_size == 550_000


def test_a_file_where_the_folder_should_be_is_a_sentence(tmp_path: Path, server: Flaky) -> None:
    (tmp_path / "mice").write_text("")
    with pytest.raises(DataError, match="may not be written to"):
        fetch(tmp_path / "mice", server)


_RUN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in a shell's background starts deaf to it
from sensorium_ray.data.download import download
download(sys.argv[1], [sys.argv[2]], base_url=sys.argv[3])
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_is_run_again_and_fetches_only_the_rest(
    tmp_path: Path, server: Flaky, ending: signal.Signals
) -> None:
    server.files[f"/{MOUSE}.zip"] = content = zip_of(size=300_000)
    server.hold_after = 500_000
    arguments = [sys.executable, "-c", _RUN, str(tmp_path), MOUSE, server.url]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE)
    part = tmp_path / f"{MOUSE}.zip.part"
    while not part.exists() or part.stat().st_size < 400_000:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(ending)
    server.hold_after = None
    if ending == signal.SIGINT:  # the thread that receives heeds it with the next byte
        server.gate.set()
    process.communicate(timeout=30)
    assert process.returncode not in (0, 1)
    assert not (tmp_path / MOUSE).exists()
    there = part.stat().st_size
    server.asked.clear()
    subprocess.run(arguments, check=True, capture_output=True)
    assert_whole(tmp_path, content=content)
    assert server.sent == len(content) - there + 1


def test_progress_tells_size_rate_and_time_left(
    tmp_path: Path, server: Flaky, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sensorium_ray.progress._SECONDS_BETWEEN_LINES", 0.0)
    fetch(tmp_path, server)
    said = capsys.readouterr().err
    assert re.search(r"download: [\d.]+ kB of [\d.]+ kB at [\d.]+ [kM]?B/s, about 0:00 left", said), said
    assert "download: done in" in said


def test_the_published_addresses() -> None:
    assert "".join(mice_of("2023")) == "ABCDEFGHIJ"
    assert len(mice_of("2022")) == 7
    gin = "https://gin.g-node.org"
    assert list(_addresses(["A", "F", "static26872-17-20"], None).values()) == [
        f"{gin}/pollytur/Sensorium2023Data/raw/master/dynamic29156-11-10-Video-8744edeac3b4d1ce16b680916b5267ce.zip",
        f"{gin}/pollytur/sensorium_2023_dataset/raw/master/dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20.zip",
        f"{gin}/cajal/Sensorium2022/raw/master/static26872-17-20-GrayImageNet-94c6ff995dac583098847cfecd43e7b6.zip",
    ]


def test_an_unknown_mouse_is_told_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'K' is no published mouse; published are 2022: static21067-10-18, "):
        download(tmp_path / "mice", ["K"])
    assert not (tmp_path / "mice").exists()


def test_the_command(tmp_path: Path, server: Flaky) -> None:
    app = typer.Typer()
    app.command()(command)
    arguments = [str(tmp_path), "--mouse", MOUSE, "--mouse", OTHER, "--url", server.url, "--no-unpack", "--json"]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout) == {"folder": str(tmp_path), "mice": [f"{MOUSE}.zip", f"{OTHER}.zip"]}
