"""What is kept of every request: an id that its answer carries, a line in the log, and counts."""

from __future__ import annotations

import logging
import re
import time
import uuid
from dataclasses import asdict, dataclass
from http import HTTPMethod, HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import monitoring

REQUEST_ID = "x-request-id"
METRICS = "/metrics"
LIVE, READY = "/v2/health/live", "/v2/health/ready"
PROBES = (METRICS, LIVE, READY)
"""Addresses that machines ask every few seconds."""
SERVES_OWN = "/-/"
"""Begin of addresses that Ray Serve answers by itself, to HAProxy's checks among others; nobody's requests."""

_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_UNKNOWN = "(none)"
"""Path of requests to no known address, and of those that were refused before theirs was looked up."""
_LEFT = 499
"""Status, as other servers have it, of requests whose clients left before the end of the answer."""

logger = logging.getLogger("ray.serve.sensorium")  # below Serve's own, so that it lands in the replica's log


@dataclass
class About:
    """What becomes known of a request while it is answered; None: it did not."""

    key: str | None = None
    """Name of the key that came with it."""
    model: str | None = None
    mouse: str | None = None
    frames: int | None = None
    neurons: int | None = None


def about(scope: Scope) -> About:
    """What is known of a request so far, to be added to."""
    known: About = scope["state"].setdefault("about", About())
    return known


def request_id(scope: Scope) -> str:
    """Its id."""
    return Headers(scope=scope)[REQUEST_ID]


class Identified:
    """ASGI middleware: a request has an id, the client's own if it is sane, and its answer carries that."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its id among its headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = MutableHeaders(scope=scope)
        if not _SANE.fullmatch(headers.get(REQUEST_ID, "")):
            headers[REQUEST_ID] = uuid.uuid4().hex
        known = headers[REQUEST_ID]

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = known  # one, though Serve may have added its own
            await send(message)

        await self._app(scope, receive, answer)


class Recorded:
    """ASGI middleware, within `Identified`: a request is counted and logged once it has ended, and but once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at what goes by."""
        known = "about" in scope.setdefault("state", {})
        if scope["type"] != "http" or known or scope["path"].startswith(SERVES_OWN):
            await self._app(scope, receive, send)
            return
        about(scope)
        began = time.perf_counter()
        status, whole, received, sent = _LEFT, False, 0, 0

        async def read() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def answer(message: Message) -> None:
            nonlocal status, whole, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
                whole = not message.get("more_body", False)
            await send(message)

        try:
            with monitoring.IN_FLIGHT.track_inprogress():
                await self._app(scope, read, answer)
        except Exception:
            status, whole = HTTPStatus.INTERNAL_SERVER_ERROR, True
            raise
        finally:
            _record(scope, status if whole else _LEFT, time.perf_counter() - began, received, sent)


def _record(scope: Scope, status: int, seconds: float, received: int, sent: int) -> None:
    # Methods and addresses of the client's own making are not counted apart: there is no end of them.
    method = scope["method"] if scope["method"] in HTTPMethod.__members__ else _UNKNOWN
    path = getattr(scope.get("route"), "path", _UNKNOWN)
    monitoring.REQUESTS.labels(method, path, int(status)).inc()
    monitoring.SECONDS.labels(path).observe(seconds)
    monitoring.RECEIVED.inc(received)
    monitoring.SENT.inc(sent)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        level = logging.WARNING
    else:
        level = logging.DEBUG if path in PROBES else logging.INFO
    told = {"request_id": request_id(scope), "method": method, "path": path, "status": int(status)}
    told |= {"seconds": round(seconds, 4), "bytes_in": received, "bytes_out": sent}
    told |= {name: value for name, value in asdict(about(scope)).items() if value is not None}
    logger.log(level, "%s %s: %d after %.3f s", method, path, status, seconds, extra=told)
