"""Gradients over HTTP: as the bundle's own, of what is weighted, and refused with a sentence."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from loaded import loaded
from npz import pack
from serving.endpoints import Awaited, answering

from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.client.clients import SensoriumClient
from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.errors import EndpointError
from sensorium_ray.insilico.opening import open_subject
from sensorium_ray.serving.answers import NPZ
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.predictors import Predictors
from sensorium_ray.serving.problems import PROBLEM
from sensorium_ray.serving.served import Served

MODEL, FRAMES = "linear_nonlinear", 12
URL = f"/v1/models/{MODEL}/gradients"


@pytest.fixture(scope="module")
def models(bundles: Path) -> dict[str, Served]:
    return {MODEL: Served.read(PRETRAINED / MODEL), "tiny": Served.read(bundles / "tiny")}


@pytest.fixture(scope="module")
def web(models: dict[str, Served]) -> TestClient:
    predictors = Predictors(models)
    return TestClient(make_app(models, predictors.predict, differentiate=predictors.differentiate))


@pytest.fixture(scope="module")
def url(web: TestClient) -> Iterator[str]:
    with answering(web.app) as url:
        yield url


@pytest.fixture(scope="module")
def mouse(models: dict[str, Served]) -> str:
    return models[MODEL].manifest.mice[1].name


@pytest.fixture
def film(make_clip: Callable[..., Clip]) -> Clip:
    return make_clip(FRAMES, 36, 64)


@pytest.fixture
def weights() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, FRAMES)).astype(np.float32)


def post(web: TestClient, clip: Clip, mouse: str, url: str = URL, **changes: Any) -> httpx.Response:
    params = {name: changes.pop(name) for name in ("neurons", "frames") if name in changes}
    arrays = {name: getattr(clip, name) for name in CLIP_ARRAYS} | changes
    arrays = {name: array for name, array in arrays.items() if array is not None}
    return web.post(url, params={"mouse": mouse, **params}, content=pack(arrays), headers={"content-type": NPZ})


def told(answer: httpx.Response) -> dict[str, np.ndarray]:
    assert answer.status_code == 200, answer.text
    with np.load(io.BytesIO(answer.content)) as archive:
        return dict(archive)


@pytest.mark.parametrize("client_of", [SensoriumClient, Awaited])
def test_a_client_is_told_what_the_bundle_itself_tells(
    client_of: Any, url: str, mouse: str, film: Clip, weights: np.ndarray
) -> None:
    found = client_of(url).gradients(MODEL, film, mouse, weights=weights, neurons=[3, 7])
    subject = open_subject(PRETRAINED / MODEL, mouse, [3, 7])
    [(responses, gradient)] = subject.differentiate([film], [weights])
    np.testing.assert_allclose(found["responses"], responses, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["gradient"], gradient, rtol=1e-4, atol=1e-7)
    assert abs(gradient).max() > 0
    assert found["gradient"].dims == ("time", "row", "column")
    assert found["unit_id"].values.tolist() == subject.unit_ids.tolist()
    assert (found.attrs["model"], found.attrs["mouse"]) == (MODEL, mouse)


def test_a_subject_of_the_endpoint_tells_them_too(url: str, mouse: str, film: Clip, weights: np.ndarray) -> None:
    here = open_subject(PRETRAINED / MODEL, mouse, [3, 7]).differentiate([film] * 2, [weights, -weights])
    there = open_subject(url, mouse, [3, 7], model=MODEL).differentiate([film] * 2, [weights, -weights])
    for ours, theirs in zip(here, there, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_without_weights_the_mean_over_some_frames_counts(web: TestClient, mouse: str, film: Clip) -> None:
    mean = np.zeros((2, FRAMES), np.float32)
    mean[:, 5:9] = 1 / 8
    by_weights = told(post(web, film, mouse, neurons="3,7", weights=mean))
    by_frames = told(post(web, film, mouse, neurons="3,7", frames="5..8"))
    np.testing.assert_allclose(by_frames["gradient"], by_weights["gradient"], rtol=1e-5)
    np.testing.assert_array_equal(by_frames["gradient"][9:], 0, "later frames change nothing")


def test_behaviour_that_is_not_given_is_the_mean(web: TestClient, mouse: str, film: Clip) -> None:
    answer = post(web, film, mouse, behavior=None, pupil_center=None, neurons="3")
    assert "behavior was not given" in str(told(answer)["about"])


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        ({"video": np.zeros((12, 30, 64))}, 422, "video: has shape (12, 30, 64); give (frames, 36, 64)"),
        ({"video": None}, 422, "video: is missing"),
        (
            {"weights": np.ones((3, 12))},
            422,
            "weights: have shape (3, 12) and dtype float64; give real",
        ),
        ({"weights": np.full((2, 12), np.nan)}, 422, "weights: hold NaN or infinite values"),
        ({"weights": np.ones((2, 12)), "frames": "0..3"}, 422, "frames: are given beside weights"),
        ({"frames": "50..end"}, 422, "frames: are none of the clip's 12"),
        ({"neurons": "9999"}, 422, "neurons: are not indices"),
        ({"mouse": "x"}, 404, "mouse: 'x' is none of model"),
    ],
)
def test_what_is_wrong_is_told(
    web: TestClient, mouse: str, film: Clip, changes: dict[str, Any], status: int, sentence: str
) -> None:
    whose = changes.pop("mouse", mouse)
    answer = post(web, film, whose, **{"neurons": "3,7"} | changes)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert answer.json()["detail"].startswith(sentence)


def test_a_model_without_weights_tells_none(web: TestClient, url: str, clip: Clip) -> None:
    answer = post(web, clip, "mouse-a", "/v1/models/tiny/gradients")
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("gradients of 'tiny': are not known (came without weights.safetensors")
    with pytest.raises(EndpointError, match="as `sensorium export` writes them"):
        SensoriumClient(url).gradients("tiny", clip, "mouse-a")


def test_torch_is_loaded_by_nobody_who_asks_for_none() -> None:
    modules = ("serving.deployment", "serving.experimenter", "client.clients", "insilico.opening", "insilico.remote")
    assert loaded(f"import {', '.join(f'sensorium_ray.{module}' for module in modules)}", "torch") == "[]"
