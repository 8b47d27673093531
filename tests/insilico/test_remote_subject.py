"""A model of an endpoint as a subject answers as the bundle does that the endpoint serves."""

from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr
from serving.endpoints import answering

from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.client.clients import SensoriumClient
from sensorium_ray.errors import DataError, EndpointError
from sensorium_ray.insilico.local import bundle_subject
from sensorium_ray.insilico.remote import endpoint_subject
from sensorium_ray.insilico.run import run_experiment
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.predictors import Predictors
from sensorium_ray.serving.served import Served

MODEL = "linear_nonlinear"
MOUSE = load_predictor(PRETRAINED / MODEL).mice[1]
NEURONS = [2, 17, 0]


@pytest.fixture(scope="module")
def client() -> Iterator[SensoriumClient]:
    models = {MODEL: Served.read(PRETRAINED / MODEL)}
    with answering(make_app(models, Predictors(models).predict)) as url, SensoriumClient(url) as found:
        yield found


def test_an_experiment_finds_there_what_it_finds_here(client: SensoriumClient) -> None:
    settings = {"directions": 4, "spatial_frequencies": [0.05], "temporal_frequencies": [2.0], "seconds": 0.5}
    there = run_experiment("direction_tuning", endpoint_subject(client, MODEL, MOUSE, NEURONS), **settings)
    here = run_experiment("direction_tuning", bundle_subject(PRETRAINED / MODEL, MOUSE, NEURONS), **settings)
    assert there.attrs == here.attrs
    xr.testing.assert_allclose(there, here, rtol=1e-4)


def test_all_neurons_are_asked_where_none_are_named(client: SensoriumClient) -> None:
    subject = endpoint_subject(client, MODEL, MOUSE)
    clip = subject.clip(np.full((20, 36, 64), 90, np.float32))
    (answer,) = subject.ask([clip], 1)
    np.testing.assert_allclose(answer, load_predictor(PRETRAINED / MODEL).predict(clip, MOUSE), rtol=1e-5)
    assert subject.neurons == len(answer) == 400


def test_the_endpoints_sentences_come_through(client: SensoriumClient) -> None:
    with pytest.raises(EndpointError, match="there is none of the name 'x' here"):
        endpoint_subject(client, "x", MOUSE)
    with pytest.raises(DataError, match="mouse: is missing; name one of"):
        endpoint_subject(client, MODEL)
    with pytest.raises(EndpointError, match="'x' is none of model"):
        endpoint_subject(client, MODEL, "x")
    subject = endpoint_subject(client, MODEL, MOUSE)
    with pytest.raises(EndpointError, match=r"behavior: has shape \(3, 5\)"):
        list(subject.ask([subject.clip(np.zeros((5, 36, 64), np.float32), np.zeros(3))], 1))
