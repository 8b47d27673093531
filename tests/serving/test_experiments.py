"""Experiments that an endpoint makes: refused before they wait, made beside requests, never lost; and who sees what."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import xarray as xr
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from serving.endpoints import Awaited, answering, until

from sensorium_ray.client.clients import SensoriumClient
from sensorium_ray.data.clip import Clip
from sensorium_ray.errors import DataError, EndpointError
from sensorium_ray.insilico.opening import open_subject
from sensorium_ray.insilico.run import run_experiment
from sensorium_ray.results import load_result
from sensorium_ray.serving import keys, laboratory, runs
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.catalogue import Catalogue
from sensorium_ray.serving.laboratory import Laboratory
from sensorium_ray.serving.predictors import Predictors
from sensorium_ray.serving.problems import PROBLEM
from sensorium_ray.serving.runs import Order, Runs

URL = "/v1/experiments"
SETTINGS = {"directions": 4, "spatial_frequencies": [0.01], "temporal_frequencies": [2.0], "seconds": 0.5}
ORDER = Order("direction_tuning", SETTINGS, "tiny", "mouse-a", [0])
ASKED = {"experiment": "direction_tuning", "mouse": "mouse-a", "neurons": [0, 2], "settings": SETTINGS}


@pytest.fixture(scope="module")
def models(bundles: Path) -> Catalogue:
    return Catalogue(bundles)


@pytest.fixture(scope="module")
def made_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("experiments")


@pytest.fixture(scope="module")
def web(models: Catalogue, made_in: Path) -> Iterator[TestClient]:
    """An endpoint that makes what is asked for."""
    found = Laboratory(made_in, models, Predictors(models))
    yield endpoint(models, found)
    found.close()


@pytest.fixture
def unmade(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for waits, and is planned at once."""
    monkeypatch.setattr(Laboratory, "_make_next", lambda _: False)
    monkeypatch.setattr(Laboratory, "plan", lambda *_: None)


def endpoint(models: Catalogue, found: Laboratory | None, known: tuple[keys.Key, ...] = ()) -> TestClient:
    return TestClient(make_app(models, Predictors(models).predict, known, laboratory=found))


def post(web: TestClient, headers: dict[str, str] | None = None, **changes: Any) -> httpx.Response:
    return web.post(
        URL, json={name: value for name, value in (ASKED | changes).items() if value != "-"}, headers=headers
    )


def ended(web: TestClient, location: str) -> dict[str, Any]:
    until(lambda: web.get(location).json()["state"] in ("finished", "failed"))
    return dict(web.get(location).json())


def test_a_run_finds_what_is_found_on_the_bundle_itself(web: TestClient, bundles: Path, tmp_path: Path) -> None:
    answer = post(web)
    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["model"]) == ("waiting", "tiny")
    location = answer.headers["location"]
    assert web.get(f"{location}/result").status_code == 409
    run = ended(web, location)
    assert (run["state"], run["done"], run["total"], run["fault"]) == ("finished", 4, 4, "")
    expected = run_experiment("direction_tuning", open_subject(bundles / "tiny", "mouse-a", [0, 2]), **SETTINGS)
    for ending, asked in {".nc": "application/x-netcdf", ".parquet": "application/vnd.apache.parquet"}.items():
        found = web.get(f"{location}/result", headers={"Accept": asked})
        assert (found.status_code, found.headers["content-type"]) == (200, asked)
        (tmp_path / f"found{ending}").write_bytes(found.content)
        xr.testing.assert_allclose(load_result(tmp_path / f"found{ending}"), expected)
    by_name = web.get(f"{location}/result?format=parquet").headers["content-type"]
    assert by_name == "application/vnd.apache.parquet"
    assert web.get(f"{location}/picture").content.startswith(b"\x89PNG")
    drawn = web.get(f"{location}/picture?format=svg")
    assert "<svg" in drawn.text
    assert drawn.headers["content-security-policy"].startswith("default-src 'none'")
    assert web.get(f"{location}/picture", headers={"Accept": "image/gif"}).status_code == 406
    assert run["id"] in [one["id"] for one in web.get(f"{URL}/runs").json()["runs"]]
    assert web.delete(location).status_code == 204
    assert web.get(location).status_code == web.delete(location).status_code == 404


def test_the_experiments_are_told_with_their_settings(web: TestClient) -> None:
    told = {kind["name"]: kind for kind in web.get(URL).json()["experiments"]}
    [directions] = [setting for setting in told["direction_tuning"]["settings"] if setting["name"] == "directions"]
    assert directions["usual"] == 16
    assert "of the motion" in directions["about"]
    assert told["direction_tuning"]["summary"] == "Orientation and direction tuning by drifting gratings."


@pytest.mark.parametrize(
    ("changes", "status", "field", "told"),
    [
        ({"experiment": "direction"}, 422, "experiment", "there is none of the name 'direction'; known: "),
        ({"experiment": "-"}, 422, "experiment", "Field required"),
        ({"experiment": "../run"}, 422, "experiment", "there is none of the name"),
        ({"model": "big"}, 404, "model", "there is none of the name 'big' here"),
        ({"mouse": "x"}, 404, "mouse", "'x' is none of model 'tiny'"),
        ({"mouse": "-"}, 422, "mouse", "is missing; name one of mouse-a, mouse-b"),
        ({"mouse": "mouse-b", "neurons": None}, 422, "the model, of 'mouse-b'", "does not know the mouse's mean"),
        ({"neurons": [3]}, 422, "neurons", "give whole numbers from 0 to 2"),
        ({"neurons": []}, 422, "neurons", "at least 1 item"),
        ({"neurons": [2**70]}, 422, "neurons", "are not indices"),
        ({"neurons": "0,2"}, 422, "neurons", "valid list"),
        ({"settings": {"direction": 4}}, 422, "direction_tuning", "did you mean 'directions'?"),
        ({"settings": {"directions": "4"}}, 422, "direction_tuning", "has '4' for directions"),
        ({"settings": {"contrast": 2}}, 422, "contrast", "give one above 0, at most 1"),
        ({"settings": []}, 422, "settings", "valid dictionary"),
        ({"speed": 1}, 422, "speed", "Extra inputs"),
    ],
)
def test_what_is_wrong_is_told_before_it_waits(
    web: TestClient, changes: dict[str, Any], status: int, field: str, told: str
) -> None:
    answer = post(web, **changes)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert answer.json()["field"] == field
    assert told in answer.json()["detail"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"monitor": [1.0, 2.0]}, "monitor: is (1.0, 2.0)"),
        (SETTINGS | {"directions": 5000}, "direction_tuning: shows 225,000 frames, and may show 216,000; ask for"),
        ({"directions": 10**12}, "direction_tuning: needs more than 8 GiB of memory"),
    ],
)
def test_what_only_a_plan_shows_is_told_too(web: TestClient, settings: dict[str, Any], told: str) -> None:
    answer = post(web, settings=settings)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(told)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 422), (b'{"experiment": "direction_tuning", "settings": {"contrast": NaN}}', 400)],
)
def test_a_body_that_is_none_is_refused(web: TestClient, body: bytes, status: int) -> None:
    answer = web.post(URL, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert web.post(URL, content=body, headers={"Content-Type": "text/csv"}).status_code == 415


def test_paths_of_the_clients_computer_are_refused(web: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from sensorium_ray.insilico.experiments import direction_tuning

    monkeypatch.setattr(direction_tuning, "LOCAL", ("monitor",), raising=False)
    answer = post(web, settings={"monitor": ["/etc/passwd"]})
    assert (answer.status_code, answer.json()["field"]) == (422, "monitor")
    [kind] = [kind for kind in web.get(URL).json()["experiments"] if kind["name"] == "direction_tuning"]
    assert "monitor" not in [setting["name"] for setting in kind["settings"]]


def test_an_address_tells_all_its_methods(web: TestClient) -> None:
    answer = web.put(URL)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("name", ["x", "0" * 32, "..%2F..", "lock", "0" * 5000])
@pytest.mark.parametrize("part", ["", "/result", "/picture"])
def test_an_unknown_id_is_a_404(web: TestClient, name: str, part: str) -> None:
    assert web.get(f"{URL}/runs/{name}{part}").status_code == 404


@pytest.mark.parametrize(("method", "address"), [("POST", URL), ("GET", f"{URL}/runs"), ("GET", f"{URL}/runs/x")])
def test_without_a_folder_it_is_said_how_to_have_one(models: Catalogue, method: str, address: str) -> None:
    assert endpoint(models, None).get(URL).json() == {"experiments": []}
    answer = endpoint(models, None).request(method, address)
    assert answer.status_code == 404
    assert answer.json()["mend"] == "start the endpoint with `sensorium serve … --experiments DIR`"


@pytest.mark.usefixtures("unmade")
def test_a_queue_is_bounded(models: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "WAITING", 1)
    web = endpoint(models, Laboratory(tmp_path, models, Predictors(models)))
    first = post(web)
    refused = post(web)
    assert (first.status_code, refused.status_code, refused.headers["retry-after"]) == (202, 503, "10")
    assert refused.json()["detail"] == "the endpoint: no more experiments may wait; ask again in a minute"
    web.delete(first.headers["location"])
    assert post(web).status_code == 202


@pytest.mark.usefixtures("unmade")
def test_a_full_disk_is_a_507(models: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise DataError("the disk is full", str(tmp_path))

    web = endpoint(models, Laboratory(tmp_path, models, Predictors(models)))
    monkeypatch.setattr(runs, "write_json", full)
    answer = post(web)
    assert (answer.status_code, str(tmp_path) in answer.text) == (507, False)
    assert web.get(f"{URL}/runs").json() == {"runs": []}


@pytest.mark.usefixtures("unmade")
def test_a_key_sees_its_own_runs(models: Catalogue, tmp_path: Path) -> None:
    made = {name: keys.make(name, [scope]) for name, scope in {"a": "predict", "b": "predict", "c": "admin"}.items()}
    teams = keys.make("team", ["submit"])
    known = (*(kept for _, kept in made.values()), teams[1])
    web = endpoint(models, Laboratory(tmp_path, models, Predictors(models)), known)
    asked = {name: {"Authorization": f"Bearer {key}"} for name, (key, _) in made.items()}
    assert post(web).status_code == 401
    assert post(web, {"Authorization": f"Bearer {teams[0]}"}).status_code == 403
    location = post(web, asked["a"]).headers["location"]
    for name, status, seen in (("a", 200, 1), ("b", 404, 0), ("c", 200, 1)):
        assert web.get(location, headers=asked[name]).status_code == status
        assert len(web.get(f"{URL}/runs", headers=asked[name]).json()["runs"]) == seen
    assert web.delete(location, headers=asked["b"]).status_code == 404
    assert web.delete(location, headers=asked["a"]).status_code == 204


def test_what_has_ended_is_kept_in_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "KEPT", 2)
    kept = Runs(tmp_path)
    names = []
    for _ in range(4):
        run = kept.add(ORDER, None)
        kept.end(run)
        names.append(run.id)
    waiting = kept.add(ORDER, None)
    (tmp_path / "dead.partial").mkdir()
    kept.sweep()
    assert [run.id for run in kept.all()] == [*names[2:], waiting.id]
    assert not (tmp_path / "dead.partial").exists()
    old = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    for run in kept.all()[:2]:
        kept.update(run, ended=old)
    kept.sweep()
    assert [run.id for run in kept.all()] == [waiting.id]


class Slow(Predictors):
    """Answers when it is let, and remembers how many frames were asked for at once."""

    def __init__(self, models: Catalogue, wait: Callable[[], object]) -> None:
        super().__init__(models)
        self.asked: list[int] = []
        self._wait = wait

    def respond(self, name: str, clips: Any, *asked: Any) -> Any:
        self.asked.append(sum(clip.frames for clip in clips))
        self._wait()
        return super().respond(name, clips, *asked)


def test_a_run_that_is_being_made_is_cancelled(models: Catalogue, tmp_path: Path) -> None:
    asked, answer = threading.Event(), threading.Event()

    def wait() -> None:
        asked.set()
        answer.wait(60)

    found = Laboratory(tmp_path, models, Slow(models, wait))
    web = endpoint(models, found)
    first, second = post(web).headers["location"], post(web).headers["location"]
    assert asked.wait(60)
    assert web.get(first).json()["state"] == "running"
    assert web.get(second).json()["state"] == "waiting"
    assert web.delete(first).status_code == 204
    answer.set()
    assert ended(web, second)["state"] == "finished"
    assert [run.id for run in found.runs.all()] == [second.rpartition("/")[2]]
    assert {path.name for path in tmp_path.iterdir()} == {"lock", second.rpartition("/")[2]}
    found.close()


def test_requests_wait_for_no_more_than_a_usual_one(models: Catalogue, tmp_path: Path, clip: Clip) -> None:
    slow = Slow(models, lambda: None)
    found = Laboratory(tmp_path, models, slow)
    web = endpoint(models, found)
    ended(web, post(web, settings=SETTINGS | {"directions": 16, "seconds": 1.0}).headers["location"])
    assert sum(slow.asked) == 16 * 60
    assert max(slow.asked) <= 150
    found.close()


@pytest.fixture
def url(web: TestClient) -> Iterator[str]:
    with answering(web.app) as url:
        yield url


@pytest.mark.parametrize("client_of", [SensoriumClient, Awaited])
def test_a_client_waits_for_what_is_found(client_of: Any, url: str, bundles: Path) -> None:
    states: list[dict[str, Any]] = []
    whom = ("tiny", "mouse-a", np.array([0, 2]))
    found = client_of(url).experiment("direction_tuning", *whom, progress=states.append, **SETTINGS)
    expected = run_experiment("direction_tuning", open_subject(bundles / "tiny", "mouse-a", [0, 2]), **SETTINGS)
    xr.testing.assert_allclose(found, expected)
    assert {**expected.attrs, "version": ""} == {**found.attrs, "version": ""}
    assert states[0]["state"] == "waiting"
    assert (states[-1]["state"], states[-1]["done"], states[-1]["total"]) == ("finished", 4, 4)
    with pytest.raises(EndpointError, match="direction_tuning: has no setting 'direction'"):
        client_of(url).experiment("direction_tuning", *whom, direction=1)


@pytest.mark.usefixtures("unmade")
@pytest.mark.parametrize("client_of", [SensoriumClient, Awaited])
def test_who_waits_no_longer_cancels(client_of: Any, models: Catalogue, tmp_path: Path) -> None:
    found = Laboratory(tmp_path, models, Predictors(models))

    def interrupt(_: dict[str, Any]) -> None:
        if found.runs.all():
            raise KeyboardInterrupt

    with answering(endpoint(models, found).app) as url:
        with pytest.raises(KeyboardInterrupt):
            client_of(url).experiment("direction_tuning", "tiny", "mouse-a", progress=interrupt)
        assert found.runs.all() == []


_DIES = """
    import os, signal, time
    from pathlib import Path
    from sensorium_ray.serving.catalogue import Catalogue
    from sensorium_ray.serving.laboratory import Laboratory
    from sensorium_ray.serving.predictors import Predictors

    models = Catalogue({bundles!r})
    predictors = Predictors(models)
    predictors.respond = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    Laboratory(Path({folder!r}), models, predictors)
    time.sleep(60)
"""


def test_a_kill_while_it_is_made_loses_nothing(bundles: Path, models: Catalogue, tmp_path: Path) -> None:
    kept = Runs(tmp_path)
    run = kept.add(ORDER, None)
    code = textwrap.dedent(_DIES).format(bundles=str(bundles), folder=str(tmp_path))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    left = kept.find(run.id)
    assert left is not None
    assert (left.state, left.attempts) == ("running", 1)
    found = Laboratory(tmp_path, models, Predictors(models))
    assert ended(endpoint(models, found), f"{URL}/runs/{run.id}")["state"] == "finished"
    found.close()
    done = kept.find(run.id)
    assert done is not None
    assert done.attempts == 2
    assert load_result(kept.made(done) / "result.nc").sizes["neuron"] == 1


def test_a_run_that_ends_its_replica_again_and_again_is_given_up(models: Catalogue, tmp_path: Path) -> None:
    kept = Runs(tmp_path)
    run = kept.add(ORDER, None)
    kept.update(run, state="running", attempts=laboratory.ATTEMPTS)
    web = endpoint(models, Laboratory(tmp_path, models, Predictors(models)))
    told = ended(web, f"{URL}/runs/{run.id}")
    assert (told["state"], told["fault"]) == (
        "failed",
        "direction_tuning: lost its replica 3 times; ask again, or for less",
    )
    refused = web.get(f"{URL}/runs/{run.id}/result")
    assert (refused.status_code, refused.json()["detail"]) == (409, f"run: {told['fault']}")


def test_an_endpoint_that_stops_leaves_a_run_to_the_next(models: Catalogue, tmp_path: Path) -> None:
    slow = Slow(models, lambda: found.close())  # noqa: PLW0108 - it is made below
    found = Laboratory(tmp_path, models, slow)
    run = found.take(ORDER, None)
    until(lambda: (left := found.runs.find(run.id)) is not None and left.attempts == 0 and slow.asked)
    left = found.runs.find(run.id)
    assert left is not None
    assert (left.state, left.attempts) == ("waiting", 0)


@pytest.mark.usefixtures("unmade")
def test_the_api_describes_itself(models: Catalogue, tmp_path: Path) -> None:
    web = endpoint(models, Laboratory(tmp_path, models, Predictors(models)))
    document = web.get("/openapi.json").json()
    asks = document["paths"][URL]["post"]
    example = asks["requestBody"]["content"]["application/json"]["example"]
    answer = web.post(URL, json=example)
    said = {
        "202": (asks, answer),
        "200": (document["paths"][URL]["get"], web.get(URL)),
    }
    for status, (operation, told) in said.items():
        schema = operation["responses"][status]["content"]["application/json"]["schema"]
        assert str(told.status_code) == status
        Draft202012Validator(schema | {"components": document["components"]}).validate(told.json())
    for path, schema in ((f"{URL}/runs", "Runs"), (answer.headers["location"], "Run")):
        known = {"components": document["components"], "$ref": f"#/components/schemas/{schema}"}
        Draft202012Validator(known).validate(web.get(path).json())


def test_an_experiment_that_ends_its_process_is_a_failure_in_a_sentence(
    models: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(laboratory, "receive", broken)
    found = Laboratory(tmp_path, models, Predictors(models))
    run = found.take(ORDER, None)
    told = ended(endpoint(models, found), f"{URL}/runs/{run.id}")
    assert (told["state"], told["fault"]) == ("failed", "could not be made here; the endpoint's log tells why")
    assert "experiment direction_tuning of tiny failed" in log.text
    found.close()
