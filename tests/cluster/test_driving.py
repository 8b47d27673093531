"""`sensorium cluster up|status|submit|logs|down`: Ray's own commands, printed, and one sentence where they fail."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sensorium_ray.cluster import driving, running, tunnel
from sensorium_ray.cluster.gpus import require_gpus
from sensorium_ray.errors import ClusterError

RAY = """#!{python}
import json, os, socket, sys
seen = {{"words": sys.argv[1:], "mode": os.environ.get("RAY_AUTH_MODE"), "token": os.environ.get("RAY_AUTH_TOKEN")}}
with open({asked!r}, "a") as file:
    print(json.dumps(seen), file=file)
if sys.argv[1] == "dashboard" and not {refused!r}:
    server = socket.create_server(("127.0.0.1", int(sys.argv[4])))
    while True:
        server.accept()
print({says!r}, file=sys.{stream})
sys.exit({status})
"""


@pytest.fixture
def file(filled: dict[str, Any], tmp_path: Path) -> Path:
    """A cluster under desks."""
    config = {
        "cluster_name": "desks",
        "provider": {"type": "local", "head_ip": "10.0.0.1", "worker_ips": []},
        "auth": {"ssh_user": "lab"},
        "file_mounts": filled["file_mounts"],
        "head_start_ray_commands": filled["head_start_ray_commands"],
        "worker_start_ray_commands": filled["worker_start_ray_commands"],
    }
    (tmp_path / "desks.yaml").write_text(yaml.safe_dump(config))
    return tmp_path / "desks.yaml"


@pytest.fixture
def ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[], list[dict[str, Any]]]]:
    """Puts a program in Ray's place that says something and ends; gives what tells how it was called."""

    def place(
        says: str = "", status: int = 0, *, refused: bool = False, stream: str = "stderr"
    ) -> Callable[[], list[dict[str, Any]]]:
        asked, program = tmp_path / "asked", tmp_path / "ray"
        values = {"python": sys.executable, "asked": str(asked), "says": says, "status": status, "refused": refused}
        values["stream"] = stream
        program.write_text(RAY.format(**values))
        program.chmod(0o755)
        for module in (running, tunnel):
            monkeypatch.setattr(module, "program", lambda: str(program))
        return lambda: [json.loads(line) for line in asked.read_text().splitlines()]

    return place


def test_a_command_is_printed_and_passed_on_with_the_token(
    file: Path, ray: Any, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    calls = ray("3 nodes", stream="stdout")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    driving.status(file)
    out, err = capfdbinary.readouterr()
    assert out == b"3 nodes\n"
    assert err == f"+ RAY_AUTH_MODE=token ray exec {file} 'ray status'\n".encode()
    assert calls() == [{"words": ["exec", str(file), "ray status"], "mode": "token", "token": "secret"}]


def test_a_job_goes_through_a_tunnel_that_ends_with_it(file: Path, ray: Any) -> None:
    calls = ray("done")
    driving.submit(file, ["sensorium", "score", "--out", "s3://lab/a b"], working_dir="spaces", wait=False)
    dashboard, job = (call["words"] for call in calls())
    assert dashboard[:3] == ["dashboard", str(file), "--port"]
    address = f"http://127.0.0.1:{dashboard[3]}"
    assert job[:4] == ["job", "submit", "--address", address]
    assert job[4:] == ["--working-dir", "spaces", "--no-wait", "--", "sensorium", "score", "--out", "s3://lab/a b"]
    assert not tunnel._answers(int(dashboard[3]))
    driving.logs(file, "raysubmit_1", follow=True)
    assert calls()[-1]["words"][4:] == ["--follow", "raysubmit_1"]


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        ("lab@10.0.0.1: Permission denied (publickey).", "ssh is refused; check auth.ssh_user"),
        ("ssh: connect to host 10.0.0.1 port 22: Connection timed out", "ssh gets no answer"),
        ("ssh: connect to host 10.0.0.1 port 22: Connection refused", "the head does not take ssh"),
        ("RuntimeError: Head node of cluster (desks) not found!", "there is no such cluster; start it"),
        ("botocore.exceptions.NoCredentialsError: Unable to locate credentials", "there are no credentials here"),
        ("RuntimeError: Request failed with status code 401", "does not take the token"),
        ("something else", "`ray exec` ended with status 7; what it printed above says why"),
    ],
)
def test_a_failure_is_one_sentence(says: str, sentence: str, file: Path, ray: Any) -> None:
    ray(says, 7)
    with pytest.raises(ClusterError) as told:
        driving.status(file)
    assert str(told.value).startswith(f"{file}: ")
    assert sentence in str(told.value)


def test_a_jobs_own_log_is_not_taken_for_a_trouble(file: Path, ray: Any) -> None:
    ray("Connection refused", 1, stream="stdout")
    with pytest.raises(ClusterError, match="`ray exec` ended with status 1"):
        driving.status(file)


def test_a_traceback_is_shown_only_where_no_sentence_is_known(
    file: Path, ray: Any, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    ray("before\nTraceback (most recent call last):\n  Permission denied (publickey).", 1)
    with pytest.raises(ClusterError, match="ssh is refused"):
        driving.status(file)
    assert capfdbinary.readouterr()[1].endswith(b"\nbefore\n")
    ray("Traceback (most recent call last):\n  of a new kind", 1)
    with pytest.raises(ClusterError, match="ended with status 1"):
        driving.status(file)
    assert b"of a new kind" in capfdbinary.readouterr()[1]


def test_a_tunnel_that_is_refused_is_one_sentence(file: Path, ray: Any) -> None:
    ray("lab@10.0.0.1: Permission denied (publickey).", 1, refused=True)
    with pytest.raises(ClusterError, match="ssh is refused"):
        driving.submit(file, ["true"])


def test_without_a_token_nothing_is_asked(file: Path, ray: Any, tmp_path: Path) -> None:
    (tmp_path / ".ray" / "auth_token").unlink()
    ray()
    with pytest.raises(ClusterError, match="there is no token"):
        driving.submit(file, ["true"])
    assert not (tmp_path / "asked").exists()


def test_up_asks_nothing_of_ray_before_the_file_is_sound(file: Path, ray: Any, tmp_path: Path) -> None:
    calls = ray()
    told: list[object] = []
    driving.up(file, yes=True, tell=told.append)
    assert [call["words"] for call in calls()] == [["up", str(file), "--yes"]]
    (tmp_path / "asked").unlink()
    file.write_text(file.read_text().replace("worker_ips", "workers_ips"))
    with pytest.raises(ClusterError, match=r"'workers_ips' is unknown; did you mean 'worker_ips'\?"):
        driving.up(file, tell=told.append)
    assert not (tmp_path / "asked").exists()


def test_kubernetes_is_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "kube.yaml").write_text("apiVersion: ray.io/v1\nkind: RayCluster\n")
    with pytest.raises(ClusterError, match="kubectl apply"):
        driving.down(tmp_path / "kube.yaml")


def test_a_job_that_no_node_has_gpus_for_is_refused(filled: dict[str, Any], tmp_path: Path, file: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(filled))
    sweep = ["sensorium", "sweep", "s3://lab/store", "dwiseneuro"]
    require_gpus(tmp_path / "cluster.yaml", [*sweep, "--gpus", "0.5"])
    require_gpus(tmp_path / "cluster.yaml", [*sweep, "--gpus"])  # the job says what is wrong
    require_gpus(file, [*sweep, "--gpus=8"])  # Ray asks these machines what they have
    with pytest.raises(ClusterError, match=r"asks for --gpus 2, a node of .* has 1"):
        require_gpus(tmp_path / "cluster.yaml", [*sweep, "--gpus=2"])
    del filled["available_node_types"]["gpu_worker"]
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(filled))
    with pytest.raises(ClusterError, match=r"asks for --gpus 0.5, a node of .* has 0"):
        require_gpus(tmp_path / "cluster.yaml", [*sweep, "--gpus", "0.5"])
