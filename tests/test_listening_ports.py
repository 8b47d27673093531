"""Ports that are found are free, and stay so until a server takes them."""

import socket
from pathlib import Path

import pytest

from sensorium_ray.ports import free_ports

GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_ports_are_free_and_no_two_are_the_same() -> None:
    found = free_ports(50)
    assert len(set(found)) == 50
    for port in found:
        socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.skipif(not GIVEN.exists(), reason="no Linux: the ports that the system gives are not told")
def test_the_system_gives_none_of_them_to_others() -> None:
    lowest, highest = map(int, GIVEN.read_text().split())
    if lowest < 30_000:
        pytest.skip(f"set up by hand: this machine gives ports from {lowest} on")
    assert not [port for port in free_ports(50) if lowest <= port <= highest]
