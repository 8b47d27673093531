"""The endpoint against its limits: onnxruntime in the same process, and a bare web server that moves the same bytes.

    python benchmarks/serving.py
    python benchmarks/serving.py --rounds 5 --seconds 20

Throughput: answers a second for clips of 300 frames at 1, 8 and 32 requests at once, against a loop around the same
predictor in a process of its own (the limit: an answer keeps all cores busy). Latency: medians at one request at a time
of a full answer (7,900 neurons x 300 frames, float32: 9.5 MB) of a model that computes next to nothing, against a bare
uvicorn server that reads the same request and returns as many bytes, and beside what the predictor alone takes for that
answer. Contestants take turns, round by round, each in
processes of its own; the client is http.client in another process and reads answers to the end.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from inference import FRAMES, NEURONS, noise
from sensorium_ray.bundle.manifest import ONNX, Manifest, MouseEntry, checksums
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.data.clip import CLIP_ARRAYS
from sensorium_ray.serving.answers import FORMS, NPY, NPZ

_BARE = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
ANSWER = bytes(int(sys.argv[2]))
async def answer(request):
    await request.body()
    return Response(ANSWER)
app = Starlette(routes=[Route("/", answer, methods=["POST"])])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", timeout_keep_alive=600)
"""
_SENSORIUM = "from sensorium_ray.cli import main; main()"
Ask = Callable[[http.client.HTTPConnection], None]


def light_bundle(folder: Path) -> Path:
    """A model of full size that computes next to nothing: a gain a neuron times the mean grey level."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    bundle = folder / "light"
    if bundle.exists():
        return bundle
    bundle.mkdir(parents=True)
    nodes = [
        helper.make_node("ReduceMean", ["video", "pixels"], ["grey"], keepdims=0),
        helper.make_node("Unsqueeze", ["grey", "axis"], ["drive"]),
        helper.make_node("Gather", ["gains", "neurons"], ["chosen"], axis=0),
        helper.make_node("Mul", ["chosen", "drive"], ["responses"]),
    ]
    constants = {"gains": np.ones((NEURONS, 1), np.float32), "pixels": np.array([2, 3]), "axis": np.array([1])}
    inputs = [
        helper.make_tensor_value_info("video", TensorProto.FLOAT, ["b", "t", 36, 64]),
        helper.make_tensor_value_info("neurons", TensorProto.INT64, ["n"]),
    ]
    outputs = [helper.make_tensor_value_info("responses", TensorProto.FLOAT, ["b", "n", "t"])]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "light", inputs, outputs, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), bundle / ONNX)
    mice = (MouseEntry(name="mouse0", unit_ids=tuple(range(NEURONS))),)
    about: dict[str, Any] = {"architecture": "light", "config": {}, "frame_shape": (36, 64), "provenance": {}}
    Manifest(kind="model", name="light", mice=mice, files=checksums(bundle), **about).write(bundle)
    return bundle


@contextmanager
def running(ready: int, *command: str) -> Iterator[str]:
    """A server in a process of its own, at an address that is given to the command; until the block ends.

    `ready` : status with which it answers /v2/health/ready once it can be asked.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = [word.format(port=port) for word in command]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(words[:4])} … ended with status {process.returncode}")
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/v2/health/ready")
                if connection.getresponse().status == ready:
                    break
            except OSError:
                pass
            time.sleep(0.5)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def asking(path: str, body: bytes, accept: str) -> Ask:
    """A request that is sent, and whose answer is read to the end."""

    def ask(connection: http.client.HTTPConnection) -> None:
        connection.request("POST", path, body, {"Content-Type": NPZ, "Accept": accept})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"status {answer.status}: {content[:200]!r}")

    return ask


def rate(address: str, ask: Ask, at_once: int, seconds: float) -> float:
    """Answers a second."""
    end = time.perf_counter() + seconds

    def work(_: int) -> int:
        connection, count = http.client.HTTPConnection(address, timeout=600), 0
        while time.perf_counter() < end:
            ask(connection)
            count += 1
        return count

    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        answered = sum(pool.map(work, range(at_once)))
    return answered / (time.perf_counter() - began)


def latency(address: str, ask: Ask, count: int = 30) -> float:
    """Median milliseconds of an answer, after three that do not count."""
    connection, times = http.client.HTTPConnection(address, timeout=600), []
    for _ in range(count + 3):
        began = time.perf_counter()
        ask(connection)
        times.append(1000 * (time.perf_counter() - began))
    return median(times[3:])


def limit(bundle: Path, mouse: str, seconds: float) -> float:
    """Answers a second of the predictor alone, in a process of its own."""
    program = (
        "import sys, time\n"
        "from inference import FRAMES, noise\n"
        "from sensorium_ray.bundle.predictor import load_predictor\n"
        "predictor, clip, count = load_predictor(sys.argv[1]), noise(FRAMES), 0\n"
        "predictor.predict(clip, sys.argv[2])\n"
        "began = time.perf_counter()\n"
        "while time.perf_counter() - began < float(sys.argv[3]):\n"
        "    predictor.predict(clip, sys.argv[2])\n"
        "    count += 1\n"
        "print(count / (time.perf_counter() - began))\n"
    )
    words = [sys.executable, "-c", program, str(bundle), mouse, str(seconds)]
    return float(subprocess.run(words, check=True, capture_output=True, cwd=Path(__file__).parent, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="where networks are kept")
    parser.add_argument("--bundle", type=Path, default=PRETRAINED / "factorised3d", help="whose throughput is measured")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement of throughput")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    heavy, light = arguments.bundle.absolute(), light_bundle(folder)
    mouse = load_predictor(heavy).mice[0]
    buffer = io.BytesIO()
    np.savez(buffer, **{name: getattr(noise(FRAMES), name) for name in CLIP_ARRAYS})
    body = buffer.getvalue()
    size = load_predictor(light).predict(noise(FRAMES), "mouse0").nbytes
    results: dict[str, list[float]] = {}

    def note(what: str, value: float) -> None:
        results.setdefault(what, []).append(value)
        print(f"{what}: {value:.2f}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as models:
        for bundle in (heavy, light):
            (Path(models) / bundle.name).symlink_to(bundle)
        endpoint = (
            sys.executable,
            "-c",
            "from sensorium_ray.cli import main; main()",
            "serve",
            models,
            "--port",
            "{port}",
        )
        bare = (sys.executable, "-c", _BARE, "{port}", str(size))
        with running(200, *endpoint) as served, running(404, *bare) as plain:
            full = {form: asking("/v1/models/light/predict?mouse=mouse0", body, form) for form in FORMS}
            computed = asking(f"/v1/models/{Manifest.read(heavy).name}/predict?mouse={mouse}", body, NPY)
            rate(served, computed, 1, 1.0)
            for _ in range(arguments.rounds):
                note("limit, answers/s", limit(heavy, mouse, arguments.seconds))
                note("predictor alone, full answer, ms", 1000 / limit(light, "mouse0", 3.0))
                for at_once in (1, 8, 32):
                    note(f"endpoint, {at_once} at once, answers/s", rate(served, computed, at_once, arguments.seconds))
                note("bare server, ms", latency(plain, asking("/", body, NPY)))
                for form in FORMS:
                    count = 30 if form in (NPY, NPZ) else 5
                    note(f"endpoint, full answer as {form}, ms", latency(served, full[form], count))
    for what, values in results.items():
        print(f"{what:<72}{median(values):>10.2f}   ({min(values):.2f} to {max(values):.2f})")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
