"""Both clients, against real servers in a thread: what they send, what they make of answers, and what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xarray as xr
from fastapi import FastAPI
from films import film
from httpx_retries import Retry
from hypothesis import given
from hypothesis import strategies as st
from loaded import loaded
from serving.endpoints import SENSORIUM, Awaited, answering

from sensorium_ray.bundle.predictor import Predictor, load_predictor
from sensorium_ray.client import clients
from sensorium_ray.client.answered import Answer, ForeignError
from sensorium_ray.client.clients import AsyncSensoriumClient, SensoriumClient
from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.errors import ConfigError, DataError, EndpointError
from sensorium_ray.ports import free_port
from sensorium_ray.serving import keys
from sensorium_ray.serving.answers import ARROW
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.catalogue import Catalogue
from sensorium_ray.serving.predictors import Predictors


@pytest.fixture(scope="module")
def app(bundles: Path) -> FastAPI:
    models = Catalogue(bundles)
    return make_app(models, Predictors(models).predict)


@pytest.fixture(scope="module")
def url(app: FastAPI) -> Iterator[str]:
    with answering(app) as found:
        yield found


@pytest.fixture(params=[SensoriumClient, Awaited])
def client_of(request: pytest.FixtureRequest) -> Any:
    """Each of the two: url and key to a client."""
    return request.param


@pytest.fixture
def client(client_of: Any, url: str) -> Any:
    return client_of(url)


@pytest.fixture(scope="module")
def predictor(bundles: Path) -> Predictor:
    return load_predictor(bundles / "tiny")


def stream(parts: int = 3, rows: np.ndarray | None = None, warnings: tuple[str, ...] = ()) -> list[bytes]:
    """An answer as an endpoint would send it: its schema, some parts of 2 frames and 3 neurons, its end."""
    rows = np.arange(6, dtype=np.float32).reshape(2, 3) if rows is None else rows
    columns = {
        "time": pa.array(np.arange(len(rows)) / 30),
        "responses": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1]),
    }
    about = {"model": "tiny", "checksum": "c", "mouse": "m", "rate": 30.0, "units": "u", "warnings": warnings}
    about["unit_ids"] = list(range(rows.shape[1]))
    batch = pa.record_batch(columns).replace_schema_metadata({"sensorium": json.dumps(about)})
    end = b"\xff\xff\xff\xff\x00\x00\x00\x00"
    return [bytes(batch.schema.serialize()), *[bytes(batch.serialize())] * parts, end]


@contextlib.contextmanager
def saying(raw: bytes) -> Iterator[str]:
    """A server that reads a request, says something, and hangs up."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                request = b""
                while b"--\r\n" not in request[-4:] and not request.startswith(b"GET"):
                    request += connection.recv(2**20)
                connection.sendall(raw)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def test_an_answer_is_labelled(client: Any, predictor: Predictor, make_clip: Callable[..., Clip]) -> None:
    assert [model["name"] for model in client.models()] == ["tiny"]
    for frames in (1, 50, 431):
        for mouse, ids in (("mouse-a", [5, 7, 9]), ("mouse-b", [2, 3])):
            clip = make_clip(frames)
            answer = client.predict("tiny", clip, mouse)
            assert (answer.name, answer.dims) == ("responses", ("neuron", "time"))
            np.testing.assert_array_equal(answer.values, predictor.predict(clip, mouse), strict=True)
            np.testing.assert_array_equal(answer.unit_id, ids)
            np.testing.assert_array_equal(answer.time, np.arange(frames) / 30)
            assert answer.attrs["checksum"] == client.models()[0]["checksum"]
            assert {name: answer.attrs[name] for name in ("model", "mouse", "rate", "units", "warnings")} == {
                "model": "tiny",
                "mouse": mouse,
                "rate": 30.0,
                "units": "deconvolved calcium, arbitrary units",
                "warnings": "",
            }
            np.testing.assert_array_equal(answer.sel(unit_id=ids[1]), answer[1])


def test_an_answer_can_be_changed_and_written(client: Any, clip: Clip, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="was not given"):
        answer = client.predict("tiny", clip.video, "mouse-a")
    answer.values[0] = 0
    answer.to_netcdf(tmp_path / "answer.nc")
    with xr.open_dataarray(tmp_path / "answer.nc") as found:
        np.testing.assert_array_equal(found, answer)
        assert found.attrs["warnings"] == answer.attrs["warnings"]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float64", ">f8", "int64"])
def test_videos_of_any_dtype_go_no_wider_than_they_need(
    client: Any, predictor: Predictor, clip: Clip, dtype: str
) -> None:
    video = clip.video.astype(dtype)
    sizes: list[int] = []
    answer = client.predict(
        "tiny",
        video,
        "mouse-a",
        behavior=clip.behavior,
        pupil_center=clip.pupil_center,
        progress=lambda sent, total: sizes.append(total),
    )
    expected = predictor.predict(Clip(video, clip.behavior, clip.pupil_center), "mouse-a")
    np.testing.assert_array_equal(answer.values, expected, strict=True)
    states = clip.behavior.nbytes + clip.pupil_center.nbytes
    assert sizes[0] - states - video.size * min(video.itemsize, 4) < 1500


def test_every_way_to_give_a_clip_is_the_same(client: Any, predictor: Predictor, clip: Clip, tmp_path: Path) -> None:
    arrays = {name: getattr(clip, name) for name in CLIP_ARRAYS}
    states = {name: arrays[name] for name in ("behavior", "pupil_center")}
    np.savez(tmp_path / "clip.npz", allow_pickle=False, **arrays)
    np.save(tmp_path / "video.npy", clip.video)
    fields = [("video", "f4", (4, 6)), ("responses", "f4", 3), ("behavior", "f4", 2), ("pupil_center", "f4", 2)]
    rows = np.zeros(clip.frames, fields)
    for name, array in arrays.items():
        rows[name] = array if name == "video" else array.T
    np.save(tmp_path / "7.npy", rows)
    expected = predictor.predict(clip, "mouse-a")
    for asked in (
        {"video": clip},
        {"video": clip.video} | states,
        {"video": clip.video.tolist()} | {name: state.tolist() for name, state in states.items()},
        {"video": tmp_path / "clip.npz"},
        {"video": str(tmp_path / "video.npy")} | states,
        {"video": tmp_path / "7.npy"},
        {"video": Clip(clip.video, clip.behavior + 1, clip.pupil_center), "behavior": clip.behavior},
    ):
        np.testing.assert_array_equal(client.predict("tiny", mouse="mouse-a", **asked), expected)


@pytest.mark.parametrize(("container", "codec"), [("mp4", "mpeg4"), ("webm", "libvpx")])
def test_a_film_is_sent_as_it_is_and_what_was_done_is_told(
    client: Any, tmp_path: Path, container: str, codec: str
) -> None:
    (tmp_path / "film").write_bytes(film(range(40, 200, 4), container, codec))
    with pytest.warns(UserWarning, match=r"resampled|not given") as told:
        answer = client.predict("tiny", tmp_path / "film", "mouse-a", behavior=[7, 1])
    assert answer.shape == (3, 60)
    assert answer.attrs["warnings"].split("\n") == [
        "64x48 at 20 frames/s resampled to 6x4 at 30 (area, crop, hold)",
        "pupil_center was not given: the mouse's mean in training stands for it (10, 20)",
    ]
    said = [str(one.message) for one in told if one.category is UserWarning]
    assert said == answer.attrs["warnings"].split("\n")


@pytest.mark.parametrize("method", ["predict", "stream"])
def test_warnings_name_the_line_that_asked(url: str, clip: Clip, method: str) -> None:
    with pytest.warns(UserWarning, match="not given") as told:
        list(getattr(SensoriumClient(url), method)("tiny", clip.video, "mouse-a"))

    async def ask() -> None:
        async with AsyncSensoriumClient(url) as client:
            if method == "predict":
                await client.predict("tiny", clip.video, "mouse-a")
            else:
                _ = [part async for part in client.stream("tiny", clip.video, "mouse-a")]

    with pytest.warns(UserWarning, match="not given") as told_too:
        asyncio.run(ask())
    ours = [one for one in [*told, *told_too] if one.category is UserWarning]
    assert {one.filename for one in ours} == {__file__}
    assert len(ours) == 4


def test_parts_of_answers_are_asked_for(client: Any, clip: Clip) -> None:
    whole = client.predict("tiny", clip, "mouse-a")
    for asked, expected in (
        ({"neurons": [2, 0]}, whole[[2, 0]]),
        ({"neurons": "2,0"}, whole[[2, 0]]),
        ({"unit_ids": np.array([9, 5])}, whole[[2, 0]]),
        ({"frames": "10..19"}, whole[:, 10:20]),
        ({"frames": "40..end", "neurons": [1]}, whole[[1], 40:]),
    ):
        answer = client.predict("tiny", clip, "mouse-a", **asked)
        xr.testing.assert_identical(answer, expected)
        assert (whole - answer).shape == expected.shape  # of the same unit ids and times
        assert not (whole - answer).any()
    mean = client.predict("tiny", clip, "mouse-a", frames="10..19", mean=True)
    assert mean.shape == (3, 1)
    np.testing.assert_allclose(mean, whole[:, 10:20].mean("time", keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(mean.time, [14.5 / 30])
    half = client.predict("tiny", clip, "mouse-a", dtype="float16")
    np.testing.assert_array_equal(half.values, whole.values.astype(np.float16), strict=True)


def test_sampling_and_rate_are_passed_on(client: Any, make_clip: Callable[..., Clip]) -> None:
    clip = make_clip(10, height=5)
    with pytest.warns(UserWarning, match=r"6x5 at 15 frames/s resampled to 6x4 at 30 \(nearest, pad, blend\)"):
        answer = client.predict("tiny", clip, "mouse-a", rate=15, resize="nearest", fit="pad", timing="blend")
    assert answer.shape == (3, 20)
    slow = Clip(clip.video, clip.behavior, clip.pupil_center, rate=10.0)
    with pytest.warns(UserWarning, match="at 10 frames/s"):
        assert client.predict("tiny", slow, "mouse-a").shape == (3, 30)


def test_areas_are_named_in_the_address(client_of: Any, clip: Clip) -> None:
    asked: list[bytes] = []

    async def listen(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["query_string"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"".join(stream())})

    with answering(listen) as url:
        client_of(url).predict("tiny", clip, areas=["V1", "LM"])
        client_of(url).predict("tiny", clip, areas="V1,LM")
    assert all(b"areas=V1%2CLM" in query and b"neurons" not in query for query in asked)


def test_many_are_asked_at_once(url: str, predictor: Predictor, make_clip: Callable[..., Clip]) -> None:
    clips = [make_clip(frames) for frames in range(1, 101)]

    async def ask() -> list[xr.DataArray]:
        async with AsyncSensoriumClient(url) as client:
            return await asyncio.gather(*(client.predict("tiny", clip, "mouse-a") for clip in clips))

    for clip, answer in zip(clips, asyncio.run(ask()), strict=True):
        np.testing.assert_array_equal(answer.values, predictor.predict(clip, "mouse-a"), strict=True)


def test_progress_rises_to_all_that_is_sent(client: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "video.npy", np.zeros((200, 36, 64), np.uint8))
    told: list[tuple[int, int]] = []
    with pytest.warns(UserWarning, match=r"not given|resampled"):
        client.predict("tiny", tmp_path / "video.npy", "mouse-a", progress=lambda *now: told.append(now))
    sent, totals = zip(*told, strict=True)
    assert list(sent) == sorted(set(sent))
    assert set(totals) == {sent[-1]}
    assert sent[-1] > 200 * 36 * 64
    assert len(sent) > 5


class Busy:
    """An application that first sends clients away."""

    def __init__(self, app: Any, times: int) -> None:
        self.app, self.left = app, times
        self.peers: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        self.peers.append(scope["client"])
        if not self.left:
            await self.app(scope, receive, send)
            return
        while (await receive()).get("more_body"):
            pass
        self.left -= 1
        await send({"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"1")]})
        await send({"type": "http.response.body"})


def test_a_busy_endpoint_is_sent_everything_again(
    client_of: Any, app: FastAPI, predictor: Predictor, clip: Clip, tmp_path: Path
) -> None:
    np.savez(tmp_path / "clip.npz", allow_pickle=False, **{name: getattr(clip, name) for name in CLIP_ARRAYS})
    told: list[int] = []
    for video in (clip, tmp_path / "clip.npz"):
        busy = Busy(app, times=1)
        with answering(busy) as url:
            answer = client_of(url).predict("tiny", video, "mouse-a", progress=lambda sent, _: told.append(sent))
        np.testing.assert_array_equal(answer.values, predictor.predict(clip, "mouse-a"), strict=True)
        assert len(busy.peers) == 2
    assert told.count(max(told)) >= 2


def test_an_endpoint_that_stays_busy_is_called_that(
    client_of: Any, app: FastAPI, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "RETRIES", Retry(0))
    with answering(Busy(app, times=9)) as url, pytest.raises(EndpointError, match="is too busy to answer; ask again"):
        client_of(url).predict("tiny", clip, "mouse-a")


def test_a_connection_is_used_again(app: FastAPI, clip: Clip) -> None:
    seen = Busy(app, times=0)
    with answering(seen) as url, SensoriumClient(url) as client:
        for _ in range(3):
            client.predict("tiny", clip, "mouse-a")
        list(client.stream("tiny", clip, "mouse-a"))
        assert len(set(seen.peers)) == 1
        with pytest.raises(EndpointError, match="none of the name"):
            client.predict("big", clip, "mouse-a")
        client.models()
        assert len(set(seen.peers)) == 1


class Slow:
    """An application that sends a part of an answer, and the others when it is told to."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        pieces = stream()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"".join(pieces[:2]), "more_body": True})
        came = await asyncio.to_thread(self.go_on.wait, 20)
        await send({"type": "http.response.body", "body": b"".join(pieces[2:]) if came else b""})


def test_parts_come_as_they_are_sent(clip: Clip) -> None:
    slow = Slow()
    with answering(slow) as url:
        parts = SensoriumClient(url).stream("tiny", clip)
        first = next(parts)
        slow.go_on.set()
        assert [part.shape for part in [first, *parts]] == [(3, 2)] * 3
    np.testing.assert_array_equal(first, [[0, 3], [1, 4], [2, 5]])


def test_parts_come_as_they_are_sent_and_the_loop_goes_on(clip: Clip) -> None:
    slow = Slow()

    async def ask(url: str) -> list[tuple[int, ...]]:
        async with AsyncSensoriumClient(url) as client:
            parts = client.stream("tiny", clip)
            shapes = [(await anext(parts)).shape]
            rest = asyncio.ensure_future(anext(parts))
            await asyncio.sleep(0.05)  # others have their turn while it waits
            assert not rest.done()
            slow.go_on.set()
            shapes.append((await rest).shape)
            return [*shapes, *[part.shape async for part in parts]]

    with answering(slow) as url:
        assert asyncio.run(ask(url)) == [(3, 2)] * 3


def test_who_stops_in_the_middle_hangs_up(app: FastAPI, clip: Clip) -> None:
    slow = Slow()

    async def ask(url: str) -> None:
        async with AsyncSensoriumClient(url) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.predict("tiny", clip), 0.5)

    with answering(slow) as url:
        asyncio.run(ask(url))
        slow.go_on.set()
        with SensoriumClient(url) as client:
            for part in client.stream("tiny", clip):
                assert part.shape == (3, 2)
                break
            assert client.predict("tiny", clip).shape == (3, 6)


def test_the_memory_of_a_stream_is_that_of_its_parts() -> None:
    code = """
import resource, sys, numpy as np
from sensorium_ray.client.clients import SensoriumClient
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
client, video = SensoriumClient(sys.argv[1]), np.zeros((2, 36, 64))
next(client.stream("tiny", video)); before = peak()
frames = sum(part.sizes["time"] for part in client.stream("tiny", video)); streamed = peak()
answer = client.predict("tiny", video); predicted = peak()
print(frames, answer.sizes["time"], streamed - before, predicted - before)
"""
    part, count = np.random.default_rng(0).random((128, 8000), np.float32), 50
    schema, whole, end = stream(1, part)

    async def much(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in [schema, *[whole] * count]:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": end})

    with answering(much) as url:
        told = subprocess.run(
            [sys.executable, "-c", code, url], capture_output=True, text=True, timeout=200, check=False
        )
    assert not told.stderr
    frames, kept, streamed, predicted = map(float, told.stdout.split())
    answer = count * part.nbytes / 2**20  # MiB
    assert frames == kept == count * 128
    assert streamed < answer / 4
    assert predicted < answer * 1.25


def answer_of(head: str, body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {ARROW}\r\n{head}\r\n".encode() + body


WHOLE = b"".join(stream())
MOST = b"".join(stream()[:-1])


@pytest.mark.parametrize(
    "raw",
    {
        "nothing": b"",
        "half a head": b"HTTP/1.1 200 O",
        "less than announced": answer_of(f"Content-Length: {len(WHOLE)}\r\n", WHOLE[:-30]),
        "no last chunk": answer_of("Transfer-Encoding: chunked\r\n", f"{len(WHOLE):x}\r\n".encode() + WHOLE + b"\r\n"),
        "cut in a message": answer_of("", WHOLE[:-30]),
        "cut between messages": answer_of("", MOST),
        "no byte of it": answer_of("", b""),
        "not packed as it says": answer_of("Content-Encoding: gzip\r\n", WHOLE),
    }.values(),
    ids=lambda raw: str(len(raw)),
)
def test_an_answer_that_breaks_off_is_none(client_of: Any, clip: Clip, raw: bytes) -> None:
    with saying(raw) as url:
        client = client_of(url)
        for method in (client.predict, lambda *asked: list(client.stream(*asked))):
            with pytest.raises(EndpointError, match=r"the connection broke \(\w+\); ask again"):
                method("tiny", clip)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n<h1>It works!</h1>", "answers, but not as a sensorium endpoint"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", "the connection broke"),
        (answer_of("", b"\xff\xff\xff\xff\x08\x00\x00\x00garbage!"), "answers, but not as a sensorium endpoint"),
        (answer_of("", stream()[0] + stream()[-1]), "answers, but not as a sensorium endpoint"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "answered with HTTP status 502"),
        (b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /\r\n\r\n", "answered with HTTP status 307"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the connection broke"),
    ],
)
def test_a_stranger_at_the_address_is_told_apart(client_of: Any, clip: Clip, raw: bytes, sentence: str) -> None:
    with saying(raw) as url:
        with pytest.raises(EndpointError, match=sentence):
            client_of(url).predict("tiny", clip, "mouse-a")
        with pytest.raises(EndpointError):
            client_of(url).models()


@given(place=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7), step=st.integers(1, 200))
def test_a_damaged_answer_is_refused_or_as_large_as_it_says(place: int, bit: int, step: int) -> None:
    raw = bytearray(WHOLE)
    raw[place] ^= 1 << bit
    answer = Answer()
    try:
        for start in range(0, len(raw), step):
            for frames in answer.take(bytes(raw[start : start + step])):
                assert frames.rows.shape == (len(frames.times), frames.rows.shape[1])
    except ForeignError:
        pass


def test_no_endpoint_is_one_sentence(client_of: Any) -> None:
    with pytest.raises(EndpointError, match="no endpoint answers; start one with"):
        client_of(f"http://127.0.0.1:{free_port()}").models()
    for address in ("127.0.0.1:8000", "", "http://", "ftp://127.0.0.1"):
        with pytest.raises(EndpointError, match="is not an address"):
            client_of(address).models()


@pytest.mark.parametrize("wrong", [None, "", "sensorium-x", "schlüssel"])
def test_a_key_is_sent(client_of: Any, bundles: Path, clip: Clip, wrong: str | None) -> None:
    key, kept = keys.make("lab", ["predict"])
    models = Catalogue(bundles)
    with answering(make_app(models, Predictors(models).predict, [kept])) as url:
        assert client_of(url, f"{key}\n").predict("tiny", clip, "mouse-a").shape == (3, 50)
        for method in (lambda client: client.models(), lambda client: client.predict("tiny", clip, "mouse-a")):
            with pytest.raises(EndpointError, match=r"authorization: is (missing|none of this endpoint's)"):
                method(client_of(url, wrong))


def test_the_endpoints_sentences_are_raised(client: Any, clip: Clip, make_clip: Callable[..., Clip]) -> None:
    for asked, sentence in (
        (("a b", clip, "mouse-a"), "model: there is none of the name 'a b' here; known are tiny"),
        (("tiny", clip, "x"), "mouse: 'x' is none of model 'tiny'; known are mouse-a, mouse-b"),
        (("tiny", clip), "mouse: is missing; name one of mouse-a, mouse-b"),
        (("tiny", np.zeros((3, 4)), "mouse-a"), r"video: has shape \(3, 4\); give \(frames, height, width\)"),
        (("tiny", np.full((3, 4, 6), 1e300), "mouse-a"), "video: holds NaN or infinite values"),
    ):
        with pytest.raises(EndpointError, match=sentence):
            client.predict(*asked)
    with pytest.raises(EndpointError, match="neurons: are 'x'; give whole numbers"):
        client.predict("tiny", clip, "mouse-a", neurons="x")
    with pytest.raises(EndpointError, match=r"behavior: has shape \(3,\)"):
        client.predict("tiny", clip, "mouse-a", behavior=[1, 2, 3])


def test_what_cannot_be_sent_is_refused_here(client: Any, clip: Clip, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "movie.mp4", tmp_path, tmp_path / "pipe"):
        with pytest.raises(DataError, match=f"{path}: is no file; name a video, an npz or an npy"):
            client.predict("tiny", path, "mouse-a")
    for video in ([[1], [1, 2]], np.array([{}]), None):
        with pytest.raises(DataError, match="video: is not a rectangular array of numbers"):
            client.predict("tiny", video, "mouse-a")
    with pytest.raises(ConfigError, match=r"unit_ids: are too many for an address; ask for all and choose"):
        client.predict("tiny", clip, "mouse-a", unit_ids=range(10_000))
    with pytest.raises(TypeError, match="tempo"):
        client.predict("tiny", clip, "mouse-a", tempo=3)


def test_it_needs_none_of_the_heavy_libraries() -> None:
    code = "import sensorium_ray as sr; sr.SensoriumClient('http://x'); sr.AsyncSensoriumClient('http://x')"
    assert loaded(code, "ray", "torch", "onnxruntime", "onnx", "fastapi", "av") == "[]"


def predict(*arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [*SENSORIUM, "predict", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False, **more)


def test_the_command_takes_films_and_tells_parts(url: str, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(film(range(40, 200, 4)))
    asked = (url, "tiny", tmp_path / "film.mp4", "--mouse", "mouse-a", "--frames", "50..end", "--unit-ids", "9,5")
    told = predict(*asked, "--out", tmp_path / "answer.npz", stderr=subprocess.PIPE)
    assert (told.returncode, told.stdout) == (0, f"{tmp_path / 'answer.npz'}: 2 neurons, 10 frames\n"), told.stderr
    assert told.stderr.startswith("note: 64x48 at 20 frames/s resampled to 6x4 at 30 (area, crop, hold)\nnote: beh")
    assert told.stderr.count("\n") == 3
    told = predict(*asked, "--out", tmp_path / "answer.npy", "--json", stderr=subprocess.PIPE)
    assert json.loads(told.stdout)["neurons"] == 2, told.stderr
    with np.load(tmp_path / "answer.npz") as answer:
        np.testing.assert_array_equal(np.load(tmp_path / "answer.npy"), answer["responses"], strict=True)
        np.testing.assert_array_equal(answer["unit_ids"], [9, 5])
        np.testing.assert_allclose(answer["times"], np.arange(50, 60) / 30)


def test_the_command_writes_parts_as_they_come(tmp_path: Path) -> None:
    np.save(tmp_path / "video.npy", np.zeros((5, 4, 6)))
    asked: list[bytes] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["query_string"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"".join(stream(40))})

    options = ("--mean", "--rate", 25, "--areas", "V1,LM", "--neurons", "0,5", "--out", tmp_path / "answer.npy")
    with answering(answer) as url:
        told = predict(url, "tiny", tmp_path / "video.npy", *options, stderr=subprocess.PIPE)
    assert told.stdout.endswith("answer.npy: 3 neurons, 80 frames\n"), told.stderr
    expected = np.tile(np.float32([[0, 3], [1, 4], [2, 5]]), 40)
    np.testing.assert_array_equal(np.load(tmp_path / "answer.npy"), expected, strict=True)
    for part in (b"mean=true", b"rate=25.0", b"areas=V1%2CLM", b"neurons=0%2C5"):
        assert part in asked[0]


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_the_command_leaves_nothing_of_an_answer_that_breaks_off(tmp_path: Path, suffix: str) -> None:
    np.save(tmp_path / "video.npy", np.zeros((5, 4, 6)))
    with saying(answer_of("", MOST)) as url:
        out = tmp_path / f"answer.{suffix}"
        told = predict(url, "tiny", tmp_path / "video.npy", "--out", out, stderr=subprocess.PIPE)
    assert told.returncode == 1
    assert told.stderr == f"error: {url}: the connection broke (RemoteProtocolError); ask again\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["video.npy"]


def test_the_command_shows_how_far_a_large_upload_is(url: str, tmp_path: Path) -> None:
    np.save(tmp_path / "video.npy", np.zeros((1000, 36, 64), np.float32))
    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def look() -> None:
        with contextlib.suppress(OSError):  # what a terminal says when the last one has left
            while True:
                shown.append(os.read(ours, 2**16))

    watcher = threading.Thread(target=look)
    watcher.start()
    out = tmp_path / "answer.npz"
    told = predict(url, "tiny", tmp_path / "video.npy", "--mouse", "mouse-a", "--out", out, stderr=theirs)
    os.close(theirs)
    watcher.join(10)
    os.close(ours)
    text = b"".join(shown).decode()
    assert told.returncode == 0, text
    assert "sending" in text
    assert "9.2/9.2 MB" in text
