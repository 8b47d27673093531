"""Experiments that an endpoint makes: what is asked, how long one waits, and what was found."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import httpx
import numpy as np
import xarray as xr

from .. import results
from ..errors import DataError, EndpointError
from . import connecting
from .answered import ForeignError

Follow = Callable[[dict[str, Any]], object]
"""Told the state of a run, as the endpoint tells it: state, done, total and more."""
_NETCDF = "application/x-netcdf"
_LONGEST_PAUSE = 2.0
"""Seconds between two questions of how far it is."""
_SILENCE = 60.0
"""Seconds in which an endpoint may be silent while a replica of it is replaced."""
_PASSING = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


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


def result_of(build: Callable[..., httpx.Request], address: str) -> httpx.Request:
    """Request of what a run found."""
    return build("GET", f"{address}/result", headers={"Accept": _NETCDF})


class Following:
    """A run that is followed until it is finished; a replica that is replaced meanwhile is heard of as a silence.

    Parameters
    ----------
    response : what the endpoint answered to the order.
    follow : is told every state of it.

    Raises
    ------
    EndpointError : the endpoint refuses the order.
    ForeignError : it is no endpoint.
    """

    def __init__(self, url: str, response: httpx.Response, follow: Follow | None) -> None:
        self._url = url
        self._follow = follow
        self._pause = 0.25
        self._heard = time.monotonic()
        self._state = connecting.read_object(url, response)
        try:
            self.address = f"{url}/v1/experiments/runs/{self._state['id']}"
        except KeyError as error:
            raise ForeignError from error

    @property
    def is_finished(self) -> bool:
        """Whether it is."""
        return self._state.get("state") == "finished"

    def pause(self) -> float:
        """Seconds to wait before the next question; who follows it is told what the last one was answered."""
        self._tell()
        self._pause = min(1.5 * self._pause, _LONGEST_PAUSE)
        return self._pause

    def hear(self, answer: httpx.Response | httpx.TransportError) -> None:
        """Take what a question was answered, or that it was not.

        Raises
        ------
        EndpointError : the run failed, or is no longer there.
        httpx.TransportError : nothing has been heard for a minute.
        ForeignError : it is no endpoint.
        """
        is_silent = isinstance(answer, httpx.TransportError) or answer.status_code in _PASSING
        if is_silent and time.monotonic() < self._heard + _SILENCE:
            return
        if isinstance(answer, httpx.TransportError):
            raise answer
        self._state = connecting.read_object(self._url, answer)
        self._heard = time.monotonic()
        if self._state.get("state") == "failed":
            raise EndpointError(f"{self._state.get('experiment')} failed: {self._state.get('fault')}", self._url)
        if self.is_finished:
            self._tell()

    def _tell(self) -> None:
        if self._follow is not None:
            self._follow(self._state)


def read_result(url: str, response: httpx.Response) -> xr.Dataset:
    """What a run found.

    Raises
    ------
    EndpointError : the endpoint refuses.
    ForeignError : it is no endpoint.
    """
    connecting.require_success(url, response)
    try:
        return results.read_result(response.content, ".nc", url)
    except DataError as error:
        raise ForeignError from error
