"""The OpenAPI document: what it says is so, its examples run, and nothing made of it makes the endpoint fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from schemathesis.engine import events, from_schema

from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.serving import keys, runs
from sensorium_ray.serving.answers import FORMS, JSON, NPZ
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.catalogue import Catalogue
from sensorium_ray.serving.laboratory import Laboratory
from sensorium_ray.serving.predictors import Predictors
from sensorium_ray.serving.problems import PROBLEM
from sensorium_ray.serving.runs import Order


@schemathesis.serializer(NPZ)
def as_it_is(_: Any, value: Any) -> bytes:
    """What is made for an npz: any bytes."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


OPEN = ["/v2/health/live", "/v2/health/ready"]


@pytest.fixture(scope="module", params=["factorised3d", "gru", "linear_nonlinear"])
def web(request: pytest.FixtureRequest) -> TestClient:
    models = {request.param: Catalogue(PRETRAINED)[request.param]}
    return TestClient(make_app(models, Predictors(models).predict))


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def run_example(web: TestClient, method: str, path: str, operation: dict[str, Any], **headers: str) -> httpx.Response:
    """Ask as the document's examples do."""
    given: dict[str, dict[str, str]] = {"path": {}, "query": {}, "header": headers}
    for parameter in operation.get("parameters", ()):
        if "example" in parameter or parameter["required"]:
            given[parameter["in"]][parameter["name"]] = parameter["example"]
    body = operation["requestBody"]["content"][JSON]["example"] if "requestBody" in operation else None
    where = path.format(**given["path"])
    return web.request(method, where, params=given["query"], headers=given["header"], json=body)


def test_every_example_runs_and_is_answered_as_is_said(web: TestClient) -> None:
    document = web.get("/openapi.json").json()
    for method, path, operation in operations(document):
        answer = run_example(web, method, path, operation)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        media_type = answer.headers["content-type"].partition(";")[0]
        schema = operation["responses"]["200"]["content"][media_type]["schema"]
        told = answer.json() if media_type == JSON else answer.text
        Draft202012Validator(schema | {"components": document["components"]}).validate(told)


@pytest.mark.parametrize("form", FORMS)
def test_the_example_is_answered_in_every_media_type_that_is_said(web: TestClient, form: str) -> None:
    path = "/v1/models/{name}/predict"
    predict = web.get("/openapi.json").json()["paths"][path]["post"]
    answer = run_example(web, "post", path, predict, accept=form)
    assert (answer.status_code, answer.headers["content-type"]) == (200, form)
    assert form in predict["responses"]["200"]["content"]
    assert all(header in answer.headers for header in predict["responses"]["200"]["headers"])


def test_refusals_are_problems(web: TestClient) -> None:
    document = web.get("/openapi.json").json()
    for _, _, operation in operations(document):
        refused = {status: answer for status, answer in operation["responses"].items() if status not in ("200", "503")}
        assert {"4XX", "500"} <= set(refused)
        assert all(list(answer["content"]) == [PROBLEM] for answer in refused.values())


def test_the_document_is_of_the_models_that_are_served_now() -> None:
    models = dict(Catalogue(PRETRAINED))
    app = make_app(models, Predictors(models).predict)
    assert "'factorised3d'" in str(app.openapi())
    del models["factorised3d"]
    assert "'factorised3d'" not in str(app.openapi())
    models.clear()
    assert "example" not in str(app.openapi()["paths"])


def test_keys_are_asked_for_where_the_document_says_so(bundles: Path) -> None:
    models = Catalogue(bundles)
    key, known = keys.make("lab", ["predict"])
    web = TestClient(make_app(models, Predictors(models).predict, [known]))
    document = web.get("/openapi.json", headers={"Authorization": f"Bearer {key}"}).json()
    for method, path, operation in operations(document):
        refused = run_example(web, method, path, operation).status_code
        assert refused == (200 if path in OPEN else 401)
        assert (str(refused), "security" in operation) in {("200", False), ("401", True)}
        assert str(refused) in operation["responses"]


@pytest.mark.parametrize(
    "most", [10, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])], ids=["few", "many"]
)
@pytest.mark.filterwarnings("ignore")  # of numbers that are too large
def test_nothing_made_of_the_document_makes_it_fail(
    bundles: Path, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every check of schemathesis holds but one, since no schema says that the arrays of a clip fit each other."""
    monkeypatch.setattr(Laboratory, "_make_next", lambda _: False)
    monkeypatch.setattr(Laboratory, "plan", lambda *_: None)
    monkeypatch.setattr(runs, "WAITING", 10)
    models = Catalogue(bundles)
    predictors = Predictors(models)
    made = Laboratory(tmp_path, models, predictors)
    waits = made.take(Order("direction_tuning", {}, "tiny", "mouse-a"), "lab")
    key, known = keys.make("lab", ["predict"])
    asked = {"Authorization": f"Bearer {key}"}
    settings = {
        "seed": 0,
        "headers": asked,
        "parameters": {"path.name": "tiny", "path.mouse": "mouse-a", "path.version": "1", "path.run": waits.id},
        "generation": {"deterministic": True, "max-examples": most},
        "phases": {"stateful": {"enabled": False}},
        "checks": {"positive_data_acceptance": {"enabled": False}},
    }
    app = make_app(models, predictors.predict, [known], laboratory=made, differentiate=predictors.differentiate)
    schema = schemathesis.openapi.from_asgi(
        "/openapi.json", app, config=schemathesis.Config.from_dict(settings), headers=asked
    )
    said = {f"{method.upper()} {path}": operation["responses"] for method, path, operation in operations(app.openapi())}
    statuses: Counter[int] = Counter()
    for event in from_schema(schema).execute():
        assert not isinstance(event, events.NonFatalError | events.FatalError), event
        if isinstance(event, events.ScenarioFinished):
            failed = [check.failure_info for checks in event.recorder.checks.values() for check in checks]
            assert not any(failed), next(filter(None, failed))
            answered = [int(asked.response.status_code) for asked in event.recorder.interactions.values()]
            assert {str(status) for status in answered} <= {*said[event.recorder.label], "405"}
            statuses.update(answered)
    assert {200, 202, 204, 400, 401, 403, 404, 405, 409, 415, 422, 503} >= set(statuses), statuses
    assert {200, 202, 204, 400, 401, 404, 405, 409, 415, 422} <= set(statuses), statuses
