"""Long videos at a real endpoint: an answer of gigabytes, in bounded memory, whoever reads it."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import httpx
import numpy as np
import psutil
import pytest
from films import film
from serving.conftest import write_bundle
from serving.endpoints import Running, serving

from sensorium_ray.bundle.manifest import MouseEntry
from sensorium_ray.client.clients import SensoriumClient
from sensorium_ray.serving.answers import ARROW

NEURONS = 8000
MINUTES = [pytest.param(4, id="minutes"), pytest.param(60, id="hour", marks=pytest.mark.slow)]
MOST = 150 * 1024**2
"""Bytes by which a replica may grow: two blocks of an answer and what copies of them are under way."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("wide")
    mouse = MouseEntry(name="m", unit_ids=tuple(range(NEURONS)), behavior_mean=(0, 0), pupil_center_mean=(0, 0))
    write_bundle(folder / "wide", mouse)
    with serving(folder) as (found, _):
        yield found


def levels(minutes: int) -> np.ndarray:
    return np.random.default_rng(0).integers(40, 200, minutes * 60 * 20)


def anonymous(process: psutil.Process) -> int:
    """Bytes that a process holds, but for files that it has mapped."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")))


@contextmanager
def growth(process: psutil.Process) -> Iterator[list[int]]:
    """Bytes by which a process grew at most, once the block has ended."""
    before, found, done = anonymous(process), [0], Event()

    def watch() -> None:
        while not done.wait(0.05):
            found[0] = max(found[0], anonymous(process) - before)

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()


def warm(running: Running) -> psutil.Process:
    """The replica, which has answered once."""
    files = {"video": film([100] * 200)}
    httpx.post(f"{running.url}/v1/models/wide/predict", files=files, headers={"accept": ARROW}, timeout=120)
    [replica] = running.processes("ServeReplica")
    return replica


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:64x48 at 20 frames/s resampled")
@pytest.mark.parametrize("minutes", MINUTES)
def test_a_long_video_is_answered_as_it_is_predicted(running: Running, minutes: int, tmp_path: Path) -> None:
    shown = levels(minutes)
    path = tmp_path / "long.mp4"
    path.write_bytes(film(shown))
    replica, frames, worst = warm(running), 0, 0.0
    with growth(replica) as grown, SensoriumClient(running.url) as client:
        for part in client.stream("wide", path, behavior=(0, 0), pupil_center=(0, 0)):
            rows = part.values.T
            expected = shown[(np.arange(frames, frames + len(rows)) * 20 / 30 + 1e-9).astype(int)]
            worst = max(worst, float(np.abs(rows[:, 0] / 0.1 - expected).max()))
            assert (np.diff(rows[0]) > 0).all()  # gains grow from neuron to neuron
            frames += len(rows)
    assert frames == minutes * 60 * 30
    assert worst < 6  # what the codec loses
    assert grown[0] < MOST


def test_a_client_that_does_not_read_costs_no_memory(running: Running) -> None:
    form = _form(film(levels(4)))
    replica = warm(running)
    with growth(replica) as grown, socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(form)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        time.sleep(8)  # enough to predict all of it
    assert grown[0] < MOST
    assert httpx.get(f"{running.url}/v1/models", timeout=60).status_code == 200


def test_an_answer_that_is_read_slowly_is_sent_whole_before_the_endpoint_stops(running: Running) -> None:
    """The last one: nothing answers after it."""
    warm(running)
    form = _form(film([100] * 200))
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.connect(("127.0.0.1", running.port))
        connection.sendall(form)
        answer = connection.recv(4096)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(4)
        while some := connection.recv(2**20):
            answer += some
    told, _, values = answer.partition(b"\r\n\r\n")
    assert f"content-length: {len(values)}\r\n".encode() in told.lower()
    assert len(values) > 4 * NEURONS * 300
    assert running.process.wait(30) == 0


def _form(video: bytes) -> bytes:
    """A request with a video, as it is sent."""
    form = b'--x\r\nContent-Disposition: form-data; name="video"; filename="v"\r\n\r\n' + video + b"\r\n--x--\r\n"
    head = (
        f"POST /v1/models/wide/predict HTTP/1.1\r\nHost: x\r\nAccept: {ARROW}\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(form)}\r\n\r\n"
    )
    return head.encode() + form
