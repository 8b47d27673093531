"""Messages between a replica and a process of its own: words as JSON, and arrays; nothing is unpickled."""

from __future__ import annotations

import json
from multiprocessing.connection import Connection
from typing import Any

import numpy as np


def send(connection: Connection, words: dict[str, Any], *arrays: np.ndarray) -> None:
    """Send words and arrays of numbers, which become float32.

    Raises
    ------
    OSError : the other one has ended.
    """
    sent = [np.ascontiguousarray(array, np.float32) for array in arrays]
    connection.send_bytes(json.dumps([words, [array.shape for array in sent]]).encode())
    for array in sent:
        connection.send_bytes(array.tobytes())


def receive(connection: Connection) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Words and arrays that the other one has sent, or will send.

    Raises
    ------
    EOFError, OSError : it has ended.
    """
    words, shapes = json.loads(connection.recv_bytes())
    return words, [np.frombuffer(connection.recv_bytes(), np.float32).reshape(shape) for shape in shapes]
