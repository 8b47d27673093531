"""A real endpoint with too much to do, with clients that leave, with a replica that is killed, and while it stops."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
import xarray as xr
from npz import pack
from serving.conftest import noise
from serving.endpoints import Running, gone, serving

from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.client.clients import SensoriumClient
from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.errors import EndpointError
from sensorium_ray.insilico.opening import open_subject
from sensorium_ray.insilico.run import run_experiment
from sensorium_ray.serving.answers import NPZ
from sensorium_ray.serving.problems import PROBLEM

SLOW = "gru"  # about a second for 300 frames
MANY = 24  # more than a replica takes (8) and may wait (2) together


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """What comes with the package, since no folder is named."""
    with serving("--queue", 2) as (found, _):
        yield found


@pytest.fixture(scope="module")
def mouse() -> str:
    return load_predictor(PRETRAINED / SLOW).mice[0]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return noise(150, 36, 64)


def repeated(clip: Clip, times: int) -> Clip:
    return Clip(
        *(np.concatenate([getattr(clip, name)] * times, axis=0 if name == "video" else 1) for name in CLIP_ARRAYS)
    )


def packed(clip: Clip) -> bytes:
    return pack({name: getattr(clip, name) for name in CLIP_ARRAYS})


def ask(running: Running, body: bytes, mouse: str) -> httpx.Response:
    url = f"{running.url}/v1/models/{SLOW}/predict?mouse={mouse}"
    return httpx.post(url, content=body, headers={"content-type": NPZ, "accept": NPZ}, timeout=120)


def test_without_a_folder_it_serves_what_comes_with_the_package(running: Running) -> None:
    client = SensoriumClient(running.url)
    for model in client.models():
        mouse = model["mice"][0]
        answer = client.predict(model["name"], noise(60, *model["frame_shape"]), mouse["name"])
        assert answer.shape == (mouse["neurons"], 60)
        assert answer.max() > 0


def test_a_full_queue_is_a_503_that_says_when_to_ask_again(running: Running, clip: Clip, mouse: str) -> None:
    body = packed(clip)  # once, so that they arrive together
    with ThreadPoolExecutor(MANY) as pool:
        answers = list(pool.map(lambda _: ask(running, body, mouse), range(MANY)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert len(refused) >= MANY - 8 - 2 - 2  # a few may be answered while others arrive
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1


def test_the_client_asks_a_busy_endpoint_again(running: Running, clip: Clip, mouse: str) -> None:
    expected = load_predictor(PRETRAINED / SLOW).predict(clip, mouse)
    short = Clip(clip.video[:40], clip.behavior[:, :40], clip.pupil_center[:, :40])
    with ThreadPoolExecutor(16) as pool:
        crowd = [pool.submit(SensoriumClient(running.url).predict, SLOW, short, mouse) for _ in range(15)]
        answer = SensoriumClient(running.url).predict(SLOW, clip, mouse)
        assert {one.result().shape for one in crowd} == {(len(expected), 40)}
    np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-5)


def test_who_hangs_up_is_no_longer_predicted_for(running: Running, clip: Clip, mouse: str) -> None:
    body, short = packed(repeated(clip, 60)), packed(clip)
    host, _, port = running.url.removeprefix("http://").partition(":")
    head = f"POST /v1/models/{SLOW}/predict?mouse={mouse} HTTP/1.1\r\nHost: x\r\nContent-Type: {NPZ}\r\n"
    began = time.monotonic()
    ask(running, short, mouse)
    alone = time.monotonic() - began
    for _ in range(2):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            time.sleep(2)  # it is predicting
    began = time.monotonic()
    assert ask(running, short, mouse).status_code == 200
    # The two long ones together would take 120 times as long as this one.
    assert time.monotonic() - began < 40 * alone


def test_a_killed_replica_costs_no_more_than_an_error_that_says_to_ask_again(
    running: Running, clip: Clip, mouse: str
) -> None:
    expected = load_predictor(PRETRAINED / SLOW).predict(clip, mouse)

    told: set[str] = set()

    def persist(_: int) -> np.ndarray:
        for _ in range(120):
            try:
                return SensoriumClient(running.url).predict(SLOW, clip, mouse).values
            except EndpointError as error:
                told.add(error.mend)
                time.sleep(0.5)
        raise AssertionError("it never came back")

    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(persist, number) for number in range(6)]
        time.sleep(1)
        [replica] = running.processes("ServeReplica")
        replica.kill()
        for one in waiting:
            np.testing.assert_allclose(one.result(), expected, rtol=1e-5, atol=1e-5)
    assert told <= {"ask again", "start one with `sensorium serve`"}


def test_an_experiment_outlives_its_replica(running: Running, mouse: str) -> None:
    settings = {"directions": 12, "spatial_frequencies": [0.05]}
    killed = []

    def kill(run: dict[str, Any]) -> None:
        if run["done"] and not killed:
            [replica] = running.processes("ServeReplica")
            replica.kill()
            killed.append(run["done"])

    with SensoriumClient(running.url) as client:
        found = client.experiment("direction_tuning", SLOW, mouse, [3, 7], progress=kill, **settings)
    expected = run_experiment("direction_tuning", open_subject(PRETRAINED / SLOW, mouse, [3, 7]), **settings)
    xr.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert killed


def test_what_is_counted_is_told_while_the_queue_is_full(running: Running, clip: Clip, mouse: str) -> None:
    body = packed(clip)
    with ThreadPoolExecutor(MANY) as pool:
        crowd = [pool.submit(ask, running, body, mouse) for _ in range(MANY)]
        time.sleep(0.5)
        assert httpx.get(f"{running.url}/v2/health/ready", timeout=5).status_code == 200
        told = httpx.get(f"{running.url}/metrics", timeout=5).text
        refused = [answer for answer in (one.result() for one in crowd) if answer.status_code == 503]
    assert 'status="503"' in told
    assert 'sensorium_models_loaded{replica="' in told
    assert {answer.headers["content-type"] for answer in refused} == {PROBLEM}
    assert all(answer.json()["request_id"] == answer.headers["x-request-id"] for answer in refused)


def test_a_request_that_runs_when_the_endpoint_is_told_to_stop_is_answered(
    running: Running, clip: Clip, mouse: str
) -> None:
    """The last one: nothing answers after it."""
    body = packed(repeated(clip, 10))  # some seconds, so that there is time to be refused in
    expected = ask(running, body, mouse).content
    with ThreadPoolExecutor(1) as pool, httpx.Client() as known:
        assert known.get(f"{running.url}/v1/models").status_code == 200
        runs = [pool.submit(ask, running, body, mouse)]
        time.sleep(0.3)
        running.process.send_signal(signal.SIGTERM)
        refused = None
        while refused is None and not runs[0].done():
            answer = known.get(f"{running.url}/v1/models")
            refused = answer if answer.status_code != 200 else None
        assert refused is not None
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        answer = runs[0].result()
    assert (answer.status_code, answer.content) == (200, expected)
    assert running.process.wait(30) == 0
    assert gone(running)
