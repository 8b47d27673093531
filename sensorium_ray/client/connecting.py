"""What both clients share of a connection: how patient they are, and sentences for what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import httpx
from httpx_retries import Retry

from ..errors import EndpointError
from .answered import ForeignError

PATIENCE = httpx.Timeout(10.0, read=600.0, write=60.0, pool=None)
CONNECTIONS = httpx.Limits(max_connections=32)
"""So that a thousand requests at once wait here, rather than be sent away there."""
RETRIES = Retry(
    10, ["GET", "POST"], [HTTPStatus.SERVICE_UNAVAILABLE], retry_on_exceptions=[], backoff_factor=0.5, total_timeout=30
)
"""Of an endpoint that is busy: after as many seconds as it says, for half a minute."""


def headers(key: str | None) -> dict[bytes, bytes]:
    """Headers of every request."""
    key = (key or "").strip()
    return {b"Authorization": f"Bearer {key}".encode()} if key else {}


def read_models(url: str, response: httpx.Response) -> list[dict[str, Any]]:
    """Descriptions of the models that an endpoint has.

    Raises
    ------
    EndpointError : it refuses.
    ForeignError : it is none.
    """
    try:
        models: list[dict[str, Any]] = read_object(url, response)["models"]
    except KeyError as error:
        raise ForeignError from error
    return models


def read_object(url: str, response: httpx.Response) -> dict[str, Any]:
    """A JSON object that an endpoint answers.

    Raises
    ------
    EndpointError : it refuses.
    ForeignError : it is none.
    """
    require_success(url, response)
    try:
        found = response.json()
    except ValueError as error:
        raise ForeignError from error
    if not isinstance(found, dict):
        raise ForeignError
    return found


@contextmanager
def sentences(url: str) -> Iterator[None]:
    """What httpx raises, as EndpointError."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            mend = "let SSL_CERT_FILE name the file of the authority that issued it"
            raise EndpointError("has a certificate that is not trusted here", url, mend) from error
        raise EndpointError("no endpoint answers", url, "start one with `sensorium serve`") from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise EndpointError("is not an address", url, "give one such as http://127.0.0.1:8000") from error
    except httpx.HTTPError as error:
        raise EndpointError(f"the connection broke ({type(error).__name__})", url, "ask again") from error
    except ForeignError as error:
        raise EndpointError("answers, but not as a sensorium endpoint", url) from error


def require_success(url: str, response: httpx.Response) -> None:
    """Raise what an endpoint refuses with; its answer has been read.

    Raises
    ------
    EndpointError : it refuses.
    """
    if response.is_success:
        return
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        raise EndpointError("is too busy to answer", url, "ask again")
    try:
        answer = response.json()
        request_id = f" (request {answer['request_id']})" if "request_id" in answer else ""
        raise EndpointError(f"{answer['detail']}{request_id}", url)
    except (ValueError, KeyError, TypeError):  # not the endpoint's words: what stands before it lost the request
        mend = "ask again" if response.is_server_error else ""
        raise EndpointError(f"answered with HTTP status {response.status_code}", url, mend) from None
