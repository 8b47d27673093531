"""A real endpoint whose predictions are made by workers: an ensemble's members at once, and one that is killed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from serving.conftest import noise
from serving.endpoints import Running, serving

from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.client.clients import SensoriumClient


@pytest.fixture(scope="module")
def running(both: Path) -> Iterator[Running]:
    with serving(both, "--workers", 2, "--batch", 4) as (found, _):
        yield found


def workers(running: Running) -> list[psutil.Process]:
    return running.processes("sensorium:Worker")


def test_an_ensembles_answer_is_the_predictors(running: Running, both: Path) -> None:
    predictor, clip = load_predictor(both), noise(150, 36, 64)
    expected = predictor.predict(clip, predictor.mice[0])
    with SensoriumClient(running.url) as client, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.predict("both", clip, predictor.mice[0]), range(6)))
    for answer in answers:
        np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-5)
    assert len(workers(running)) == 2


def test_a_killed_worker_is_replaced_and_its_requests_come_again(running: Running, both: Path) -> None:
    predictor, clip = load_predictor(both), noise(600, 36, 64)
    expected = predictor.predict(clip, predictor.mice[0])
    with SensoriumClient(running.url) as client, ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(client.predict, "both", clip, predictor.mice[0]) for _ in range(4)]
        workers(running)[0].kill()
        for one in asked:
            np.testing.assert_allclose(one.result(), expected, rtol=1e-5, atol=1e-5)
