"""Submissions over HTTP: taken once, scored by a process beside, never lost; and who may see what."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from serving.endpoints import answering, serving, until
from submissions.sent import WINDOW, send
from tiny_store import Tiny
from typer.testing import CliRunner

from sensorium_ray.cli import app as command_line
from sensorium_ray.client.submitting import RemoteLeaderboard
from sensorium_ray.errors import EndpointError, SensoriumError, SubmissionError
from sensorium_ray.serving import keys, routes_board
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.desk import Desk
from sensorium_ray.serving.problems import PROBLEM
from sensorium_ray.submissions import inbox, worker
from sensorium_ray.submissions.inbox import Inbox
from sensorium_ray.submissions.leaderboard import Leaderboard

ZIP = {"Content-Type": "application/zip"}
URL = "/v1/submissions"


async def never(*_: object) -> Any:
    raise AssertionError
    yield


@pytest.fixture(scope="module")
def sent(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Zips of the main track by how noisy they are."""
    folder = tmp_path_factory.mktemp("sent")
    return cache(lambda noise, **options: send(tiny, folder, noise, **options))


@pytest.fixture(scope="module")
def team_keys() -> dict[str, tuple[str, keys.Key]]:
    scopes = {"a": ["submit"], "b": ["submit", "predict"], "reader": ["predict"], "chief": ["admin"]}
    return {name: keys.make(name, of) for name, of in scopes.items()}


@pytest.fixture
def make_board(tiny: Tiny, tmp_path: Path) -> Callable[..., Path]:
    def make(name: str = "board", **options: int) -> Path:
        Leaderboard.create(tmp_path / name, tiny.store, tiny.truth, window=WINDOW, **options)  # type: ignore[arg-type]
        return tmp_path / name

    return make


@pytest.fixture
def unscored(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is handed in waits."""
    monkeypatch.setattr(Desk, "_empty", lambda _: None)


def web(board: Path | None, known: dict[str, tuple[str, keys.Key]] | None = None) -> TestClient:
    desk = None if board is None else Desk(board)
    return TestClient(make_app({}, never, [kept for _, kept in (known or {}).values()], desk=desk))


def bearer(known: dict[str, tuple[str, keys.Key]], name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {known[name][0]}"}


def post(endpoint: TestClient, file: Path | bytes, headers: dict[str, str] = ZIP, **params: str) -> httpx.Response:
    body = file if isinstance(file, bytes) else file.read_bytes()
    return endpoint.post(URL, content=body, headers=ZIP | headers, params=params)


def finished(endpoint: TestClient, location: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    for _ in range(240):
        entry = endpoint.get(location, headers=headers).json()
        if entry["state"] in ("done", "refused", "failed"):
            return dict(entry)
        time.sleep(0.25)
    raise AssertionError("it was never scored")


def score(board: Path) -> None:
    """Score what has waited longest, in this process, as another would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "_bound", lambda: None)
        worker.score_next(board)


def scoring(board: Path) -> list[str]:
    return [sys.executable, "-m", worker.__name__, str(board)]


def test_a_submission_is_scored_and_ranked_as_beside_the_board(
    tiny: Tiny, make_board: Callable[..., Path], sent: Callable[..., Path]
) -> None:
    board, beside = make_board(), make_board("beside")
    endpoint = web(board)
    answer = post(endpoint, sent(0.2), team="Lab", note="the first")
    assert answer.status_code == 202
    assert answer.json()["state"] == "received"
    post(endpoint, sent(1.0), team="Other")
    entry = finished(endpoint, answer.headers["location"])
    expected = Leaderboard.open(beside).submit(sent(0.2), "Lab", "the first")
    Leaderboard.open(beside).submit(sent(1.0), "Other")
    assert entry["state"] == "done"
    assert entry["receipt"] == {**json.loads(json.dumps(asdict(expected))), "received": entry["received"]}
    other = endpoint.get(URL).json()["submissions"][1]
    finished(endpoint, f"{URL}/{other['id']}")
    told, there = endpoint.get("/v1/leaderboard").json(), Leaderboard.open(beside)
    rows = json.loads(
        json.dumps({track: [asdict(row) for row in there.standings(track, "live")] for track in there.rules.tracks})
    )
    for row in [*told["standings"]["main"], *rows["main"]]:
        del row["received"]
    assert told["standings"] == rows
    assert [row["team"] for row in told["standings"]["main"]] == ["Lab", "Other"]
    assert (told["stage"], told["opened"]) == ("live", None)
    assert not list((board / "inbox").glob("*/submission.*")), "the board has it now"
    assert not list((board / "inbox").glob("*.partial"))


def test_withheld_scores_are_told_to_nobody(
    make_board: Callable[..., Path], sent: Callable[..., Path], unscored: None
) -> None:
    board = make_board()
    endpoint = web(board)
    location = post(endpoint, sent(0.2), team="a").headers["location"]
    score(board)
    [file] = board.glob("teams/*/0001/submission.json")
    final = json.loads(file.read_text())["scores"]["main"]["final"]
    hidden = [str(value) for score in final.values() for value in score.values() if value is not None]
    assert hidden
    for address in (location, URL, "/v1/leaderboard", "/v1/leaderboard.html"):
        assert not [value for value in hidden if value in endpoint.get(address).text]
    refused = endpoint.get("/v1/leaderboard?stage=final")
    assert (refused.status_code, refused.headers["content-type"]) == (403, PROBLEM)
    assert refused.json()["detail"] == "stage: the final standings are withheld; wait until they are opened"


def test_the_same_file_of_the_same_team_is_one_submission(
    make_board: Callable[..., Path], sent: Callable[..., Path], unscored: None
) -> None:
    board = make_board(limit_per_day=1)
    endpoint = web(board)
    first = post(endpoint, sent(0.2), team="Lab")
    again = post(endpoint, sent(0.2), team="LAB")
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["location"] == first.headers["location"]
    assert post(endpoint, sent(0.2), team="other").headers["location"] != first.headers["location"]
    for _ in range(2):
        score(board)
    assert finished(endpoint, first.headers["location"])["receipt"]["number"] == 1
    assert post(endpoint, sent(0.2), team="Lab").status_code == 200
    assert Leaderboard.open(board).submissions == 2


def test_posts_at_once_are_one_submission_or_keep_to_the_quota(
    make_board: Callable[..., Path], sent: Callable[..., Path], unscored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensorium_ray.serving.desk._UPLOADS", 8)
    board = make_board(limit_per_day=2)
    bodies = {noise: sent(noise).read_bytes() for noise in (1.0, 2.0, 3.0, 4.0)}
    with answering(make_app({}, never, desk=Desk(board))) as url, ThreadPoolExecutor(8) as pool:

        def put(noise: float) -> int:
            asked = {"params": {"team": "a"}, "content": bodies[noise], "headers": ZIP}
            return httpx.post(url + URL, timeout=60, **asked).status_code

        assert list(pool.map(put, [1.0] * 4)) == [202] * 4
        statuses = list(pool.map(put, [2.0, 3.0, 4.0, 1.0]))
    assert sorted(statuses) == [202, 202, 429, 429]
    assert len(Inbox(Leaderboard.open(board)).waiting()) == 2
    assert not list((board / "inbox").glob("*.partial"))


def test_a_day_has_its_quota_and_what_is_refused_does_not_count(
    make_board: Callable[..., Path], sent: Callable[..., Path], unscored: None
) -> None:
    board = make_board(limit_per_day=1)
    endpoint = web(board)
    assert post(endpoint, sent(0.2, leave_out=1), team="a").status_code == 202
    refused = post(endpoint, sent(0.2), team="a")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 24 * 3600
    assert "(UTC) are used; come back tomorrow" in refused.json()["detail"]
    score(board)
    assert post(endpoint, sent(0.2), team="a").status_code == 202
    assert post(endpoint, sent(1.0), team="a").status_code == 429
    assert post(endpoint, sent(1.0), team="b").status_code == 202


def test_refusals_come_with_the_findings_of_the_check(
    make_board: Callable[..., Path], sent: Callable[..., Path], unscored: None
) -> None:
    board = make_board()
    endpoint = web(board)
    file = sent(0.2, leave_out=2)
    whole, cut = b"no zip at all", sent(0.2).read_bytes()[:-100]
    locations = [post(endpoint, body, team="a").headers["location"] for body in (file, whole, cut)]
    for _ in locations:
        score(board)
    entry, *unreadable = (finished(endpoint, location) for location in locations)
    receipt = Leaderboard.open(board).submit(file, "a")
    assert entry["state"] == "refused"
    assert [fault.replace("submission.zip", file.name) for fault in entry["receipt"]["faults"]] == list(receipt.faults)
    assert entry["receipt"]["left_today"] == 3
    for entry in unreadable:
        assert (entry["state"], entry["receipt"]) == ("refused", None)
        assert entry["fault"].startswith("submission.zip: is not a readable zip (")
        assert str(board) not in json.dumps(entry)
    assert Leaderboard.open(board).submissions == 0
    assert post(endpoint, file, team="a").status_code == 202, "it may be tried again"


def test_a_body_is_bounded_and_of_a_known_kind(
    make_board: Callable[..., Path], unscored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make_board()
    endpoint = web(board)
    monkeypatch.setattr(routes_board, "LIMIT", 1024**2)

    def in_pieces() -> Iterator[bytes]:
        yield from (bytes(65536) for _ in range(40))

    for body in (bytes(2 * 1024**2), in_pieces()):
        answer = endpoint.post(URL, params={"team": "a"}, content=body, headers=ZIP)
        assert answer.status_code == 413
        assert answer.json()["detail"] == "the body: is larger than 1 MiB; a submission has some 5 GB at most"
    for headers, status, told in (
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "send application/zip, text/csv"),
        ({"Content-Encoding": "gzip"}, 415, "without Content-Encoding"),
    ):
        answer = post(endpoint, b"x", headers, team="a")
        assert answer.status_code == status
        assert told in answer.json()["detail"]
    assert post(endpoint, b"", team="a").status_code == 400
    monkeypatch.setattr(inbox, "require_space", _no_space)
    answer = post(endpoint, b"x", team="a")
    assert answer.status_code == 507
    assert str(board) not in answer.text
    assert not list((board / "inbox").glob("*/*"))


def _no_space(folder: Path, needed: int) -> None:
    from sensorium_ray.errors import DataError

    raise DataError("the disk is full", str(folder))


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({}, "team: is missing; name it with ?team=…"),
        ({"team": "a" * 51}, "use 1 to 50 printable characters"),
        ({"team": "a", "note": "x" * 501}, "note: has 501 characters; use 500 at most"),
    ],
)
def test_a_team_and_a_note_are_checked_first(
    make_board: Callable[..., Path], params: dict[str, str], told: str
) -> None:
    answer = post(web(make_board()), b"x", **params)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]


def test_a_queue_is_bounded(
    make_board: Callable[..., Path], sent: Callable[..., Path], unscored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make_board()
    monkeypatch.setattr(inbox.Inbox.__init__, "__defaults__", (1,))
    endpoint = web(board)
    assert post(endpoint, sent(0.2), team="a").status_code == 202
    answer = post(endpoint, sent(0.2), team="b")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert answer.json()["detail"] == "the inbox: no more submissions may wait to be scored; send it again in a minute"
    score(board)
    assert post(endpoint, sent(0.2), team="b").status_code == 202
    monkeypatch.setattr("sensorium_ray.serving.desk._UPLOADS", 0)
    answer = post(web(make_board("other")), sent(0.2), team="a")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("the inbox: no more submissions may be sent at once;")


def test_an_upload_that_is_cut_off_leaves_nothing(
    make_board: Callable[..., Path], sent: Callable[..., Path], unscored: None
) -> None:
    board = make_board()
    with answering(make_app({}, never, desk=Desk(board))) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        body = sent(0.2).read_bytes()
        head = f"POST {URL}?team=a HTTP/1.1\r\nHost: x\r\nContent-Type: application/zip\r\nContent-Length: {len(body)}"
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(f"{head}\r\n\r\n".encode() + body[:-10])
            until(lambda: list((board / "inbox").glob("*.partial")))
        until(lambda: not list((board / "inbox").glob("*.partial")))
        assert httpx.get(url + URL, timeout=60).json() == {"submissions": []}


def test_a_key_is_a_team_and_sees_its_own(
    make_board: Callable[..., Path],
    sent: Callable[..., Path],
    unscored: None,
    team_keys: dict[str, tuple[str, keys.Key]],
) -> None:
    endpoint = web(make_board(), team_keys)
    known = {name: bearer(team_keys, name) for name in team_keys}
    assert post(endpoint, sent(0.2)).status_code == 401
    assert post(endpoint, sent(0.2), known["reader"]).status_code == 403
    mine = post(endpoint, sent(0.2), known["a"], team="A")
    assert (mine.status_code, mine.json()["team"]) == (202, "a")
    stolen = post(endpoint, sent(0.2), known["a"], team="b")
    assert (stolen.status_code, stolen.json()["detail"]) == (
        403,
        "team: 'b' is not the team of this key; leave it out: the key says it",
    )
    post(endpoint, sent(0.2), known["b"])
    location = mine.headers["location"]
    for name, teams, status in (("a", ["a"], 200), ("b", ["b"], 404), ("chief", ["a", "b"], 200)):
        listed = endpoint.get(URL, headers=known[name]).json()["submissions"]
        assert [entry["team"] for entry in listed] == teams
        assert endpoint.get(location, headers=known[name]).status_code == status
    assert endpoint.get(URL, headers=known["reader"]).status_code == 403
    assert endpoint.get("/v1/models", headers=known["a"]).status_code == 403
    assert endpoint.get("/v1/models", headers=known["b"]).status_code == 200
    assert endpoint.get("/v1/leaderboard").status_code == 200, "standings are public"


def test_an_admin_opens_the_final_standings(
    make_board: Callable[..., Path],
    sent: Callable[..., Path],
    unscored: None,
    team_keys: dict[str, tuple[str, keys.Key]],
) -> None:
    board = make_board()
    endpoint = web(board, team_keys)
    known = {name: bearer(team_keys, name) for name in team_keys}
    location = post(endpoint, sent(0.2), known["a"]).headers["location"]
    for name in ("a", "b", "reader"):
        assert endpoint.post("/v1/leaderboard/open", headers=known[name]).status_code == 403
    opened = endpoint.post("/v1/leaderboard/open", headers=known["chief"]).json()
    assert opened["waiting"] == 1
    late = post(endpoint, sent(1.0), known["b"])
    assert late.status_code == 403
    assert late.json()["detail"] == "Sensorium: takes no more submissions; the final standings are open"
    score(board)
    assert finished(endpoint, location, known["a"])["state"] == "done", "it came before"
    final = endpoint.get("/v1/leaderboard?stage=final").json()
    assert final["opened"] == opened["opened"] == Leaderboard.open(board).opened
    assert [row["team"] for row in final["standings"]["main"]] == ["a"]
    assert web(board).post("/v1/leaderboard/open").status_code == 403, "where no keys are asked for"


def test_the_page_of_the_standings_runs_and_fetches_nothing(make_board: Callable[..., Path]) -> None:
    page = web(make_board()).get("/v1/leaderboard.html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "Live standings" in page.text
    assert "<script" not in page.text


@pytest.mark.parametrize(
    ("method", "address"),
    [("GET", URL), ("POST", URL), ("GET", f"{URL}/x"), ("GET", "/v1/leaderboard"), ("POST", "/v1/leaderboard/open")],
)
def test_without_a_board_it_is_said_how_to_have_one(method: str, address: str) -> None:
    answer = web(None).request(method, address)
    assert answer.status_code == 404
    assert answer.json()["mend"] == "start the endpoint with `sensorium serve … --leaderboard BOARD`"


@pytest.mark.parametrize("name", ["x", "0" * 32, "..", "lock", "0" * 5000])
def test_an_unknown_id_is_a_404(make_board: Callable[..., Path], name: str) -> None:
    assert web(make_board()).get(f"{URL}/{name}").status_code == 404


@pytest.mark.usefixtures("unscored")
def test_the_api_describes_itself(tiny: Tiny, make_board: Callable[..., Path], tmp_path: Path) -> None:
    endpoint = web(make_board())
    document = endpoint.get("/openapi.json").json()
    paths = document["paths"]
    submit, standings = paths[URL]["post"], paths["/v1/leaderboard"]["get"]
    assert "application/zip" in submit["requestBody"]["content"]
    assert {"200", "202", "429", "4XX", "503"} <= set(submit["responses"])
    assert {"/v1/leaderboard", "/v1/leaderboard.html", "/v1/leaderboard/open", f"{URL}/{{name}}"} <= set(paths)
    handed_in = post(endpoint, send(tiny, tmp_path, 0.5), team="lab")
    for operation, answer in ((submit, handed_in), (standings, endpoint.get("/v1/leaderboard"))):
        schema = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
        Draft202012Validator(schema | {"components": document["components"]}).validate(answer.json())


_DIES = """
    import os, signal, sys
    from sensorium_ray.submissions import evaluation, inbox, leaderboard, worker

    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    setattr({where}, {name!r}, die)
    worker.score_next({board!r})
"""


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("worker.Leaderboard", "submit"),
        ("evaluation.Judge", "score"),
        ("leaderboard.Leaderboard", "_receipt"),  # it counts already
        ("inbox", "remove"),  # and it is written down
    ],
)
def test_a_kill_while_scoring_loses_and_doubles_nothing(
    make_board: Callable[..., Path], sent: Callable[..., Path], unscored: None, where: str, name: str
) -> None:
    board = make_board()
    endpoint = web(board)
    location = post(endpoint, sent(0.2), team="a").headers["location"]
    code = textwrap.dedent(_DIES).format(where=where, name=name, board=str(board))
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    score(board)
    entry = finished(endpoint, location)
    assert (entry["state"], entry["receipt"]["number"]) == ("done", 1)
    assert Leaderboard.open(board).submissions == 1
    assert Inbox(Leaderboard.open(board)).waiting() == []


def test_what_an_endpoint_left_is_scored_when_the_next_one_starts(
    make_board: Callable[..., Path], sent: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make_board()
    with monkeypatch.context() as patch:
        patch.setattr(Desk, "_empty", lambda _: None)
        location = post(web(board), sent(0.2), team="a").headers["location"]
    (board / "inbox" / "dead.partial").mkdir()
    (board / "inbox" / "dead.partial" / "submission.zip").write_bytes(b"PK")
    with Inbox(Leaderboard.open(board)).upload("submission.zip") as upload:
        upload.write(b"PK")
        assert finished(web(board), location)["state"] == "done"
        assert not (board / "inbox" / "dead.partial").exists()
        assert upload.path.is_file(), "it is still being sent"


def test_a_submission_that_ends_its_process_again_and_again_is_given_up(
    make_board: Callable[..., Path],
    sent: Callable[..., Path],
    unscored: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    board = make_board()
    endpoint = web(board)
    location = post(endpoint, sent(0.2), team="a").headers["location"]
    [entry] = Inbox(Leaderboard.open(board)).waiting()
    Inbox(Leaderboard.open(board)).update(entry, state="scoring", attempts=worker.ATTEMPTS)
    score(board)
    assert "it ended its process 3 times" in caplog.text
    told = finished(endpoint, location)
    assert (told["state"], told["fault"]) == ("failed", "could not be scored here; the organisers' log tells why")
    assert post(endpoint, sent(0.2), team="a").status_code == 202, "it may be sent again"
    assert "attempts" not in told
    score(board)
    assert finished(endpoint, location)["state"] == "done"


def test_who_scores_ends_with_who_started_it(
    make_board: Callable[..., Path], sent: Callable[..., Path], unscored: None
) -> None:
    board = make_board()
    post(web(board), sent(0.2), team="a")
    with Inbox(Leaderboard.open(board)).scoring():  # so that it waits
        child = subprocess.Popen(scoring(board), stdin=subprocess.PIPE)
        time.sleep(0.5)
        assert child.poll() is None
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(20) == 1


def test_bounds_of_memory_and_time_are_told(
    make_board: Callable[..., Path], sent: Callable[..., Path], unscored: None
) -> None:
    board = make_board(limit_per_day=9)
    endpoint = web(board)
    code = """
        import sys, time
        from sensorium_ray.submissions import worker
        from sensorium_ray.submissions.leaderboard import Leaderboard
        Leaderboard.submit = lambda *_: {what}
        worker.MEMORY, worker.SECONDS = 2**30, 1
        worker.score_next({board!r})
    """
    for noise, what, fault in (
        (0.2, "bytes(2**31)", "needs more than 1 GiB of memory to be scored"),
        (1.0, "time.sleep(30)", "takes longer than 0 hours to be scored"),
    ):
        location = post(endpoint, sent(noise), team="a").headers["location"]
        subprocess.run([sys.executable, "-c", textwrap.dedent(code).format(what=what, board=str(board))], check=True)
        told = finished(endpoint, location)
        assert (told["state"], told["fault"]) == ("failed", fault)


def run(*arguments: object, **environment: str) -> tuple[int, str, BaseException | None]:
    told = CliRunner().invoke(command_line, list(map(str, arguments)), env=environment)
    return told.exit_code, told.stdout, told.exception


def test_the_commands_take_an_address_for_a_board(
    make_board: Callable[..., Path], sent: Callable[..., Path], team_keys: dict[str, tuple[str, keys.Key]]
) -> None:
    board, beside = make_board(), make_board("beside")
    kept = [key for _, key in team_keys.values()]
    with answering(make_app({}, never, kept, desk=Desk(board))) as url:
        for name, noise in (("a", 0.2), ("b", 1.0)):
            told = run("leaderboard", "submit", url, sent(noise), SENSORIUM_KEY=team_keys[name][0])
            assert told == run("leaderboard", "submit", beside, sent(noise), "--team", name)
            assert told[0] == 0
        bad = sent(0.2, leave_out=1)
        status, said, _ = run("leaderboard", "submit", url, bad, "--key", team_keys["a"][0])
        assert (status, said.splitlines()[-1]) == (1, "refused, which does not count; 2 left today, 99 in all")
        assert run("leaderboard", "show", url) == run("leaderboard", "show", beside)
        *_, error = run("leaderboard", "open", url, "--key", team_keys["a"][0])
        assert isinstance(error, EndpointError)
        assert "ask for a key that is for admin" in str(error)
        assert run("leaderboard", "open", url, "--key", team_keys["chief"][0])[0] == 0
        assert run("leaderboard", "show", url, "--stage", "final") == run(
            "leaderboard", "show", board, "--stage", "final"
        )


def test_the_client_tells_what_is_wrong(
    make_board: Callable[..., Path], tmp_path: Path, sent: Callable[..., Path]
) -> None:
    board = make_board()
    (tmp_path / "no.zip").write_bytes(b"no zip")
    sizes: list[tuple[int, int]] = []
    with answering(make_app({}, never, desk=Desk(board))) as url, RemoteLeaderboard(url) as remote:
        with pytest.raises(SubmissionError, match=r"submission.zip: is not a readable zip"):
            remote.submit(tmp_path / "no.zip", "a", progress=lambda *told: sizes.append(told))
        assert sizes == [(6, 6)]
        with pytest.raises(SubmissionError, match=r"nothing.zip: cannot be read \(No such file or directory\)"):
            remote.submit(tmp_path / "nothing.zip", "a")
        with pytest.raises(EndpointError, match="team: is missing"):
            remote.submit(sent(0.2))
    with RemoteLeaderboard("http://127.0.0.1:1") as remote, pytest.raises(SensoriumError, match="no endpoint answers"):
        remote.all_standings("live")


@pytest.mark.slow
def test_a_real_endpoint_writes_to_the_disk_and_goes_on_after_a_kill(
    make_board: Callable[..., Path], sent: Callable[..., Path], bundles: Path
) -> None:
    board = make_board()
    with serving(bundles, "--leaderboard", board) as (running, _):
        [replica] = running.processes("ServeReplica")
        before = replica.memory_info().rss
        large = httpx.post(running.url + URL, params={"team": "b"}, content=megabytes(400), headers=ZIP, timeout=60)
        assert large.status_code == 202
        assert most_memory(replica.pid) - before < 100 * 1024**2
        body = sent(0.2).read_bytes()
        answer = httpx.post(running.url + URL, params={"team": "a"}, content=body, headers=ZIP, timeout=60)
        assert answer.status_code == 202
        os.kill(replica.pid, signal.SIGKILL)
        until(lambda: Leaderboard.open(board).submissions == 1)
        until(lambda: not Inbox(Leaderboard.open(board)).waiting())
    assert Leaderboard.open(board).submissions == 1
    assert running.processes() == []


def megabytes(count: int) -> Iterator[bytes]:
    yield from (bytes(1024**2) for _ in range(count))


def most_memory(pid: int) -> int:
    """Most bytes that a process had in memory."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
