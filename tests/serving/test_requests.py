"""An id, a line in the log and counts for every request, however it ends."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from npz import pack
from serving.conftest import noise

from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.serving import gate, keys
from sensorium_ray.serving.answers import NPZ
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.gate import Gate
from sensorium_ray.serving.problems import PROBLEM
from sensorium_ray.serving.requests import Recorded
from sensorium_ray.serving.served import Served

URL = "/v1/models/tiny/predict?mouse=mouse-a"
SECRET, KNOWN = keys.make("lab", ["predict"])
ADMIN, KNOWN_ADMIN = keys.make("operator", ["admin"])


async def level(model: str, clip: Clip, mouse: str, neurons: np.ndarray | None) -> AsyncIterator[np.ndarray]:
    """Stands in for the replicas; a white clip makes it fail."""
    if clip.video.min() == 255:
        raise RuntimeError("the reason")
    gains = np.array([1, 2, 3])[slice(None) if neurons is None else neurons]
    yield np.outer(gains, clip.video.mean((1, 2))).astype(np.float32)


@pytest.fixture
def web(bundles: Path) -> TestClient:
    return TestClient(make_app({"tiny": Served.read(bundles / "tiny")}, level))


@pytest.fixture
def locked(bundles: Path) -> TestClient:
    return TestClient(make_app({"tiny": Served.read(bundles / "tiny")}, level, [KNOWN, KNOWN_ADMIN]))


def npz_of(clip: Clip) -> bytes:
    return pack({name: getattr(clip, name) for name in CLIP_ARRAYS})


def white(frames: int = 5) -> Clip:
    clip = noise(frames)
    return Clip(np.full_like(clip.video, 255), clip.behavior, clip.pupil_center)


class Kept(logging.Handler):
    """All that the endpoint logs."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(vars(record) | {"text": self.format(record)})


@pytest.fixture
def log() -> Iterator[Kept]:
    logger, kept = logging.getLogger("ray.serve.sensorium"), Kept()
    before = logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.INFO)
    yield kept
    logger.setLevel(before)
    logger.removeHandler(kept)


def records(log: Kept) -> list[dict[str, Any]]:
    """Lines of requests."""
    return [record for record in log.records if "bytes_in" in record]


def test_the_clients_own_id_comes_back(web: TestClient) -> None:
    answer = web.get("/v1/models", headers={"X-Request-ID": "run-7.b_2"})
    assert answer.headers.get_list("x-request-id") == ["run-7.b_2"]


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 129, "a\tb", "<script>", "ä".encode()])
def test_what_is_no_sane_id_is_replaced(web: TestClient, given: str | bytes | None) -> None:
    [known] = web.get("/v1/models", headers={} if given is None else {"X-Request-ID": given}).headers.get_list(
        "x-request-id"
    )
    assert re.fullmatch("[0-9a-f]{32}", known)


def test_a_prediction_is_one_line(locked: TestClient, clip: Clip, log: Kept) -> None:
    body = npz_of(clip)
    headers = {"content-type": NPZ, "x-request-id": "id-1", "authorization": f"Bearer {SECRET}"}
    answer = locked.post(f"{URL}&neurons=0,2", content=body, headers=headers)
    assert answer.status_code == 200
    [line] = records(log)
    assert {name: line[name] for name in ("request_id", "method", "path", "status", "levelname")} == {
        "request_id": "id-1",
        "method": "POST",
        "path": "/v1/models/{name}/predict",
        "status": 200,
        "levelname": "INFO",
    }
    assert (line["model"], line["mouse"], line["frames"], line["neurons"], line["key"]) == (
        "tiny",
        "mouse-a",
        50,
        2,
        "lab",
    )
    assert (line["bytes_in"], line["bytes_out"]) == (len(body), len(answer.content))
    assert 0 < line["seconds"] < 60
    assert SECRET not in str(log.records)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"", 401),
        ({"authorization": "Bearer sensorium-wrong-and-secret"}, b"", 401),
        ({"authorization": f"Bearer {SECRET}"}, b"no npz", 400),
        ({"authorization": f"Bearer {SECRET}"}, npz_of(white()), 500),
    ],
)
def test_a_request_that_fails_is_one_line_with_its_id_and_no_secret(
    locked: TestClient, log: Kept, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = locked.post(URL, content=body, headers={"content-type": NPZ, "x-request-id": "id-2"} | headers)
    assert (answer.status_code, answer.headers["x-request-id"]) == (status, "id-2")
    assert answer.json().get("request_id") == ("id-2" if status == 500 else None)
    [line] = records(log)
    assert (line["request_id"], line["status"]) == ("id-2", status)
    assert line["levelname"] == ("WARNING" if status == 500 else "INFO")
    assert "secret" not in str(log.records)
    assert SECRET not in str(log.records)


def test_unknown_addresses_and_methods_are_logged_under_one_name(web: TestClient, log: Kept) -> None:
    web.get("/some/where?key=hidden")
    web.request("BREW", "/v1/models")
    assert [(line["method"], line["path"]) for line in records(log)] == [
        ("GET", "(none)"),
        ("(none)", "/v1/models"),
    ]
    assert "hidden" not in str(log.records)


def test_probes_are_logged_at_debug_alone(web: TestClient, log: Kept) -> None:
    web.get("/v2/health/ready")
    assert not records(log)
    logging.getLogger("ray.serve.sensorium").setLevel(logging.DEBUG)
    web.get("/v2/health/ready")
    assert [line["path"] for line in records(log)] == ["/v2/health/ready"]


def test_a_client_that_leaves_is_logged_too(log: Kept) -> None:
    async def leave(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        raise asyncio.CancelledError

    async def ignore(_: Any) -> None: ...

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"x-request-id", b"id-3")]}
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(Recorded(leave)(scope, ignore, ignore))  # type: ignore[arg-type]
    [line] = records(log)
    assert (line["request_id"], line["status"], line["bytes_out"]) == ("id-3", 499, 4)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """A process's gate, before it has become a replica."""
    own = Gate()
    monkeypatch.setattr(gate, "HERE", own)
    return own


def gated(queue: Any) -> TestClient:
    """What Serve makes of its own queue and our middlewares."""
    for middleware in gate.middlewares():
        queue = middleware.cls(queue, *middleware.args, **middleware.kwargs)
    return TestClient(queue)


async def full(scope: Any, receive: Any, send: Any) -> None:
    """Serve's answer where too many wait."""
    await send({"type": "http.response.start", "status": 503, "headers": [(b"x-request-id", b"serves")]})
    await send({"type": "http.response.body", "body": b"Request dropped due to backpressure"})


def test_a_full_queue_is_told_in_our_words_and_does_not_hide_the_probes(here: Gate, web: TestClient, log: Kept) -> None:
    here.app = web.app
    before = gated(full)
    answer = before.get("/v1/models", headers={"x-request-id": "id-4"})
    assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM)
    assert (answer.headers["retry-after"], answer.headers.get_list("x-request-id")) == ("1", ["id-4"])
    assert answer.json()["request_id"] == "id-4"
    assert answer.json()["detail"] == "the endpoint: has too many requests waiting; ask again"
    assert [(line["request_id"], line["status"]) for line in records(log)] == [("id-4", 503)]
    assert before.get("/v2/health/ready").status_code == before.get("/metrics").status_code == 200


def test_a_gate_that_is_closing_refuses_and_waits(here: Gate, web: TestClient) -> None:
    here.app = web.app
    before = gated(web.app)
    assert before.get("/v1/models").status_code == 200

    async def close() -> bool:
        here.passing += 1
        closing = asyncio.create_task(here.close())
        await asyncio.sleep(0.2)
        waited = not closing.done()
        here.passing -= 1
        await closing
        return waited

    assert asyncio.run(close())
    for path in ("/v1/models", "/v2/health/ready"):
        answer = before.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["detail"] == "the endpoint: is about to stop; ask again"
    passed = [before.get(path).status_code for path in ("/v2/health/live", "/metrics", "/-/healthz")]
    assert passed == [200, 200, 404]  # the last is Serve's


def test_serves_own_proxy_leaves_the_records_to_the_replica(here: Gate, web: TestClient, log: Kept) -> None:
    answer = gated(web.app).get("/v1/models", headers={"x-request-id": "id-5"})
    assert answer.headers.get_list("x-request-id") == ["id-5"]
    assert len(records(log)) == 1
