"""`serve` and `predict`: the endpoint and its client."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..serving.runner import Endpoint


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
    )
    stopped = threading.Event()
    endpoint = runner.start(folder or PRETRAINED, settings, address)
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        typer.echo(_greeting(endpoint))
        stopped.wait()
    finally:
        endpoint.stop()


def predict(
    url: Annotated[str, typer.Argument(metavar="URL", help="The endpoint, such as http://127.0.0.1:8000.")],
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of one of its models.")],
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A clip (.npz) or a store's trial (.npy).")],
    *,
    mouse: Annotated[str, typer.Option(help="Mouse whose neurons answer.")],
    out: Annotated[Path, typer.Option(help="Where the responses go: .npz (with unit ids) or .npy.")],
    key: Annotated[str | None, typer.Option(envvar="SENSORIUM_KEY", help="API key, where one is asked for.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Ask an endpoint for the responses of a mouse to a clip.

    Example: sensorium predict http://127.0.0.1:8000 mean STORE/MOUSE/trials/3.npy --mouse MOUSE --out out.npz
    """
    from .. import storage
    from ..data.clip import read_clip
    from ..errors import ConfigError
    from ..serving.client import Client

    if out.suffix not in (".npz", ".npy"):
        raise ConfigError(f"'{out}' is neither .npz nor .npy", "--out", "name a file that ends in one of them")
    storage.require_new(out)
    answer = Client(url, key).answer(model, read_clip(clip), mouse)
    if out.suffix == ".npz":
        arrays = {name: getattr(answer, name) for name in ("responses", "unit_ids", "times")}
        storage.write_npz(out, arrays)
    else:
        storage.write_npy(out, answer.responses)
    for warning in answer.about["warnings"]:
        typer.echo(f"note: {warning}", err=True)
    neurons, frames = answer.responses.shape
    if as_json:
        written = {"model": model, "mouse": mouse, "neurons": neurons, "frames": frames, "out": str(out)}
        typer.echo(json.dumps(written))
    else:
        typer.echo(f"{out}: {neurons} neurons, {frames} frames")


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
