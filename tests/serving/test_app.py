from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from npz import pack
from serving.conftest import AREAS, POSITIONS

from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.errors import DataError
from sensorium_ray.serving import protocol_v1
from sensorium_ray.serving.answers import JSON, NPZ
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.problems import PROBLEM
from sensorium_ray.serving.served import Served

URL = "/v1/models/tiny/predict"


async def mean_grey(model: str, clip: Clip, mouse: str, neurons: np.ndarray | None) -> AsyncIterator[np.ndarray]:
    """Stands in for the replicas; a dark clip is refused and a white one makes it fail."""
    if clip.video.max() == 0:
        raise DataError("is dark", "video", "switch on the light")
    if clip.video.min() == 255:
        raise RuntimeError("the secret reason")
    yield np.outer([1, 2, 3], clip.video.mean((1, 2))).astype(np.float32)


@pytest.fixture
def web(bundles: Path) -> TestClient:
    return TestClient(make_app({"tiny": Served.read(bundles / "tiny")}, mean_grey))


def npz_of(clip: Clip, **changes: np.ndarray) -> bytes:
    return pack({name: getattr(clip, name) for name in CLIP_ARRAYS} | changes)


def test_health(web: TestClient) -> None:
    assert web.get("/v2/health/live").status_code == web.get("/v2/health/ready").status_code == 200


def test_models_are_listed_and_described(web: TestClient) -> None:
    [model] = web.get("/v1/models").json()["models"]
    assert model == web.get("/v1/models/tiny").json()
    assert len(model.pop("checksum")) == 64
    assert model == {
        "name": "tiny",
        "kind": "model",
        "architecture": "gains",
        "mice": [{"name": "mouse-a", "neurons": 3}, {"name": "mouse-b", "neurons": 2}],
        "frame_shape": [4, 6],
        "rate": 30.0,
        "behavior_channels": 2,
        "inputs": "recorded",
    }


def test_a_mouse_is_described(web: TestClient) -> None:
    assert web.get("/v1/models/tiny/mice/mouse-a").json() == {
        "name": "mouse-a",
        "neurons": 3,
        "unit_ids": [5, 7, 9],
        "positions": POSITIONS,
        "areas": AREAS,
        "behavior_mean": [3, 1],
        "pupil_center_mean": [10, 20],
    }


def test_what_is_not_known_of_a_mouse_is_null(web: TestClient) -> None:
    assert web.get("/v1/models/tiny/mice/mouse-b").json() == {
        "name": "mouse-b",
        "neurons": 2,
        "unit_ids": [2, 3],
        "positions": None,
        "areas": None,
        "behavior_mean": None,
        "pupil_center_mean": None,
    }


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/v1/models/tiny/mice/x", "mouse: 'x' is none of model 'tiny'; known are mouse-a, mouse-b"),
        ("/v1/models/big/mice/mouse-a", "model: there is none of the name 'big' here; known are tiny"),
    ],
)
def test_a_mouse_that_is_not_there_is_a_404(web: TestClient, path: str, sentence: str) -> None:
    answer = web.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM)
    assert answer.json()["detail"] == sentence


def test_answers_come_as_json_unless_npz_is_accepted(web: TestClient, clip: Clip) -> None:
    request = {"params": {"mouse": "mouse-a"}, "content": npz_of(clip)}
    as_json = web.post(URL, **request, headers={"content-type": NPZ})
    as_npz = web.post(URL, **request, headers={"content-type": NPZ, "accept": NPZ})
    assert (as_json.headers["content-type"], as_npz.headers["content-type"]) == (JSON, NPZ)
    with np.load(io.BytesIO(as_npz.content)) as archive:
        np.testing.assert_array_equal(archive["responses"], np.float32(as_json.json()["responses"]), strict=True)


def test_json_is_read_with_its_mouse(web: TestClient, clip: Clip) -> None:
    body = {name: getattr(clip, name).tolist() for name in CLIP_ARRAYS}
    answer = web.post(URL, json=body | {"mouse": "mouse-a"}).json()
    assert (answer["mouse"], np.shape(answer["responses"])) == ("mouse-a", (3, 50))


@pytest.mark.parametrize(
    ("path", "content_type", "status", "sentence"),
    [
        (URL, NPZ, 422, "mouse: is missing; name one of mouse-a, mouse-b"),
        (f"{URL}?mouse=x", NPZ, 404, "mouse: 'x' is none of model 'tiny'; known are mouse-a, mouse-b"),
        ("/v1/models/big/predict?mouse=x", NPZ, 404, "model: there is none of the name 'big' here; known are tiny"),
        (f"{URL}?mouse=mouse-a", "text/csv", 415, "content-type: is 'text/csv', which is not read here"),
        (f"{URL}?mouse=mouse-a", JSON, 400, "the body: is not readable JSON"),
    ],
)
def test_requests_at_fault_get_a_sentence(
    web: TestClient, clip: Clip, *, path: str, content_type: str, status: int, sentence: str
) -> None:
    answer = web.post(path, content=npz_of(clip), headers={"content-type": content_type})
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM
    assert answer.json()["status"] == status
    assert answer.json()["detail"].startswith(sentence)
    assert answer.json()["field"] == sentence.partition(":")[0]


def test_what_the_predictor_refuses_is_the_clients_fault(web: TestClient, clip: Clip) -> None:
    body = npz_of(clip, video=np.zeros_like(clip.video))
    answer = web.post(f"{URL}?mouse=mouse-a", content=body, headers={"content-type": NPZ})
    assert answer.status_code == 422
    assert answer.json() == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "video: is dark; switch on the light",
        "field": "video",
        "mend": "switch on the light",
        "error": "video: is dark; switch on the light",
    }


def test_a_failure_of_ours_is_logged_by_its_id_and_not_told(
    web: TestClient, clip: Clip, log: pytest.LogCaptureFixture
) -> None:
    body = npz_of(clip, video=np.full_like(clip.video, 255))
    headers = {"content-type": NPZ, "x-request-id": "id-7"}
    answer = web.post(f"{URL}?mouse=mouse-a", content=body, headers=headers)
    assert (answer.status_code, answer.json()["request_id"]) == (500, "id-7")
    assert "secret" not in answer.text
    assert "id-7" in log.text
    assert "the secret reason" in log.text


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_too_large_is_refused_while_it_is_read(
    web: TestClient, clip: Clip, announced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(protocol_v1.BODY_LIMITS, NPZ, 1024**2)
    body = bytes(2 * 1024**2)

    def in_pieces() -> Iterator[bytes]:
        yield from (body[start : start + 65536] for start in range(0, len(body), 65536))

    answer = web.post(f"{URL}?mouse=mouse-a", content=body if announced else in_pieces(), headers={"content-type": NPZ})
    assert answer.status_code == 413
    assert answer.json()["detail"].startswith("the body: is larger than 1 MiB")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nothing", 404), ("DELETE", "/v1/models", 405)])
def test_unknown_addresses_answer_in_json_too(web: TestClient, method: str, path: str, status: int) -> None:
    answer = web.request(method, path)
    assert answer.status_code == status
    assert "GET /v1/models" in answer.json()["mend"]
