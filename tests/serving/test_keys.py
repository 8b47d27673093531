"""Who is let in: keys, what they are for, how often they may ask, and where an endpoint refuses to start without."""

from __future__ import annotations

import json
import ssl
import stat
from pathlib import Path

import httpx
import pytest
import trustme
from fastapi.testclient import TestClient
from serving.endpoints import serving
from typer.testing import CliRunner

from sensorium_ray.cli import app as command_line
from sensorium_ray.client.clients import SensoriumClient
from sensorium_ray.errors import ConfigError, EndpointError
from sensorium_ray.ports import free_port
from sensorium_ray.serving import keys
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.problems import PROBLEM
from sensorium_ray.serving.served import Served
from sensorium_ray.serving.settings import Settings


@pytest.fixture(scope="module")
def known() -> dict[str, tuple[str, keys.Key]]:
    made = {name: keys.make(name, [name]) for name in keys.SCOPES}
    return {name: made[name] for name in keys.SCOPES}


def web(bundles: Path, known: dict[str, tuple[str, keys.Key]], per_minute: int | None = None) -> TestClient:
    async def never(*_: object) -> None:
        raise AssertionError

    kept = [key for _, key in known.values()]
    return TestClient(make_app({"tiny": Served.read(bundles / "tiny")}, never, kept, per_minute))  # type: ignore[arg-type]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_that_is_for_it_is_let_in(bundles: Path, known: dict[str, tuple[str, keys.Key]]) -> None:
    endpoint = web(bundles, known)
    for name, status in (("predict", 200), ("admin", 200), ("submit", 403)):
        assert endpoint.get("/v1/models", headers=bearer(known[name][0])).status_code == status
    assert endpoint.get("/v1/models", headers={"authorization": f"bearer  {known['predict'][0]} "}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/tiny", "/v2", "/v2/models/tiny", "/openapi.json", "/nowhere"]
)
@pytest.mark.parametrize("given", [None, "Bearer", "Bearer x", "Basic x", "Bearer \xff", "x"])
def test_others_are_not(bundles: Path, known: dict[str, tuple[str, keys.Key]], path: str, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given.encode("latin-1")}
    answer = web(bundles, known).get(path, headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == PROBLEM
    assert answer.json()["mend"] == "send the header 'Authorization: Bearer KEY'"


def test_balancers_need_no_key(bundles: Path, known: dict[str, tuple[str, keys.Key]]) -> None:
    assert web(bundles, known).get("/v2/health/ready").status_code == 200


def test_so_many_requests_a_minute_come_with_one_key(bundles: Path, known: dict[str, tuple[str, keys.Key]]) -> None:
    endpoint = web(bundles, known, per_minute=3)
    statuses = [endpoint.get("/v2", headers=bearer(known["predict"][0])).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    refused = endpoint.get("/v2", headers=bearer(known["predict"][0]))
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["detail"] == "predict: asks more than 3 times a minute; ask later"
    assert endpoint.get("/v2", headers=bearer(known["admin"][0])).status_code == 200


def run(*arguments: object) -> tuple[int, str]:
    """Status and what was printed, as of a command that ends well; errors are raised."""
    told = CliRunner().invoke(command_line, ["keys", *map(str, arguments)], catch_exceptions=False)
    return told.exit_code, told.stdout


def test_the_file_keeps_hashes_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    status, said = run("add", "lab", "--keys", file)
    key = said.strip()
    assert status == 0
    assert key not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    run("add", "board", "--keys", file, "--scope", "predict", "--scope", "submit")
    with pytest.raises(ConfigError, match="'ask' is nothing that a key is for; known: predict, submit, admin"):
        run("add", "other", "--keys", file, "--scope", "ask")
    with pytest.raises(ConfigError, match="name: is blank; say whose it is"):
        keys.make(" ", ["predict"])
    assert run("list", "--keys", file) == (0, "lab: predict\nboard: predict, submit\n")
    found = keys.find(keys.read(file), key)
    assert found is not None
    assert found.name == "lab"
    assert keys.find(keys.read(file), key + "x") is None
    with pytest.raises(ConfigError, match="has a key of 'lab' already"):
        run("add", "lab", "--keys", file)
    run("remove", "lab", "--keys", file)
    assert keys.find(keys.read(file), key) is None
    with pytest.raises(ConfigError, match="has no key of 'lab'; known: board"):
        run("remove", "lab", "--keys", file)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"keys": [{"name": "x"}]}', '{"keys": [], "format": 2}'])
def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(ConfigError, match=r"keys.json: .*sensorium keys add"):
        keys.given(tmp_path / "keys.json")


def test_keys_may_come_in_the_environment(
    known: dict[str, tuple[str, keys.Key]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keys.given(None) == ()
    key, kept = known["predict"]
    monkeypatch.setenv("SENSORIUM_KEYS", json.dumps({"keys": [kept.model_dump()]}))
    assert keys.find(keys.given(None), key) == kept
    monkeypatch.setenv("SENSORIUM_KEYS", "{")
    with pytest.raises(ConfigError, match="SENSORIUM_KEYS"):
        keys.given(None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_other_machines_are_not_let_in_without_a_key(host: str, known: dict[str, tuple[str, keys.Key]]) -> None:
    with pytest.raises(ConfigError, match="no key is asked for; give --keys FILE, or --insecure"):
        Settings(host=host)
    Settings(host=host, insecure=True)
    Settings(host=host, keys=(known["predict"][1],))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.9"])
def test_this_machine_is(host: str) -> None:
    Settings(host=host)


def test_https_with_a_key(bundles: Path, tmp_path: Path) -> None:
    """A real endpoint: a key is asked for, over https alone."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    server.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    server.private_key_pem.write_to_path(tmp_path / "private.pem")
    key, kept = keys.make("lab", ["predict"])
    keys.write(tmp_path / "keys.json", [kept])
    https = ("--certificate", tmp_path / "certificate.pem", "--private-key", tmp_path / "private.pem")
    with serving(bundles, "--keys", tmp_path / "keys.json", *https) as (running, said):
        assert f"at https://127.0.0.1:{running.port} until" in said
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        url = f"https://127.0.0.1:{running.port}/v1/models"
        assert httpx.get(url, verify=trust).status_code == 401
        assert httpx.get(url, verify=trust, headers=bearer(key)).status_code == 200
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{running.port}/v1/models")
        with pytest.raises(EndpointError, match="certificate"):
            SensoriumClient(f"https://127.0.0.1:{running.port}", key).models()


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="are given one without the other"):
        Settings(certificate=tmp_path / "x.pem")
    with pytest.raises(ConfigError, match=r"x.pem: file is missing"):
        Settings(certificate=tmp_path / "x.pem", private_key=tmp_path / "y.pem", port=free_port())
