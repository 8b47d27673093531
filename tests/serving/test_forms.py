"""Videos as files, with what the mouse did beside them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from films import film
from npz import pack

from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.serving import protocol_v1
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.catalogue import Catalogue
from sensorium_ray.serving.predictors import Predictors

URL = "/v1/models/tiny/predict"
RAMP = np.arange(40, 200, 4, dtype=np.uint8)
"""Grey levels of the frames of a film."""


@pytest.fixture(scope="module")
def web(bundles: Path) -> TestClient:
    models = Catalogue(bundles)
    return TestClient(make_app(models, Predictors(models).predict))


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def ask(web: TestClient, files: dict[str, Any], query: str = "?mouse=mouse-a", **text: str) -> Any:
    return web.post(URL + query, files=files, data=text)


@pytest.mark.parametrize(("container", "codec"), [("mp4", "mpeg4"), ("webm", "libvpx"), ("avi", "mpeg4")])
def test_a_film_is_answered_frame_by_frame(web: TestClient, container: str, codec: str) -> None:
    """The model's answer is a gain times grey level + mean behaviour + mean pupil centre: see conftest.py."""
    answer = ask(web, {"video": ("film", film(RAMP, container, codec))}).json()
    responses = np.array(answer["responses"])
    assert responses.shape == (3, len(RAMP) * 30 // 20)
    shown = RAMP[np.arange(responses.shape[1]) * 20 // 30]
    np.testing.assert_allclose(responses[0] / 0.1, shown + 2 + 15, atol=4)
    assert answer["warnings"] == [
        "64x48 at 20 frames/s resampled to 6x4 at 30 (area, crop, hold)",
        "behavior was not given: the mouse's mean in training stands for it (3, 1)",
        "pupil_center was not given: the mouse's mean in training stands for it (10, 20)",
    ]


def test_every_form_of_the_same_is_the_same(web: TestClient, clip: Clip) -> None:
    arrays = {name: getattr(clip, name) for name in CLIP_ARRAYS}
    table = "dilation,speed\n" + "\n".join(",".join(map(repr, row)) for row in clip.behavior.T.tolist())
    asked = [
        ask(web, {name: ("x.npy", npy(array)) for name, array in arrays.items()}),
        ask(web, {"video": ("x.npz", pack(arrays))}, "", mouse="mouse-a"),
        ask(
            web,
            {"video": ("x.npy", npy(clip.video)), "behavior": ("b.csv", table.encode())},
            pupil_center=json.dumps(clip.pupil_center.tolist()),
        ),
        web.post(f"{URL}?mouse=mouse-a", content=pack(arrays), headers={"content-type": "application/x-npz"}),
    ]
    answers = [answer.json()["responses"] for answer in asked]
    assert answers[0] == answers[1] == answers[3]
    np.testing.assert_allclose(answers[2], answers[0], rtol=1e-6)


def test_one_row_of_behaviour_holds_for_the_whole_clip(web: TestClient, clip: Clip) -> None:
    files = {"video": ("x.npy", npy(clip.video))}
    answers = [ask(web, files, behavior=text, pupil_center="10,20").json() for text in ("7,1", "[7, 1]", "a,b\r7,1")]
    assert answers[0]["responses"] == answers[1]["responses"] == answers[2]["responses"]
    assert answers[0]["warnings"] == []


@pytest.mark.parametrize(
    ("files", "text", "status", "sentence"),
    [
        ({}, {"mouse": "mouse-a"}, 415, "content-type: is 'application/x-www-form-urlencoded'"),
        ({"behavior": b"1,2"}, {}, 422, "video: is missing; send a file"),
        ({"video": b"no film"}, {}, 422, "video: "),
        ({"video": b""}, {}, 422, "video: "),
        ({"video": film(RAMP)[:-2000]}, {}, 422, "video: "),
        ({"video": b"\x93NUMPY garbage"}, {}, 422, "video: is cut off or damaged"),
        ({"video": npy(np.array([{}], dtype=object))}, {}, 422, "video: holds pickled Python objects"),
        ({"video": pack({"film": np.zeros(3)})}, {}, 422, "video: is missing in the npz"),
        ({"film": b"x"}, {}, 400, "film: is no part of this form; known are video, behavior"),
        (
            {"video": npy(np.full((5, 4, 6), 3e38))},
            {},
            422,
            "clip: has values at which the model's answers are not finite",
        ),
        ({"video": npy(np.zeros((5, 4, 6)))}, {"behavior": "fast"}, 422, "behavior: "),
        ({"video": npy(np.zeros((5, 4, 6)))}, {"behavior": "[[1, 2], [3]]"}, 422, "behavior: is no array of numbers"),
        ({"video": npy(np.zeros((5, 4, 6)))}, {"behavior": "1" * 200_000}, 422, "behavior: "),
        ({"video": npy(np.zeros((5, 4, 6)))}, {"behavior": "1,2,3"}, 422, "behavior: has shape (3,)"),
        ({"video": npy(np.zeros((5, 4, 6)))}, {"mouse": "mouse-b"}, 422, "mouse: is 'mouse-b' in the form but"),
        ({"video": npy(np.zeros((5, 4, 6))), "mouse": b"mouse-a"}, {}, 422, "mouse: is a file"),
    ],
)
def test_forms_at_fault_get_a_sentence(
    web: TestClient, files: dict[str, bytes], text: dict[str, str], status: int, sentence: str
) -> None:
    answer = ask(web, {name: (name, content) for name, content in files.items()}, **text)
    assert (answer.status_code, answer.json()["detail"][: len(sentence)]) == (status, sentence)


def test_a_form_that_is_too_large_is_refused(web: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(protocol_v1.BODY_LIMITS, protocol_v1.FORM, 1024**2)
    answer = ask(web, {"video": ("x.mp4", bytes(2 * 1024**2))})
    assert (answer.status_code, answer.json()["field"]) == (413, "the body")


def test_a_form_that_breaks_off_is_refused(web: TestClient) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="video"; filename="v"\r\n\r\nabc'
    answer = web.post(URL, content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code in (400, 422)
