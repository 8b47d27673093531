"""The test bed's hosts are apart, are reached by ssh, lose their cables, and are gone when their maker is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bed import KEY, Bed, make, missing
from serving.endpoints import until

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(bool(missing()), reason=missing())]

REACHED = f"ssh -i {KEY} -o StrictHostKeyChecking=no -o ConnectTimeout=3 other hostname 2>/dev/null || echo lost"
KILLED = """
import os, signal
from bed import make
with make(["one"]) as hosts:
    print(*(host.pid for host in hosts.hosts.values()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with make(["one", "other"]) as hosts:
        yield hosts


def test_hosts_are_apart(bed: Bed) -> None:
    for name in ("one", "other"):
        bed[name].run("touch /tmp/mine /root/mine /dev/shm/mine")
        assert bed[name].run("hostname").strip() == name
        assert bed[name].address in bed[name].run("ip -brief address show eth0")
    bed["one"].run("rm /tmp/mine")
    bed["other"].run("test -e /tmp/mine")
    assert not Path("/root/mine").exists()
    assert "eth0" not in bed.desk.run("ip -brief link show type veth")


def test_a_host_is_reached_by_ssh_until_its_cable_is_cut(bed: Bed) -> None:
    assert bed.desk.run(REACHED).strip() == "other"
    bed.cut("other")
    assert bed.desk.run(REACHED).strip() == "lost"
    bed.heal("other")
    assert bed.desk.run(REACHED).strip() == "other"


def test_hosts_end_with_their_maker(bed: Bed) -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}){KILLED}"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pids = made.stdout.split()
    assert len(pids) == 2, made.stderr
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
