"""What stands before the queue of a replica, in the replica's process.

Serve lets a replica answer a few requests at once, and a few more wait. Whether the endpoint lives and what it has
counted must be told all the same, and once the endpoint is to stop, nothing more may be begun.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import SensoriumError
from .problems import RETRY_AFTER, problem
from .requests import LIVE, METRICS, PROBES, SERVES_OWN, Identified, Recorded, request_id


class Gate:
    """The gate of a process.

    Parameters
    ----------
    app : that answers `PROBES` past the queue; None until this process has become a replica.
    """

    def __init__(self) -> None:
        self.app: ASGIApp | None = None
        self.closed = False
        self.passing = 0
        """Requests that are not answered yet."""

    async def close(self) -> None:
        """Refuse further requests, and return when those that are passing are answered."""
        self.closed = True
        while self.passing:
            await asyncio.sleep(0.05)


HERE = Gate()
"""That of this process."""


def middlewares() -> list[Middleware]:
    """What Ray Serve is to put around what it serves; it finds this by RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH.

    The last is the outermost. A process that is no replica, Serve's own proxy, keeps no records: the replica does.
    """
    if HERE.app is None:
        return [Middleware(Identified)]
    return [Middleware(_Gated), Middleware(Recorded), Middleware(Identified)]


class _Gated:
    """ASGI middleware: the gate, within `Recorded`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(SERVES_OWN):
            await self._app(scope, receive, send)
        elif HERE.closed and scope["path"] not in (METRICS, LIVE):
            await _busy("is about to stop", scope)(scope, receive, send)
        elif scope["path"] in PROBES:
            assert HERE.app is not None
            await HERE.app(scope, receive, send)
        else:
            HERE.passing += 1
            try:
                await self._app(scope, receive, _in_our_words(scope, receive, send))
            finally:
                HERE.passing -= 1


def _in_our_words(scope: Scope, receive: Receive, send: Send) -> Send:
    """The same, but where Serve itself says that a request cannot wait, our own sentence is sent."""
    refused = False

    async def answer(message: Message) -> None:
        nonlocal refused
        if message["type"] == "http.response.start":
            refused = message["status"] == HTTPStatus.SERVICE_UNAVAILABLE and "running" not in scope["state"]
            if refused:
                await _busy("has too many requests waiting", scope)(scope, receive, send)
        if not refused:
            await send(message)

    return answer


def _busy(what: str, scope: Scope) -> ASGIApp:
    error = SensoriumError(what, "the endpoint", "ask again")
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return problem(status, error, request_id=request_id(scope), headers={"Retry-After": RETRY_AFTER})
