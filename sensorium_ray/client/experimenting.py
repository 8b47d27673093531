"""Experiments that an endpoint makes: what is asked, how long one waits, and what was found."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import xarray as xr

from ..errors import DataError, EndpointError
from ..results import load_result
from . import connecting
from .answered import ForeignError

Follow = Callable[[dict[str, Any]], object]
"""Told the state of a run, as the endpoint tells it: state, done, total and more."""
_NETCDF = "application/x-netcdf"
_LONGEST_PAUSE = 2.0
"""Seconds between two questions of how far it is."""


def order(
    build: Callable[..., httpx.Request],
    url: str,
    name: str,
    model: str | None,
    mouse: str | None,
    neurons: Iterable[int] | None,
    against: str | None,
    settings: dict[str, Any],
) -> httpx.Request:
    """Request of an experiment.

    Raises
    ------
    DataError : a setting is nothing that JSON has.
    """
    asked = {"experiment": name, "model": model, "mouse": mouse, "against": against, "settings": settings}
    asked["neurons"] = None if neurons is None else np.asarray(neurons).tolist()
    try:
        content = json.dumps(asked, default=np.ndarray.tolist)
    except TypeError as error:
        raise DataError(
            f"are nothing that can be sent ({error})", "settings", "give numbers, texts or lists"
        ) from error
    return build("POST", f"{url}/v1/experiments", content=content, headers={"Content-Type": "application/json"})


def address_of(url: str, run: dict[str, Any]) -> str:
    """Address of a run."""
    return f"{url}/v1/experiments/runs/{run['id']}"


def result_of(build: Callable[..., httpx.Request], address: str) -> httpx.Request:
    """Request of what a run found."""
    return build("GET", f"{address}/result", headers={"Accept": _NETCDF})


def pauses() -> Iterator[float]:
    """Seconds to wait before each question of how far it is."""
    pause = 0.25
    while True:
        yield pause
        pause = min(1.5 * pause, _LONGEST_PAUSE)


def read_run(url: str, response: httpx.Response) -> dict[str, Any]:
    """State of a run.

    Raises
    ------
    EndpointError : the endpoint refuses, or the run failed.
    ForeignError : it is no endpoint.
    """
    run = connecting.read_object(url, response)
    try:
        if run["state"] == "failed":
            raise EndpointError(f"{run['experiment']} failed: {run['fault']}", url)
        run["id"], run["done"], run["total"]
    except KeyError as error:
        raise ForeignError from error
    return run


def tell(follow: Follow | None, run: dict[str, Any]) -> None:
    """Tell who follows a run, if anybody does."""
    if follow is not None:
        follow(run)


def read_result(url: str, response: httpx.Response) -> xr.Dataset:
    """What a run found.

    Raises
    ------
    EndpointError : the endpoint refuses.
    ForeignError : it is no endpoint.
    """
    connecting.require_success(url, response)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.nc"
        path.write_bytes(response.content)
        try:
            return load_result(path)
        except DataError as error:
            raise ForeignError from error
