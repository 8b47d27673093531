"""`serve` and `predict`: the endpoint and its client."""

from __future__ import annotations

import json
import signal
import sys
import threading
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ..progress import ProgressLine
    from ..serving.runner import Endpoint

_LARGE = 8 * 1024**2
"""Bytes of an upload that is worth a bar."""


def serve(
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="DIR", help="A folder of bundles, or one bundle, or s3://…; none: small ones of simulated mice."
        ),
    ] = None,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    address: Annotated[str | None, typer.Option(help="Ray cluster to serve on; none: this machine.")] = None,
    queue: Annotated[int, typer.Option(min=1, help="Requests that may wait; further ones get HTTP status 503.")] = 64,
    keys: Annotated[Path | None, typer.Option(help="File of API keys, made by `sensorium keys add`.")] = None,
    per_minute: Annotated[int | None, typer.Option(min=1, help="Requests with one key, in each replica.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Certificate (PEM) for https.")] = None,
    private_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    insecure: Annotated[bool, typer.Option(help="Let other machines in without keys.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes that predict, on any machine of the cluster.")] = 0,
    worker_gpus: Annotated[float, typer.Option(min=0, help="GPUs of each, such as 0.5.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Requests of like shape that a worker answers at once.")] = 1,
    leaderboard: Annotated[
        Path | None, typer.Option(metavar="BOARD", help="Leaderboard, made by `sensorium leaderboard init`, to serve.")
    ] = None,
    experiments: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where experiments and what they find are kept; none: until it stops, on this machine."
        ),
    ] = None,
    replicas: Annotated[int, typer.Option(min=1, help="Processes that answer, each with its share of the cores.")] = 1,
    max_replicas: Annotated[int | None, typer.Option(min=1, help="Processes while much is asked.")] = None,
    drain: Annotated[float, typer.Option(min=0, help="Seconds that requests may take to finish at the end.")] = 30,
    logs: Annotated[Path | None, typer.Option(help="Folder of logs, a line of JSON a request; none: Ray's.")] = None,
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], typer.Option(help="Of the logs.")] = "INFO",
    log_format: Annotated[Literal["JSON", "TEXT"], typer.Option(help="Of the logs.")] = "JSON",
) -> None:
    """Answer for bundles over HTTP until Ctrl-C.

    The environment variable SENSORIUM_KEYS may hold what is in a file of keys, in place of --keys.

    Example: sensorium serve bundles/ --port 8000
    """
    from ..bundle.pretrained import PRETRAINED
    from ..serving import runner
    from ..serving.keys import given
    from ..serving.settings import Settings

    settings = Settings(
        host=host,
        port=port,
        queue=queue,
        keys=given(keys),
        per_minute=per_minute,
        certificate=certificate,
        private_key=private_key,
        insecure=insecure,
        workers=workers,
        worker_gpus=worker_gpus,
        batch=batch,
        leaderboard=None if leaderboard is None else leaderboard.absolute(),
        experiments=None if experiments is None else experiments.absolute(),
        replicas=replicas,
        max_replicas=max_replicas,
        drain=drain,
        log_level=log_level,
        log_format=log_format,
        log_folder=None if logs is None else logs.absolute(),
    )
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # before it starts: what is half started cannot be stopped
        signal.signal(number, lambda *_: stopped.set())
    endpoint = runner.start(folder or PRETRAINED, settings, address)
    try:
        if not stopped.is_set():
            typer.echo(_greeting(endpoint))
        stopped.wait()
    finally:
        endpoint.stop()


def predict(
    url: Annotated[str, typer.Argument(metavar="URL", help="The endpoint, such as http://127.0.0.1:8000.")],
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of one of its models.")],
    video: Annotated[
        Path,
        typer.Argument(
            metavar="VIDEO",
            help="A video (mp4, webm, avi, gif, mov, mkv, npy), a clip (npz), or a store's trial.",
        ),
    ],
    *,
    mouse: Annotated[str | None, typer.Option(help="Mouse whose neurons answer, if the model has several.")] = None,
    out: Annotated[Path, typer.Option(help="Where the responses go: .npz (with unit ids) or .npy.")],
    neurons: Annotated[str | None, typer.Option(help="Indices of some neurons, such as 0,5,7.")] = None,
    unit_ids: Annotated[str | None, typer.Option(help="Unit ids of some neurons, such as 12,40.")] = None,
    areas: Annotated[str | None, typer.Option(help="Areas of some neurons, such as V1,LM.")] = None,
    frames: Annotated[str | None, typer.Option(help="Frames that are told, such as 50..299 or 50..end.")] = None,
    mean: Annotated[bool, typer.Option("--mean", help="Tell the mean over those frames.")] = False,
    rate: Annotated[float | None, typer.Option(help="Frames per second of an npy or npz; 30 unless given.")] = None,
    key: Annotated[str | None, typer.Option(envvar="SENSORIUM_KEY", help="API key, where one is asked for.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Ask an endpoint for the responses of a mouse to a video.

    Example: sensorium predict http://127.0.0.1:8000 mean movie.mp4 --mouse MOUSE --frames 50..end --out out.npz
    """
    from .. import storage
    from ..client.asking import Options
    from ..client.clients import SensoriumClient
    from ..errors import ConfigError

    if out.suffix not in (".npz", ".npy"):
        raise ConfigError(f"'{out}' is neither .npz nor .npy", "--out", "name a file that ends in one of them")
    storage.require_new(out)
    with (
        SensoriumClient(url, key) as client,
        warnings.catch_warnings(record=True, action="always") as notes,
        UploadBar() as bar,
    ):
        options: Options = {"neurons": neurons, "unit_ids": unit_ids, "areas": areas, "frames": frames}
        options |= {"mean": mean, "rate": rate, "progress": bar}
        if out.suffix == ".npy":
            parts = (part.values for part in client.stream(model, video, mouse, **options))
            told_neurons, told_frames = storage.write_npy_in_parts(out, parts)
        else:
            answer = client.predict(model, video, mouse, **options)
            arrays = {"responses": answer.values, "unit_ids": answer.unit_id.values, "times": answer.time.values}
            storage.write_npz(out, arrays)
            told_neurons, told_frames = answer.shape
    for note in notes:
        typer.echo(f"note: {note.message}", err=True)
    if as_json:
        written = {"model": model, "mouse": mouse, "neurons": told_neurons, "frames": told_frames, "out": str(out)}
        typer.echo(json.dumps(written))
    else:
        typer.echo(f"{out}: {told_neurons} neurons, {told_frames} frames")


class UploadBar(ExitStack):
    """Shows on a terminal how much of a large upload is sent."""

    def __init__(self) -> None:
        super().__init__()
        self._line: ProgressLine | None = None
        self._sent = 0

    def __call__(self, sent: int, total: int) -> None:
        """Show that so many bytes of so many are sent."""
        from ..progress import ProgressLine

        if total < _LARGE or not sys.stderr.isatty():
            return
        if self._line is None:
            self._line = self.enter_context(ProgressLine(total, "sending", in_bytes=True))
        self._line.advance(sent - self._sent)
        self._sent = sent
        if sent == total:
            self.close()
            self._line, self._sent = None, 0  # for when a busy endpoint is asked again


def _greeting(endpoint: Endpoint) -> str:
    """The endpoint's address and two commands to try on it."""
    name, model = next(iter(endpoint.models.items()))
    mouse = model.manifest.mice[0].name
    ask = f"sensorium predict {endpoint.url} {name} STORE/{mouse}/trials/0.npy --mouse {mouse} --out answer.npz"
    return (
        f"serving {', '.join(endpoint.models)} at {endpoint.url} until Ctrl-C; try\n"
        f"  curl {endpoint.url}/v1/models\n"
        f"  {ask}"
    )
