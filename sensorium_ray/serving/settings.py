"""Settings of an endpoint."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import ConfigError
from .keys import Key

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
LogFormat = Literal["JSON", "TEXT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where an endpoint listens, whom it lets in, where it predicts, how it grows and stops, and what it logs.

    Parameters
    ----------
    host, port : to listen on; host 0.0.0.0 is every address of this machine.
    queue : requests that wait for a replica, unread; further ones get a 503.
    keys : that are let in; none: everybody is.
    per_minute : requests with one key, in each replica; None: any number.
    certificate, private_key : files for https; None: http.
    insecure : let other machines in without keys.
    workers : processes that predict for those that speak HTTP; 0: the latter do it themselves.
    worker_gpus : of each.
    batch : windows of like shape, of requests that wait, that a worker answers at once.
    leaderboard : folder of the one that submissions are taken for; None: none are.
    experiments : folder that all replicas see, for experiments and what they found; None: none are made.
    replicas, max_replicas : processes that speak HTTP, and how many there may be when much is asked; None: no more, and
        several share the cores.
    drain : seconds that requests may take to finish when the endpoint stops.
    log_level : of the replicas' logs; INFO has a line a request.
    log_format : lines of JSON, or text without most of what is known.
    log_folder : where they are written; None: with Ray's own.

    Raises
    ------
    ConfigError : other machines would be let in without keys, and `insecure` is not set; a file is missing; a setting
        comes without another that it needs, or beside one that it contradicts.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    queue: int = 64
    keys: tuple[Key, ...] = ()
    per_minute: int | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    insecure: bool = False
    workers: int = 0
    worker_gpus: float = 0
    batch: int = 1
    leaderboard: Path | None = None
    experiments: Path | None = None
    replicas: int = 1
    max_replicas: int | None = None
    drain: float = 30.0
    log_level: LogLevel = "INFO"
    log_format: LogFormat = "JSON"
    log_folder: Path | None = None

    def __post_init__(self) -> None:
        if not (self.keys or self.insecure or _is_loopback(self.host)):
            what = "is reached from other machines, and no key is asked for"
            raise ConfigError(what, f"host {self.host}", "give --keys FILE, or --insecure if that is meant")
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            raise ConfigError(f"is less than {self.replicas} replicas", "max replicas", "raise it")
        if self.workers == 0 and (self.worker_gpus or self.batch > 1):
            raise ConfigError(
                "are asked for without workers", "GPUs or batches of workers", "ask for some with --workers"
            )
        if (self.certificate is None) != (self.private_key is None):
            raise ConfigError("are given one without the other", "certificate and key of https", "give both")
        for file in (self.certificate, self.private_key):
            if file is not None and not file.is_file():
                raise ConfigError("file is missing", str(file), "name a file in PEM form")

    @property
    def url(self) -> str:
        """Address to ask at from this machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
