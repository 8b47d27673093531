"""An endpoint at full load for some minutes: what it answers, and whether its memory stays flat.

    python benchmarks/soak.py
    python benchmarks/soak.py --minutes 60 --at-once 24

A real `sensorium serve` of the package's bundles is asked by more clients than it takes, without a pause: predictions
of all models and mice in all forms, of 10 to 600 frames, of all neurons or some; videos as files; protocol v2; requests
that are refused; and clients that hang up while they send or wait. Every 15 seconds the private memory (USS) of each of
its processes is read. The slope is that of a line through all readings after the warm-up, the first third.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import psutil

from clients import running
from sensorium_ray.bundle.manifest import Manifest
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.data.clip import CLIP_ARRAYS
from sensorium_ray.ports import free_port
from sensorium_ray.serving.answers import FORMS, NPZ

FLAT = 1.0
"""MiB a minute up to which memory counts as flat: 1.4 GB a day, of what the system's allocator does not give back."""
_EVERY = 15.0
_FRAMES = (10, 60, 150, 300, 600)
_MIB = 1024**2
Answered = tuple[str, int | str]
"""What was asked, and the status or what became of it."""


class Client:
    """One of the clients; what it asks comes from its own random numbers."""

    def __init__(self, address: str, seed: int) -> None:
        self._host, _, port = address.partition(":")
        self._port = int(port)
        self._random = random.Random(seed)
        self._bodies = {frames: _npz(frames) for frames in _FRAMES}
        self._models = [Manifest.read(path) for path in sorted(PRETRAINED.iterdir()) if path.is_dir()]
        self._kinds: list[tuple[int, Callable[[], Answered]]] = [
            (60, self._predict),
            (10, self._form),
            (5, self._infer),
            (10, self._refused),
            (5, self._look),
            (10, self._hang_up),
        ]

    def ask(self) -> Answered:
        """Ask something."""
        weights = [weight for weight, _ in self._kinds]
        [(_, kind)] = self._random.choices(self._kinds, weights)
        try:
            return kind()
        except (OSError, http.client.HTTPException) as error:
            return kind.__name__.strip("_"), type(error).__name__

    def _send(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=120)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def _where(self) -> tuple[str, str]:
        model = self._random.choice(self._models)
        return model.name, self._random.choice(model.mice).name

    def _predict(self) -> Answered:
        model, mouse = self._where()
        some = self._random.choice(["", "&neurons=1,2,3", "&frames=5..end&mean=true", "&dtype=float16"])
        body = self._bodies[self._random.choice(_FRAMES)]
        form = self._random.choice(list(FORMS))
        return "predict", self._send(
            "POST", f"/v1/models/{model}/predict?mouse={mouse}{some}", body, content_type=NPZ, accept=form
        )

    def _form(self) -> Answered:
        model, mouse = self._where()
        video = io.BytesIO()
        np.save(video, np.zeros((self._random.choice(_FRAMES[:3]), 48, 64), np.uint8))
        part = b'--x\r\nContent-Disposition: form-data; name="video"; filename="v.npy"\r\n\r\n'
        body = part + video.getvalue() + b"\r\n--x--\r\n"
        kind = "multipart/form-data; boundary=x"
        return "form", self._send("POST", f"/v1/models/{model}/predict?mouse={mouse}", body, content_type=kind)

    def _infer(self) -> Answered:
        model, mouse = self._where()
        shapes = {"video": (10, 36, 64), "behavior": (2, 10), "pupil_center": (2, 10)}
        inputs = [
            {"name": name, "shape": shape, "datatype": "FP32", "data": [20.0] * int(np.prod(shape))}
            for name, shape in shapes.items()
        ]
        body = json.dumps({"inputs": inputs, "parameters": {"mouse": mouse}}).encode()
        return "infer", self._send("POST", f"/v2/models/{model}/infer", body, content_type="application/json")

    def _refused(self) -> Answered:
        model, mouse = self._where()
        path, kind, body = self._random.choice(
            [
                ("/v1/models/none/predict?mouse=x", NPZ, b"x" * 100_000),
                (f"/v1/models/{model}/predict?mouse=none", NPZ, self._bodies[10]),
                (f"/v1/models/{model}/predict?mouse={mouse}", NPZ, b"no npz" * 10_000),
                (f"/v1/models/{model}/predict?mouse={mouse}", "text/csv", b"1,2"),
                (f"/v1/models/{model}/predict?mouse={mouse}&frames=9..2", NPZ, self._bodies[10]),
                (f"/nowhere/{self._random.random()}", NPZ, b""),
            ]
        )
        return "refused", self._send("POST", path, body, content_type=kind)

    def _look(self) -> Answered:
        path = self._random.choice(["/v1/models", "/metrics", "/v2/health/ready", "/openapi.json"])
        return "look", self._send("GET", path)

    def _hang_up(self) -> Answered:
        model, mouse = self._where()
        body = self._bodies[600]
        head = (
            f"POST /v1/models/{model}/predict?mouse={mouse} HTTP/1.1\r\nHost: x\r\nContent-Type: {NPZ}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        sent = self._random.choice([len(body) // 2, len(body)])
        with socket.create_connection((self._host, self._port), timeout=120) as connection:
            connection.sendall(head.encode() + body[:sent])
            time.sleep(self._random.uniform(0, 1))
        return "hang up", "left"


@cache
def _npz(frames: int) -> bytes:
    random_state = np.random.default_rng(frames)
    arrays = {
        "video": random_state.uniform(0, 255, (frames, 36, 64)),
        "behavior": random_state.uniform(0, 40, (2, frames)),
        "pupil_center": random_state.uniform(0, 40, (2, frames)),
    }
    packed = io.BytesIO()
    np.savez(packed, **{name: arrays[name].astype(np.float32) for name in CLIP_ARRAYS})
    return packed.getvalue()


def memory() -> dict[str, float]:
    """MiB that each process of the endpoint holds for itself, by what it is and its id."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        try:
            words = process.cmdline()
            name = Path(words[0]).name if words else process.name()
            title = "sensorium serve" if "serve" in words else name.removeprefix("ray::").split(":")[0]
            for word in ("dashboard", "runtime_env", "log_monitor", "monitor"):
                if any(word in Path(part).name for part in words[1:4]):
                    title = word
                    break
            found[f"{title} {process.pid}"] = process.memory_full_info().uss / _MIB
        except psutil.Error:
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--at-once", type=int, default=16, help="clients; a replica takes 8, and 4 wait")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    port = free_port()
    endpoint = [sys.executable, "-c", "from sensorium_ray.cli import main; main()", "serve", "--queue", "4"]
    answered: Counter[Answered] = Counter()
    readings: dict[str, list[tuple[float, float]]] = {}
    with running([*endpoint, "--port", str(port)], port, "/v2/health/ready") as address:
        began = time.monotonic()
        end = began + 60 * arguments.minutes

        def work(seed: int) -> None:
            client = Client(address, seed)
            while time.monotonic() < end:
                answered[client.ask()] += 1

        clients = [threading.Thread(target=work, args=(seed,)) for seed in range(arguments.at_once)]
        for client in clients:
            client.start()
        while time.monotonic() < end:
            time.sleep(min(_EVERY, max(0.1, end - time.monotonic())))
            minutes = (time.monotonic() - began) / 60
            for name, mebibytes in memory().items():
                readings.setdefault(name, []).append((minutes, mebibytes))
            held = sum(values[-1][1] for values in readings.values() if values[-1][0] == minutes)
            print(f"{minutes:.1f} min: {sum(answered.values())} requests, {held:.0f} MiB", file=sys.stderr, flush=True)
        for client in clients:
            client.join()
    for (kind, status), count in sorted(answered.items(), key=str):
        print(f"{kind:<10}{status!s:<22}{count:>8}")
    told = {}
    for name, values in readings.items():
        steady = [(when, held) for when, held in values if when > arguments.minutes / 3]
        if len(steady) > 5:
            slope = float(np.polyfit(*zip(*steady, strict=True), 1)[0])
            told[name] = slope
            verdict = "flat" if slope < FLAT else "GROWS"
            print(f"{name:<28}{steady[0][1]:>7.0f} to {steady[-1][1]:>5.0f} MiB {slope:>7.2f} MiB/min  {verdict}")
    if arguments.json:
        counts = {f"{kind} {status}": count for (kind, status), count in answered.items()}
        arguments.json.write_text(json.dumps({"answered": counts, "slopes": told, "readings": readings}, indent=1))
    if any(slope >= FLAT for slope in told.values()):
        raise SystemExit("memory is not flat")


if __name__ == "__main__":
    main()
