"""Ports of this machine for servers that are started in a moment."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress

_RANGE = range(20_000, 30_000)
"""Above the ports of Ray's workers (10,002 to 19,999), below those of Serve's replicas (from 30,000) and those that
Linux gives to whatever asks for any (from 32,768): a port of the latter may be gone before the server has started."""


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, and that nothing is given by chance."""
    found: list[int] = []
    with ExitStack() as probes:
        for port in random.SystemRandom().sample(_RANGE, len(_RANGE)):  # not seeded: others look for some, too
            if len(found) == count:
                break
            with suppress(OSError):
                probes.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
    return found


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]
