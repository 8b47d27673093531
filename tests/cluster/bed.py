"""A test bed: several hosts on one machine, each with its own address, name, files, processes and ssh server.

A host is a process in namespaces of its own (Linux; needs root). Its network, its mounts, its files (in memory) and all
its processes are gone when that process is, and that one ends with the process that made the bed, however that ends:
nothing is left on this machine, which itself sees no interface, mount or address of the bed.

    python tests/cluster/bed.py      # a bed to play with, until Ctrl-C
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""This project."""
VENV = Path(sys.prefix)
DESK = "desk"
"""The host at which the user sits: it sees the project, and the network's bridge is in it."""
KEY = "/root/.ssh/id_lab"
"""The user's ssh key, at the desk."""
_NETWORK = "10.77.0"
_PROGRAMS = {
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "/usr/sbin/sshd": "openssh-server",
    "rsync": "rsync",
}
"""What a bed is made with, and the Debian packages that bring it."""


def missing() -> str:
    """Why no bed can be made here; empty: one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a test bed needs Linux, and root"
    packages = sorted({package for program, package in _PROGRAMS.items() if shutil.which(program) is None})
    return f"a test bed needs {', '.join(packages)}: make cluster-tools" if packages else ""


@dataclass(frozen=True)
class Host:
    """A host that runs.

    Parameters
    ----------
    pid : of its first process, as this machine counts.
    """

    name: str
    address: str
    pid: int

    def path(self, path: str) -> Path:
        """Where a file of the host is found from here."""
        return Path(f"/proc/{self.pid}/root") / path.lstrip("/")

    def command(self, script: str) -> list[str]:
        """What runs a script in the host, as its root who has just logged in and activated the environment.

        At the desk `sensorium` is this project as it lies here.
        """
        search = f"PATH={VENV}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        login = ["env", "-i", "HOME=/root", "USER=root", "LANG=C.UTF-8", "TERM=dumb", f"PYTHONPATH={ROOT}", search]
        return ["nsenter", "--target", str(self.pid), "--all", *login, "bash", "-c", f"cd\n{script}"]

    def run(self, script: str, timeout: float = 180) -> str:
        """What a script prints; its errors are shown where it fails."""
        done = subprocess.run(self.command(script), capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, f"{self.name}: {script}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def start(self, script: str, log: str) -> None:
        """Start a script that runs on and writes to a file of root's; it ends with the host."""
        self.run(f"({script}) </dev/null >{log} 2>&1 &")


@dataclass(frozen=True)
class Bed:
    """Hosts by name, all on one network."""

    hosts: dict[str, Host]

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    @property
    def desk(self) -> Host:
        """Where the user sits."""
        return self.hosts[DESK]

    def cut(self, name: str) -> None:
        """Pull a host's cable."""
        self._cable(name, "down")

    def heal(self, name: str) -> None:
        """Put it in again."""
        self._cable(name, "up")

    def _cable(self, name: str, state: str) -> None:
        _in_network(self.desk.pid, "link", "set", name, state)


@contextmanager
def make(names: Sequence[str]) -> Iterator[Bed]:
    """Hosts of these names, and the desk, for the length of a block."""
    addresses = {DESK: f"{_NETWORK}.254"} | {name: f"{_NETWORK}.{number}" for number, name in enumerate(names, 1)}
    private, public = _key()
    told = {
        "HOSTS": "\n".join(f"{address} {name}" for name, address in ({"localhost": "127.0.0.1"} | addresses).items()),
        "PUBLIC_KEY": public,
    }
    with ExitStack() as stack:
        hosts = {
            name: Host(name, address, stack.enter_context(_process(name, told))) for name, address in addresses.items()
        }
        desk = hosts.pop(DESK)
        _in_network(desk.pid, "link", "add", "bridge", "type", "bridge")
        _in_network(desk.pid, "address", "add", f"{desk.address}/24", "dev", "bridge")
        _in_network(desk.pid, "link", "set", "bridge", "up")
        for host in hosts.values():
            _plug_in(host, desk)
        desk.path(KEY).write_text(private)
        desk.path(KEY).chmod(0o600)
        yield Bed({DESK: desk, **hosts})


def _key() -> tuple[str, str]:
    """A new ssh key, private and public."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bed", "-f", str(file)], check=True)
        return file.read_text(), file.with_suffix(".pub").read_text()


@contextmanager
def _process(name: str, told: dict[str, str]) -> Iterator[int]:
    """The first process of a host; it is killed, and all the host with it, when the block or this process ends."""
    seen = [VENV, Path(sys.base_prefix), *([ROOT] if name == DESK else [])]
    leash = ["setpriv", "--pdeathsig", "KILL"]
    apart = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL"]
    script = ["bash", str(Path(__file__).with_name("host.sh")), *map(str, seen)]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            [*leash, *apart, *script],
            env={"PATH": os.environ["PATH"], "NAME": name, **told},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                log.seek(0)
                raise RuntimeError(f"host {name} did not start: {log.read()}")
            [first] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield int(first)
        finally:
            process.kill()


def _plug_in(host: Host, desk: Host) -> None:
    """Lay a cable from a host to the bridge; the cable's end there has the host's name."""
    peer = ["peer", "name", "eth0", "netns", str(host.pid)]
    _in_network(desk.pid, "link", "add", host.name, "type", "veth", *peer)
    _in_network(desk.pid, "link", "set", host.name, "master", "bridge", "up")
    _in_network(host.pid, "address", "add", f"{host.address}/24", "dev", "eth0")
    _in_network(host.pid, "link", "set", "eth0", "up")
    # It leads nowhere, but Ray learns a host's address by asking for the way to the internet.
    _in_network(host.pid, "route", "add", "default", "via", desk.address)


def _in_network(pid: int, *words: str) -> None:
    subprocess.run(["nsenter", "--target", str(pid), "--net", "ip", *words], check=True)


def main() -> None:
    """A bed to play with."""
    if missing():
        sys.exit(missing())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with make(["head", "worker1", "worker2"]) as bed:
        for host in bed.hosts.values():
            print(f"{host.name:8} {host.address:12} nsenter --target {host.pid} --all env HOME=/root bash")
        print("until Ctrl-C", flush=True)
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
