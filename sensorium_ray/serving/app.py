"""The HTTP application: routes, limits, and one sentence for whatever goes wrong.

It takes a predict function, so that it runs and is tested without Ray; `runner.py` gives it the replicas'.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import DataError, InputError, SensoriumError
from ..version import package_version
from . import (
    monitoring,
    openapi,
    routes_bench,
    routes_board,
    routes_experiments,
    routes_gradients,
    routes_metrics,
    routes_v1,
    routes_v2,
)
from .desk import Desk
from .guard import Guard
from .keys import Key
from .laboratory import Laboratory
from .monitoring import Gather
from .problems import RETRY_AFTER, Refusal, problem
from .requests import Identified, Recorded, request_id
from .routes_gradients import Differentiate
from .served import Models, Predict

logger = logging.getLogger("ray.serve.sensorium")  # below Serve's own, so that it lands in the replica's log


def make_app(
    models: Models,
    predict: Predict,
    keys: Sequence[Key] = (),
    per_minute: int | None = None,
    desk: Desk | None = None,
    gather: Gather = monitoring.this_process,
    laboratory: Laboratory | None = None,
    differentiate: Differentiate | None = None,
) -> FastAPI:
    """Application that answers for `models`, by name, with `predict`.

    Parameters
    ----------
    keys, per_minute : as in `guard.Guard`.
    desk : takes submissions to a leaderboard; None: there is no leaderboard here.
    gather : tells what all replicas have counted.
    laboratory : makes experiments; None: none are made here.
    differentiate : tells gradients; None: none are told here.
    """
    app = _Application(models, keyed=bool(keys))
    app.add_middleware(Guard, known=keys, per_minute=per_minute)
    app.add_middleware(_Failures)
    app.add_middleware(Recorded)
    app.add_middleware(Identified)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(DataError, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(HTTPException, _refused)

    predict = monitoring.counted(predict)
    app.include_router(routes_bench.routes())
    app.include_router(routes_v1.routes(models, predict))
    app.include_router(routes_v2.routes(models, predict))
    app.include_router(routes_gradients.routes(models, differentiate))
    app.include_router(routes_experiments.routes(models, laboratory))
    app.include_router(routes_board.routes(desk))
    app.include_router(routes_metrics.routes(gather))
    return app


class _Application(FastAPI):
    """The web framework's, which describes itself by the models that it serves now."""

    def __init__(self, models: Models, keyed: bool) -> None:
        summary = "Responses of mouse visual cortex to any video"
        super().__init__(title="sensorium-ray", summary=summary, version=package_version())
        self._models = models
        self._keyed = keyed

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return openapi.complete(super().openapi(), self._models, self._keyed)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that is at fault."""
    if isinstance(error, Refusal):
        again = {"Retry-After": RETRY_AFTER} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else None
        known = request_id(request.scope) if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else None
        return problem(error.status, error.error, request_id=known, headers=again)
    if isinstance(error, HTTPException):
        unknown = InputError(error.detail, f"{request.method} {request.url.path}", "GET /v1/models lists the models")
        allowed = {"Allow": _allowed(request)} if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else error.headers
        return problem(error.status_code, unknown, headers=allowed)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, DataError(first["msg"], str(first["loc"][-1])))
    assert isinstance(error, DataError)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, error)


def _allowed(request: Request) -> str:
    """Methods of an address; the framework tells those of the first of its routes alone."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    known = [route.methods or () for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for methods in known for method in methods}))


class _Failures:
    """Answer a failure of ours with an id that finds it in the log, never with its traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["state"]["running"] = True
        began = False

        async def watched(message: Message) -> None:
            nonlocal began
            began = began or message["type"] == "http.response.start"
            await send(message)

        try:
            with monitoring.RUNNING.track_inprogress():
                await self.app(scope, receive, watched)
        except ClientDisconnect:
            pass  # before its request was read; the record says so
        except Exception:
            known = request_id(scope)
            logger.exception("request %s failed", known, extra={"request_id": known})
            if began:  # all that is left is to break off, which a client sees
                raise
            failed = SensoriumError("failed", "the endpoint", "its log tells why, by this request_id")
            await problem(HTTPStatus.INTERNAL_SERVER_ERROR, failed, request_id=known)(scope, receive, send)
