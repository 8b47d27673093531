"""A lab of a few hosts (`bed`) as its user sees it from the desk: cluster/onprem.yaml, `ray job submit`, a bucket."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from bed import KEY, ROOT, Bed, Host, make
from serving.endpoints import until

FILE = ROOT / "cluster" / "onprem.yaml"
HEAD, WORKERS = "head", ("worker1", "worker2")
API = "http://localhost:8265"
"""The dashboard and the job API, at the desk, through `ray dashboard`'s tunnel."""
STEADY, FLAKY = "http://desk:9000", "http://desk:9001"
"""Two ways to the same S3 server."""
_START = "bin/ray start"
_SMALL = f"{_START} --num-cpus=1 --object-store-memory=100000000"
_WATCHFUL = {  # a host that is cut off is given up in seconds
    "health_check_initial_delay_ms": 2000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 4,
}
_AWS = {
    "config": f"[default]\nregion = us-east-1\nendpoint_url = {STEADY}\n",
    "credentials": "[default]\naws_access_key_id = tester\naws_secret_access_key = tester\n",
}
_ASK = """
import sys, urllib.error, urllib.request
url, token = sys.argv[1:]
request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
try:
    with urllib.request.urlopen(request, timeout=60) as answer:
        print(answer.status, answer.read().decode(), end="")
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode(), end="")
except OSError as error:
    print(0, error, end="")
"""


@dataclass(frozen=True)
class Lab:
    """What the user does, and sees."""

    bed: Bed
    token: str

    @property
    def desk(self) -> Host:
        return self.bed.desk

    @property
    def work(self) -> Path:
        """The user's folder, which travels with every job."""
        return self.desk.path("/root/work")

    def ask(self, url: str, token: str = "") -> tuple[int, str]:
        """Status and body of what a server answers the desk; status 0: nothing listens there."""
        status, _, body = self.desk.run(f"python - '{url}' '{token}' <<'END'{_ASK}END").partition(" ")
        return int(status), body

    def submit(self, name: str, command: str, **environment: str) -> None:
        """Submit a job."""
        runtime = json.dumps({"working_dir": "/root/work", "env_vars": environment})
        words = f"--no-wait --submission-id {name} --address {API} --runtime-env-json '{runtime}'"
        self.desk.run(f"RAY_AUTH_MODE=token ray job submit {words} -- {command}")

    def status(self, name: str) -> str:
        """RUNNING, SUCCEEDED, FAILED, …"""
        return str(self._told(f"/api/jobs/{name}")["status"])

    def said(self, name: str) -> str:
        """What a job has printed so far."""
        return str(self._told(f"/api/jobs/{name}/logs")["logs"])

    def finish(self, name: str) -> str:
        """Wait until a job has ended well; what it printed."""
        until(lambda: self.status(name) in ("SUCCEEDED", "FAILED", "STOPPED"))
        assert self.status(name) == "SUCCEEDED", self.said(name)[-4000:]
        return self.said(name)

    def kill(self, name: str, command: str) -> None:
        """SIGKILL the driver of a job, and wait until that is noticed.

        Parameters
        ----------
        command : what it runs, a word.
        """
        self.bed[HEAD].run(f"pkill -KILL -f 'bin/[s]ensorium {command}'")
        until(lambda: self.status(name) == "FAILED")

    def nodes(self) -> list[str]:
        """Addresses of the hosts that are part of the cluster, sorted."""
        return sorted(node["node_ip"] for node in self._listed("nodes") if node["state"] == "ALIVE")

    def where(self, kind: str) -> list[str]:
        """Addresses of the hosts on which actors live whose class's name begins so, sorted."""
        address = {node["node_id"]: node["node_ip"] for node in self._listed("nodes")}
        actors = [actor for actor in self._listed("actors") if actor["state"] == "ALIVE"]
        return sorted({address[actor["node_id"]] for actor in actors if actor["class_name"].startswith(kind)})

    def _listed(self, what: str) -> list[dict[str, Any]]:
        return list(self._told(f"/api/v0/{what}?limit=10000&detail=1")["data"]["result"]["result"])

    def _told(self, path: str) -> dict[str, Any]:
        status, body = self.ask(API + path, self.token)
        assert status == 200, (status, body)
        return dict(json.loads(body))

    def upload(self, folder: Path, name: str) -> None:
        """Put a folder of this machine into the bucket."""
        shutil.copytree(folder, self.desk.path(f"/root/upload/{name}"))
        copy = f"s3fs.S3FileSystem().put('/root/upload/{name}/', 'lab/{name}/', recursive=True)"
        self.desk.run(f'python -c "import s3fs; {copy}"')

    def stored(self, prefix: str) -> list[str]:
        """Keys of the bucket, of the first thousand."""
        status, body = self.ask(f"{STEADY}/lab?list-type=2&prefix={prefix}")
        assert status == 200, body
        return re.findall("<Key>(.*?)</Key>", body)

    def fetch(self, key: str) -> Path:
        """A file of the bucket, on this machine."""
        target = f"/root/fetched/{key}"
        self.desk.run(f"python -c \"import s3fs; s3fs.S3FileSystem().get('lab/{key}', '{target}')\"")
        return self.desk.path(target)


@contextmanager
def lab() -> Iterator[Lab]:
    """Hosts, a desk and an S3 server with an empty bucket `lab`; no cluster yet."""
    with make((HEAD, *WORKERS)) as bed:
        desk = bed.desk
        desk.run("RAY_AUTH_MODE=token ray get-auth-token --generate; mkdir -p work .aws")
        for name, content in _AWS.items():
            desk.path(f"/root/.aws/{name}").write_text(content)
        desk.start("python -m moto.server --host 0.0.0.0 --port 9000", "s3.log")
        desk.start(f"python {ROOT}/tests/flaky_s3.py {STEADY} 0.0.0.0 9001", "flaky.log")
        ready = Lab(bed, desk.path("/root/.ray/auth_token").read_text())
        until(lambda: ready.ask(f"{STEADY}/")[0] == 200)
        desk.run("python -c \"import s3fs; s3fs.S3FileSystem().mkdir('lab')\"")
        yield ready


def filled_in(bed: Bed) -> dict[str, Any]:
    """The file with what a user fills in, and small hosts that are watched closely."""
    given: dict[str, Any] = yaml.safe_load(FILE.read_text())
    given["provider"] |= {"head_ip": bed[HEAD].address, "worker_ips": [bed[name].address for name in WORKERS]}
    given["auth"] = {"ssh_user": "root", "ssh_private_key": KEY}
    given["file_mounts"]["~/.aws"] = "~/.aws"
    given["head_start_ray_commands"][-1] += f" --system-config='{json.dumps(_WATCHFUL)}'"
    for commands in (given["head_start_ray_commands"], given["worker_start_ray_commands"]):
        commands[-1] = commands[-1].replace(_START, _SMALL)
    return given


def up(lab: Lab) -> None:
    """`ray up`, until all hosts are there, and `ray dashboard`."""
    lab.desk.path("/root/onprem.yaml").write_text(yaml.safe_dump(filled_in(lab.bed)))
    lab.desk.run(f"cd {ROOT}; RAY_AUTH_MODE=token ray up --yes ~/onprem.yaml", timeout=600)
    lab.desk.start("RAY_AUTH_MODE=token ray dashboard ~/onprem.yaml", "tunnel.log")
    until(lambda: lab.ask(f"{API}/api/version", lab.token)[0] == 200)
    until(lambda: len(lab.nodes()) == 1 + len(WORKERS))
