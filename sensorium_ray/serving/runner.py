"""Start and stop the endpoint on Ray Serve."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import ray

from .. import compute
from ..errors import InputError
from ..storage import StrPath
from ..submissions.inbox import Inbox
from ..submissions.leaderboard import Leaderboard
from . import front
from .catalogue import Catalogue
from .runs import Runs
from .settings import Settings


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that runs: its address and its models."""

    url: str
    models: Catalogue
    owns_ray: bool
    private: Path
    drain: float

    def stop(self) -> None:
        """Refuse new requests, let those that run finish for `drain` seconds, then end Serve, and Ray if it is ours."""
        from . import deployment

        end = time.monotonic() + self.drain
        deployment.close(self.drain)
        front.wait_until_sent(self.private, end - time.monotonic())
        if self.owns_ray:
            ray.shutdown()
        else:
            deployment.stop()
        shutil.rmtree(self.private, ignore_errors=True)


def start(folder: StrPath, settings: Settings, address: str | None = None) -> Endpoint:
    """Serve the bundles of a folder on a disk or s3://, and return when they can be asked.

    On a machine of its own, experiments lie in a temporary folder unless the settings name another.

    Raises
    ------
    BundleError : the folder holds no bundle, or a damaged one.
    DataError : there is no leaderboard where one is named, or that or the folder of experiments may not be written to.
    InputError : host and port cannot be listened on, logs cannot be written where they are to be, or the cluster at
        `address` serves already.
    """
    models = Catalogue(folder)
    if settings.leaderboard is not None:
        Inbox(Leaderboard.open(settings.leaderboard))  # so that what is wrong is told before anything is started
    if settings.experiments is not None:
        Runs(settings.experiments)
    if settings.log_folder is not None:
        _require_folder(settings.log_folder)
    alone = address is None and "RAY_ADDRESS" not in os.environ and not ray.is_initialized()
    if address is None:
        _require_free(settings.host, settings.port)
    private = Path(tempfile.mkdtemp(prefix="serve-", dir="/tmp"))  # a path of a socket may have 97 characters
    try:
        if alone:
            os.environ |= front.environment(private, haproxy=settings.certificate is None)  # it speaks no https here
        compute.connect(address)
        from . import deployment  # Serve reads the environment when it is first imported

        if deployment.runs():
            raise InputError("serves already", "this Ray cluster", "stop that first with `serve shutdown`")
    except BaseException:
        shutil.rmtree(private, ignore_errors=True)
        raise
    if settings.experiments is None and alone:  # else other machines would not see it
        settings = replace(settings, experiments=private / "experiments")
    endpoint = Endpoint(settings.url, models, alone, private, settings.drain)
    try:
        deployment.start(models, settings, private)
    except BaseException:
        endpoint.stop()
        if address is None:
            _require_free(settings.host, settings.port)  # else somebody took it since
        raise
    return endpoint


def _require_folder(logs: Path) -> None:
    try:
        logs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=logs):
            pass
    except OSError as error:
        raise InputError(f"cannot be written to ({error.strerror})", str(logs), "name another with --logs") from error


def _require_free(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        raise InputError(
            f"cannot be listened on ({reason})", f"{host}:{port}", "name another with --host or --port"
        ) from error
