"""The endpoint against its limits, and against LitServe, BentoML and MLServer with the same ONNX file.

    python benchmarks/serving.py
    python benchmarks/serving.py --quick

Throughput: answers a second to clips of 300 frames at 1, 8 and 32 requests at once, of a linear-nonlinear network of
full size (7,900 neurons; some 100 ms a clip on two cores), against a loop around onnxruntime in a process of its own
(the limit: an answer keeps all cores busy), by one replica with all cores and by two with half of them each; and at 8
at once of the package's GRU (500 neurons, some 300 ms a clip), against its predictor alone, which tells what the size
of the answer costs. Latency: medians at one request at a time of a full answer (7,900 neurons x 300 frames, float32:
9.5 MB) of a network that computes next to nothing, in every format, against a bare uvicorn server that reads the same
request and returns as many bytes, and beside what the predictor alone takes. All take turns, round by round, each in
processes of its own, all with as many threads as there are cores; the client is http.client in another process and
reads answers to the end. The peers are installed once into build/peers, which takes some minutes.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

import numpy as np

import peer_servers
from clients import Ask, asking, latency, rate, running
from full_size import MOUSE, gains_bundle, linear_nonlinear_bundle
from inference import FRAMES, NEURONS, noise
from peer_servers import PEERS
from sensorium_ray.bundle.manifest import ONNX, Manifest
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.data.clip import CLIP_ARRAYS
from sensorium_ray.ports import free_port
from sensorium_ray.serving.answers import FORMS, JSON, NPY, NPZ

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
_ALONE = """
import sys, time
from inference import FRAMES, NEURONS, noise
if sys.argv[1] == "onnxruntime":
    from peers.network import Network
    network, video = Network(sys.argv[2], NEURONS), noise(FRAMES).video
    answer = lambda: network.run(video)
else:
    from sensorium_ray.bundle.predictor import load_predictor
    predictor, clip = load_predictor(sys.argv[2]), noise(FRAMES)
    answer = lambda: predictor.predict(clip, sys.argv[3])
answer()
began, count = time.perf_counter(), 0
while time.perf_counter() - began < float(sys.argv[4]):
    answer()
    count += 1
print(count / (time.perf_counter() - began))
"""
_AT_ONCE = (1, 8, 32)
_OURS, _SHARED = "endpoint", "endpoint of two replicas"


def alone(what: str, path: Path, seconds: float, mouse: str = MOUSE) -> float:
    """Answers a second of 'onnxruntime' with a file, or of the 'predictor' with a bundle, without any server."""
    words = [sys.executable, "-c", _ALONE, what, str(path.absolute()), mouse, str(seconds)]
    return float(subprocess.run(words, check=True, capture_output=True, cwd=Path(__file__).parent, text=True).stdout)


@contextmanager
def endpoint(*bundles: Path, replicas: int = 1) -> Iterator[str]:
    """The address of `sensorium serve`."""
    program = "from sensorium_ray.cli import main; main()"
    with tempfile.TemporaryDirectory() as models:
        for bundle in bundles:
            (Path(models) / bundle.name).symlink_to(bundle.absolute())
        port = free_port()
        words = ["serve", models, "--port", str(port), "--replicas", str(replicas)]
        with running([sys.executable, "-c", program, *words], port, "/v1/models") as place:
            yield place


@contextmanager
def peer(name: str, bundle: Path, folder: Path) -> Iterator[str]:
    """The address of a peer that answers with the file of a bundle."""
    port, how = free_port(), PEERS[name]
    filled = {"file": str((bundle / ONNX).absolute()), "neurons": str(NEURONS), "port": str(port)}
    command = [peer_servers.python_of(name, folder), *(word.format(**filled) for word in how.command)]
    environment = {key: value.format(**filled) for key, value in how.environment}
    with running(command, port, how.ready, environment=environment) as place:
        yield place


def ours(bundle: Path, body: bytes, form: str = NPY, mouse: str = MOUSE) -> Ask:
    """Ask the endpoint."""
    return asking(f"/v1/models/{bundle.name}/predict?mouse={mouse}", body, NPZ, form)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build"), help="where networks and peers are kept")
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement of throughput")
    parser.add_argument("--quick", action="store_true", help="one round of a second each, to try it")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    rounds, seconds, often = (1, 1.0, 3) if arguments.quick else (arguments.rounds, arguments.seconds, 25)
    heavy, light = (make(arguments.folder / "benchmarks") for make in (linear_nonlinear_bundle, gains_bundle))
    gru = PRETRAINED / "gru"
    whose = Manifest.read(gru).mice[0].name
    buffer = io.BytesIO()
    np.savez(buffer, **{name: getattr(noise(FRAMES), name) for name in CLIP_ARRAYS})
    body = buffer.getvalue()
    peers_ask = asking(peer_servers.PATH, body, NPZ, NPY)
    results: dict[str, list[float]] = {}

    def note(what: str, value: float) -> None:
        results.setdefault(what, []).append(value)
        print(f"{what}: {value:.2f}", file=sys.stderr, flush=True)

    with ExitStack() as stack:
        served = stack.enter_context(endpoint(heavy, light, gru))
        shared = stack.enter_context(endpoint(heavy, replicas=2))
        port = free_port()
        size = str(4 * NEURONS * FRAMES)
        plain = stack.enter_context(running([sys.executable, "-c", _BARE, str(port), size], port, "/none", 404))
        peers = arguments.folder / "peers"
        computing = {_OURS: (served, ours(heavy, body)), _SHARED: (shared, ours(heavy, body))}
        moving = {_OURS: (served, ours(light, body))}
        for name in arguments.peers:
            computing[name] = (stack.enter_context(peer(name, heavy, peers)), peers_ask)
            moving[name] = (stack.enter_context(peer(name, light, peers)), peers_ask)
        for place, ask in computing.values():
            rate(place, ask, 4, 2.0)
        for _ in range(rounds):
            for at_once in _AT_ONCE:
                note("onnxruntime alone, answers/s", alone("onnxruntime", heavy / ONNX, seconds))
                for name, (place, ask) in computing.items():
                    note(f"{name}, {at_once} at once, answers/s", rate(place, ask, at_once, seconds))
            note("predictor alone, GRU, answers/s", alone("predictor", gru, seconds, whose))
            note(f"{_OURS}, GRU, 8 at once, answers/s", rate(served, ours(gru, body, NPY, whose), 8, seconds))
            note("predictor alone, full answer, ms", 1000 / alone("predictor", light, seconds / 2))
            note("bare server, full answer, ms", latency(plain, asking("/", body, NPZ, NPY), often))
            for name, (place, ask) in moving.items():
                note(f"{name}, full answer, ms", latency(place, ask, often))
            for form in FORMS:
                few = 2 if form == JSON else often
                note(f"{_OURS}, full answer as {form}, ms", latency(served, ours(light, body, form), few))
        for form in FORMS:
            note(f"{_OURS}, full answer as {form}, MB", ours(light, body, form)(HTTPConnection(served)) / 1e6)
    for what, values in results.items():
        print(f"{what:<72}{median(values):>10.2f}   ({min(values):.2f} to {max(values):.2f})")
    limit, bare = (median(results[name]) for name in ("onnxruntime alone, answers/s", "bare server, full answer, ms"))
    for name in (_OURS, _SHARED):
        print(f"{name}, of the limit, 8 at once: {median(results[f'{name}, 8 at once, answers/s']) / limit:.2f}")
    of_gru = median(results[f"{_OURS}, GRU, 8 at once, answers/s"]) / median(results["predictor alone, GRU, answers/s"])
    print(f"of the predictor, GRU, 8 at once: {of_gru:.2f}")
    print(f"beyond the bare server: {median(results[f'{_OURS}, full answer, ms']) - bare:.1f} ms")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
