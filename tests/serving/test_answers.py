"""Answers in every form, and parts of answers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from npz import pack

from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.serving import streaming, writers
from sensorium_ray.serving.answers import ABOUT, ARROW, FORMS, JSON, NPY, NPZ, PARQUET, Answer, accepted
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.catalogue import Catalogue
from sensorium_ray.serving.predictors import Predictors
from sensorium_ray.serving.problems import Refusal
from sensorium_ray.serving.served import Served

RESPONSES = np.random.default_rng(1).gamma(1.0, 1.0, (3, 50)).astype(np.float32)


@pytest.fixture(scope="module")
def answer(bundles: Path) -> Answer:
    model, times = Served.read(bundles / "tiny"), np.arange(50) / 30
    return Answer(model, "mouse-a", np.array([5, 7, 9]), times, np.dtype(np.float32), ("it was dark",))


def written(answer: Answer, media_type: str, *frames: int) -> bytes:
    """The responses in blocks of so many frames."""
    writer = writers.WRITERS[media_type](answer)
    blocks = np.split(RESPONSES, np.cumsum(frames)[:-1], axis=1)
    pieces = [piece for block in blocks for piece in writer.write(block)]
    return b"".join([*pieces, *writer.end()])


@pytest.fixture(scope="module")
def web(bundles: Path) -> TestClient:
    models = Catalogue(bundles)
    return TestClient(make_app(models, Predictors(models).predict))


def read(media_type: str, body: bytes) -> dict[str, Any]:
    """Responses (neurons, frames), unit_ids, times, and what else an answer says."""
    if media_type == JSON:
        found = json.loads(body)
        return found | {"responses": np.array(found["responses"], np.float32)}
    if media_type == NPY:
        return {"responses": np.load(io.BytesIO(body))}
    if media_type == NPZ:
        with np.load(io.BytesIO(body)) as archive:
            return {name: archive[name] for name in archive.files if name != "about"} | json.loads(
                str(archive["about"])
            )
    table = pa.ipc.open_stream(body).read_all() if media_type == ARROW else pq.read_table(io.BytesIO(body))
    rows = table["responses"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
    about = json.loads(table.schema.metadata[b"sensorium"])
    return {"responses": rows.T, "times": table["time"].to_numpy()} | about


@pytest.mark.parametrize("frames", [(50,), (20, 30), (1, 48, 1)])
@pytest.mark.parametrize("media_type", sorted(FORMS))
def test_every_form_carries_every_bit_and_what_made_it(
    answer: Answer, media_type: str, frames: tuple[int, ...]
) -> None:
    found = read(media_type, written(answer, media_type, *frames))
    np.testing.assert_array_equal(found.pop("responses"), RESPONSES, strict=True)
    if media_type == NPY:
        return
    np.testing.assert_array_equal(found.pop("times"), answer.times)
    np.testing.assert_array_equal(found.pop("unit_ids"), answer.unit_ids)
    assert found == {
        "model": "tiny",
        "checksum": answer.model.checksum,
        "mouse": "mouse-a",
        "rate": 30.0,
        "units": "deconvolved calcium, arbitrary units",
        "warnings": ["it was dark"],
    }


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (NPY, NPY),
        (f"text/html, {PARQUET}", PARQUET),
        (f"{JSON};q=0.5, {NPZ};q=0.9", NPZ),
        (f"{JSON};q=0, */*", NPZ),
        (f"*/*;q=0.1, {ARROW}", ARROW),
        (f"{ARROW.upper()}; q=high", ARROW),
    ],
)
def test_the_client_gets_what_it_likes_best(accept: str, expected: str) -> None:
    assert accepted(accept) == expected


def test_forms_that_are_not_written_are_refused() -> None:
    with pytest.raises(Refusal, match="accept: is 'text/csv, video/\\*', of which nothing is written here; known are"):
        accepted("text/csv, video/*")


def ask(web: TestClient, clip: Clip, query: str = "", form: str = NPZ) -> Any:
    body = pack({name: getattr(clip, name) for name in CLIP_ARRAYS})
    url = f"/v1/models/tiny/predict?mouse=mouse-a{query}"
    return web.post(url, content=body, headers={"content-type": NPZ, "accept": form})


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize(
    ("query", "neurons", "frames"),
    [
        ("", [0, 1, 2], slice(None)),
        ("&neurons=2,0", [2, 0], slice(None)),
        ("&unit_ids=9", [2], slice(None)),
        ("&areas=V1", [0, 2], slice(None)),
        ("&areas=V1,LM", [0, 1, 2], slice(None)),
        ("&frames=10..19", [0, 1, 2], slice(10, 20)),
        ("&frames=48..end&unit_ids=7,5", [1, 0], slice(48, 50)),
        ("&frames=40..999", [0, 1, 2], slice(40, 50)),
    ],
)
def test_neurons_and_frames_are_chosen(
    web: TestClient, clip: Clip, form: str, query: str, neurons: list[int], frames: slice
) -> None:
    whole = read(NPZ, ask(web, clip).content)
    answer = ask(web, clip, query, form)
    assert answer.headers["content-type"] == form
    found = read(form, answer.content)
    np.testing.assert_array_equal(found["responses"], whole["responses"][neurons][:, frames])
    if form != NPY:
        np.testing.assert_array_equal(found["unit_ids"], whole["unit_ids"][neurons])
        np.testing.assert_array_equal(found["times"], np.arange(50)[frames] / 30)


def test_means_and_half_precision(web: TestClient, clip: Clip) -> None:
    whole = read(NPZ, ask(web, clip).content)["responses"]
    mean = read(NPZ, ask(web, clip, "&frames=10..19&mean=true").content)
    np.testing.assert_allclose(mean["responses"], whole[:, 10:20].mean(1, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(mean["times"], [14.5 / 30])
    half = read(NPZ, ask(web, clip, "&dtype=float16").content)["responses"]
    np.testing.assert_array_equal(half, whole.astype(np.float16), strict=True)


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("query", ["", "&frames=10..41&neurons=2,0", "&dtype=float16"])
def test_a_long_answer_is_the_same_in_blocks(
    web: TestClient, clip: Clip, form: str, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ask(web, clip, query, form)
    monkeypatch.setattr(streaming, "_BLOCK", 60)  # bytes: some frames each
    monkeypatch.setattr(streaming, "_PIECE", 11)
    pieces = ask(web, clip, query, form)
    assert "content-length" in whole.headers
    assert "content-length" not in pieces.headers
    assert json.loads(pieces.headers[ABOUT]) == json.loads(whole.headers[ABOUT])
    expected, found = read(form, whole.content), read(form, pieces.content)
    np.testing.assert_array_equal(found["responses"], expected["responses"], strict=True)


def test_too_much_for_json_is_refused(web: TestClient, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "MOST_NUMBERS", 100)
    answer = ask(web, clip, form=JSON)
    assert (answer.status_code, ask(web, clip).status_code) == (422, 200)
    assert answer.json()["detail"].startswith("the answer: has 150 numbers, too many for JSON; accept one of")


def test_what_half_precision_cannot_hold_is_refused(web: TestClient, clip: Clip) -> None:
    bright = Clip(clip.video * 1e4, clip.behavior, clip.pupil_center)
    answer = ask(web, bright, "&dtype=float16")
    assert (answer.status_code, ask(web, bright).status_code) == (422, 200)
    assert "not finite" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("&neurons=0,x", "neurons: are '0,x'; give whole numbers"),
        ("&neurons=", "neurons: are ''; give whole numbers"),
        ("&neurons=-1", "neurons: are '-1'; give whole numbers"),
        ("&neurons=3", "neurons: are not indices of this mouse's neurons; give 0 to 2"),
        ("&neurons=99999999999999999999", "neurons: are '99999999999999999999'; give whole numbers"),
        ("&neurons=0&unit_ids=5", "neurons: are given beside unit_ids; choose by one of neurons, unit_ids, areas"),
        ("&areas=V1&unit_ids=5", "unit_ids: are given beside areas; choose by one of"),
        ("&areas=V1,RL", "areas: 'RL' is none of this mouse's; known are LM, V1"),
        ("&areas=", "areas: '' is none of this mouse's; known are LM, V1"),
        ("&mouse=mouse-b&areas=V1", "areas: are not known to this model; choose by neurons or unit_ids, or"),
        ("&unit_ids=6", "unit_ids: 6 is none of this mouse's; GET /v1/models/tiny/mice/mouse-a lists them"),
        ("&frames=5", "frames: '5' names no frames; write it as 50..299 or 50..end"),
        ("&frames=\u00b2..9", "frames: '\u00b2..9' names no frames"),
        (f"&frames=0..{'9' * 5000}", "frames: '0..999"),
        ("&frames=50..99", "frames: are none of the clip's 50; choose among 0..49"),
        ("&mean=perhaps", "mean: Input should be a valid boolean"),
        ("&dtype=float8", "dtype: Input should be 'float32' or 'float16'"),
    ],
)
def test_parts_that_do_not_exist_get_a_sentence(web: TestClient, clip: Clip, query: str, sentence: str) -> None:
    answer = ask(web, clip, query)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(sentence)
