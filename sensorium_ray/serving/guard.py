"""Who is let in: requests need a key that is for what they ask, and no more than so many a minute come with one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from http import HTTPStatus

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import DataError
from . import keys, routes_bench
from .problems import problem
from .requests import LIVE, METRICS, READY, about

OPEN = routes_bench.ADDRESSES | {LIVE, READY, "/v1/leaderboard", "/v1/leaderboard.html"}
"""Addresses that need no key: the page's and those that balancers ask, which tell nothing, and standings, which are
public."""
_SCOPES: dict[str, keys.Scope] = {"/v1/submissions": "submit", "/v1/leaderboard/open": "admin", METRICS: "admin"}
"""What a key must be for, by how an address begins; for all others, predict."""


class Guard:
    """ASGI middleware.

    Parameters
    ----------
    known : the keys; none: everybody is let in.
    per_minute : requests with one key, in each replica; None: any number.
    """

    def __init__(self, app: ASGIApp, known: Sequence[keys.Key], per_minute: int | None) -> None:
        self._app = app
        self._known = known
        self._limit = None if per_minute is None else RateLimitItemPerMinute(per_minute)
        self._counts = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its key as `user`, or answer it with 401, 403 or 429."""
        scope["user"] = None
        if scope["type"] != "http" or not self._known or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        presented = _presented(Headers(scope=scope))
        key = None if presented is None else keys.find(self._known, presented)
        about(scope).key = None if key is None else key.name
        if key is None:
            what = "is missing" if presented is None else "is none of this endpoint's"
            error = DataError(what, "authorization", "send the header 'Authorization: Bearer KEY'")
            answer = problem(HTTPStatus.UNAUTHORIZED, error, headers={"WWW-Authenticate": "Bearer"})
        elif not key.allows(needed := _needed(scope["path"])):
            mend = f"ask for a key that is for {needed}"
            error = DataError(f"of '{key.name}' is not for this", "authorization", mend)
            answer = problem(HTTPStatus.FORBIDDEN, error)
        elif self._limit is not None and not self._counts.hit(self._limit, key.name):
            error = DataError(f"asks more than {self._limit.amount} times a minute", key.name, "ask later")
            again = self._counts.get_window_stats(self._limit, key.name).reset_time - time.time()
            answer = problem(HTTPStatus.TOO_MANY_REQUESTS, error, headers={"Retry-After": str(max(1, round(again)))})
        else:
            scope["user"] = key
            await self._app(scope, receive, send)
            return
        await answer(scope, receive, send)


def _needed(path: str) -> keys.Scope:
    """What a key must be for."""
    for start, needed in _SCOPES.items():
        if path == start or path.startswith(f"{start}/"):
            return needed
    return "predict"


def _presented(headers: Headers) -> str | None:
    """The key that comes with a request."""
    kind, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" and key else None
