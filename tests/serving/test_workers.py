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

from sensorium_ray.bundle.ensemble import write_ensemble
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.serving.client import SensoriumClient

MEMBERS = ("factorised3d", "linear_nonlinear")


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ensembles") / "both"
    write_ensemble({name: PRETRAINED / name for name in MEMBERS}, [0.25, 0.75], folder, {})
    return folder


@pytest.fixture(scope="module")
def running(ensemble: Path) -> Iterator[Running]:
    with serving(ensemble, "--workers", 2, "--batch", 4) as (found, _):
        yield found


def workers(running: Running) -> list[psutil.Process]:
    return running.processes("sensorium:Worker")


def test_an_ensembles_answer_is_the_predictors(running: Running, ensemble: Path) -> None:
    predictor, clip = load_predictor(ensemble), noise(150, 36, 64)
    expected = predictor.predict(clip, predictor.mice[0])
    with SensoriumClient(running.url) as client, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.predict("both", clip, predictor.mice[0]), range(6)))
    for answer in answers:
        np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-5)
    assert len(workers(running)) == 2


def test_a_killed_worker_is_replaced_and_its_requests_come_again(running: Running, ensemble: Path) -> None:
    predictor, clip = load_predictor(ensemble), noise(600, 36, 64)
    expected = predictor.predict(clip, predictor.mice[0])
    with SensoriumClient(running.url) as client, ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(client.predict, "both", clip, predictor.mice[0]) for _ in range(4)]
        workers(running)[0].kill()
        for one in asked:
            np.testing.assert_allclose(one.result(), expected, rtol=1e-5, atol=1e-5)
