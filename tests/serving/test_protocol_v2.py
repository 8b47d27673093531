"""The Open Inference Protocol over HTTP, by hand and through an unmodified tritonclient."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from fastapi import FastAPI
from fastapi.testclient import TestClient
from serving.endpoints import answering
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from sensorium_ray.bundle.predictor import Predictor, load_predictor
from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.serving import protocol_v1
from sensorium_ray.serving.answers import JSON
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.catalogue import Catalogue
from sensorium_ray.serving.predictors import Predictors
from sensorium_ray.serving.problems import PROBLEM
from sensorium_ray.serving.protocol_v2 import HEADER_LENGTH

INFER = "/v2/models/tiny/infer"


@pytest.fixture(scope="module")
def predictor(bundles: Any) -> Predictor:
    return load_predictor(bundles / "tiny")


@pytest.fixture(scope="module")
def app(bundles: Any) -> FastAPI:
    models = Catalogue(bundles)
    return make_app(models, Predictors(models).predict)


@pytest.fixture(scope="module")
def web(app: FastAPI) -> TestClient:
    return TestClient(app)


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[triton.InferenceServerClient]:
    """Triton's client of a real server in another thread."""
    with answering(app) as url:
        found = triton.InferenceServerClient(url.removeprefix("http://"))
        yield found
        found.close()


def tensors(clip: Clip, mouse: str, binary: bool = True) -> list[Any]:
    """Inputs of Triton's client."""
    inputs = [triton.InferInput(name, getattr(clip, name).shape, "FP32") for name in CLIP_ARRAYS]
    for entry, name in zip(inputs, CLIP_ARRAYS, strict=True):
        entry.set_data_from_numpy(getattr(clip, name), binary_data=binary)
    named = triton.InferInput("mouse", [1], "BYTES")
    named.set_data_from_numpy(np.array([mouse], dtype=object), binary_data=binary)
    return [*inputs, named]


def body(clip: Clip, **changes: Any) -> dict[str, Any]:
    """A request in JSON alone."""
    inputs = [
        {"name": name, "datatype": "FP32", "shape": list(array.shape), "data": array.ravel().tolist()}
        for name, array in ((name, getattr(clip, name)) for name in CLIP_ARRAYS)
    ]
    return {"inputs": inputs, "parameters": {"mouse": "mouse-a"}} | changes


def test_health_and_metadata(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", "1")
    assert not client.is_model_ready("big")
    assert not client.is_model_ready("tiny", "2")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    found = client.get_model_metadata("tiny")
    assert (found["name"], found["versions"]) == ("tiny", ["1"])
    assert {entry["name"]: (entry["datatype"], entry["shape"]) for entry in found["inputs"]} == {
        "video": ("FP32", [-1, 4, 6]),
        "behavior": ("FP32", [2, -1]),
        "pupil_center": ("FP32", [2, -1]),
        "mouse": ("BYTES", [1]),
        "neurons": ("INT64", [-1]),
    }
    assert [entry["name"] for entry in found["outputs"]] == ["responses", "unit_ids"]


@pytest.mark.parametrize("send", [True, False])
@pytest.mark.parametrize("receive", [True, False])
@pytest.mark.parametrize("packed", [None, "gzip", "deflate"])
def test_triton_gets_the_predictors_numbers(
    client: triton.InferenceServerClient, predictor: Predictor, clip: Clip, send: bool, receive: bool, packed: Any
) -> None:
    wanted = [triton.InferRequestedOutput(name, binary_data=receive) for name in ("responses", "unit_ids")]
    inputs = tensors(clip, "mouse-b", binary=send)
    answer = client.infer(
        "tiny", inputs, outputs=wanted, request_id="id-7", model_version="1", request_compression_algorithm=packed
    )
    assert answer.get_response()["id"] == "id-7"
    np.testing.assert_array_equal(answer.as_numpy("responses"), predictor.predict(clip, "mouse-b"), strict=True)
    np.testing.assert_array_equal(answer.as_numpy("unit_ids"), np.array([2, 3]), strict=True)


def test_the_mouse_may_be_a_parameter(client: triton.InferenceServerClient, predictor: Predictor, clip: Clip) -> None:
    answer = client.infer("tiny", tensors(clip, "mouse-a")[:3], parameters={"mouse": "mouse-a"})
    np.testing.assert_array_equal(answer.as_numpy("responses"), predictor.predict(clip, "mouse-a"))


def test_neurons_and_outputs_are_chosen(client: triton.InferenceServerClient, predictor: Predictor, clip: Clip) -> None:
    chosen = np.array([2, 0])
    neurons = triton.InferInput("neurons", [2], "INT64")
    neurons.set_data_from_numpy(chosen)
    answer = client.infer("tiny", [*tensors(clip, "mouse-a"), neurons])
    np.testing.assert_array_equal(answer.as_numpy("responses"), predictor.predict(clip, "mouse-a", chosen))
    np.testing.assert_array_equal(answer.as_numpy("unit_ids"), [9, 5])
    alone = client.infer("tiny", tensors(clip, "mouse-a"), outputs=[triton.InferRequestedOutput("responses")])
    assert alone.as_numpy("unit_ids") is None


@pytest.mark.parametrize("datatype", ["UINT8", "INT32", "FP64", "FP16"])
def test_videos_of_other_datatypes(
    client: triton.InferenceServerClient, predictor: Predictor, clip: Clip, datatype: str
) -> None:
    video = clip.video.astype(triton_to_np_dtype(datatype))
    inputs = tensors(clip, "mouse-a")
    inputs[0] = triton.InferInput("video", video.shape, datatype)
    inputs[0].set_data_from_numpy(video)
    expected = predictor.predict(Clip(video, clip.behavior, clip.pupil_center), "mouse-a")
    np.testing.assert_array_equal(client.infer("tiny", inputs).as_numpy("responses"), expected)


def test_triton_raises_our_sentences(client: triton.InferenceServerClient, clip: Clip) -> None:
    with pytest.raises(InferenceServerException, match="mouse: 'x' is none of model 'tiny'; known are mouse-a"):
        client.infer("tiny", tensors(clip, "x"))
    with pytest.raises(InferenceServerException, match="model: there is none of the name 'big' here"):
        client.infer("big", tensors(clip, "mouse-a"))


def test_json_may_be_nested_or_flat(web: TestClient, predictor: Predictor, clip: Clip) -> None:
    flat = body(clip)
    nested = body(clip)
    for entry in nested["inputs"]:
        entry["data"] = np.reshape(entry["data"], entry["shape"]).tolist()
    answers = [web.post(INFER, json=request).json()["outputs"][0] for request in (flat, nested)]
    assert answers[0] == answers[1]
    found = np.float32(answers[0]["data"]).reshape(answers[0]["shape"])
    np.testing.assert_array_equal(found, predictor.predict(clip, "mouse-a"))


def _changed(place: int, **changes: Any) -> Any:
    def change(request: dict[str, Any]) -> None:
        request["inputs"][place] |= changes

    return change


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        (lambda request: request.pop("inputs"), 400, "inputs: is no request of protocol v2"),
        (lambda request: request.update(inputs=3), 400, "inputs: is no request of protocol v2"),
        (_changed(0, name="film"), 400, "film: is no input of this model; known are video, behavior, pupil_center"),
        (_changed(0, name="behavior"), 400, "behavior: is given twice"),
        (_changed(0, datatype="FP8"), 400, "video: has datatype 'FP8'; known are BOOL, UINT8"),
        (_changed(0, shape=[7, 4, 6]), 400, "video: has data that are not FP32 of shape [7, 4, 6]"),
        (_changed(0, shape=[-1, 4, 6, 1]), 400, "inputs.0.shape: is no request of protocol v2"),
        (_changed(0, data=None), 400, "video: has neither data nor binary_data_size"),
        (_changed(0, data=["grey"]), 400, "video: has data that are not FP32"),
        (_changed(0, parameters={"binary_data_size": 8}), 400, "video: claims 8 binary bytes, of which 0 are left"),
        (_changed(0, parameters={"binary_data_size": -1}), 400, "video: claims -1 binary bytes"),
        (lambda request: request["inputs"].pop(0), 422, "clip: video missing"),
        (lambda request: request.update(parameters={}), 422, "mouse: is missing; name one of mouse-a, mouse-b"),
        (lambda request: request.update(parameters={"mouse": ["x"]}), 422, "mouse: is not one text"),
        (lambda request: request.update(outputs=[{"name": "film"}]), 400, "film: is no output of this model"),
        (
            lambda request: request["inputs"].append(
                {"name": "neurons", "datatype": "INT64", "shape": [1], "data": [3]}
            ),
            422,
            "neurons: are not indices of this mouse's neurons; give whole numbers from 0 to 2",
        ),
        (
            lambda request: request["inputs"].append({"name": "mouse", "datatype": "INT8", "shape": [1], "data": [3]}),
            422,
            "mouse: is not one text; give datatype BYTES",
        ),
    ],
)
def test_requests_at_fault_get_a_sentence(web: TestClient, clip: Clip, change: Any, status: int, sentence: str) -> None:
    request = body(clip)
    change(request)
    answer = web.post(INFER, json=request)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert answer.json()["error"].startswith(sentence)


@pytest.mark.parametrize(
    ("length", "tail", "sentence"),
    [
        ("x", b"", f"{HEADER_LENGTH}: is 'x'"),
        ("-1", b"", f"{HEADER_LENGTH}: is '-1'"),
        ("99999999", b"", f"{HEADER_LENGTH}: is '99999999'"),
        ("9" * 5000, b"", f"{HEADER_LENGTH}: is '99999999"),
        (None, b"left over", "the body: has 9 bytes behind its last binary input"),
        (None, struct.pack("<I", 7) + b"short", "mouse: has 9 bytes, which are not BYTES of shape [1]"),
        (None, bytes(2**20), "mouse: has 1048576 bytes, which are not BYTES of shape [1]"),
    ],
)
def test_binary_parts_that_do_not_add_up(
    web: TestClient, clip: Clip, length: str | None, tail: bytes, sentence: str
) -> None:
    request = body(clip)
    if sentence.startswith("mouse"):
        about = {"name": "mouse", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(tail)}}
        request["inputs"].append(about)
    text = json.dumps(request).encode()
    answer = web.post(INFER, content=text + tail, headers={HEADER_LENGTH: length or str(len(text))})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(sentence)


@pytest.mark.parametrize(
    ("content", "encoding", "status", "sentence"),
    [
        (gzip.compress(bytes(2 * 1024**2), mtime=0), "gzip", 413, "the body: is larger than 1 MiB"),
        (gzip.compress(b"{}", mtime=0)[:-4], "gzip", 400, "the body: is no whole gzip stream"),
        (b"{}", "gzip", 400, "the body: is no whole gzip stream"),
        (b"{}", "br", 415, "the body: is packed as 'br'; send it plain, or packed as one of gzip, deflate"),
    ],
)
def test_packed_bodies_are_bounded_and_whole(
    web: TestClient, monkeypatch: pytest.MonkeyPatch, content: bytes, encoding: str, status: int, sentence: str
) -> None:
    monkeypatch.setitem(protocol_v1.BODY_LIMITS, JSON, 1024**2)
    answer = web.post(INFER, content=content, headers={"content-encoding": encoding})
    assert (answer.status_code, answer.json()["error"][: len(sentence)]) == (status, sentence)
