"""The HTTP application: routes, limits, and one sentence for whatever goes wrong.

It takes a predict function, so that it runs and is tested without Ray; `runner.py` gives it the replicas'.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from ..data.clip import Clip
from ..errors import DataError
from . import protocol_v1
from .protocol_v1 import JSON, MEBIBYTE, NPZ, Refusal, Served

Predict = Callable[[str, Clip, str], Awaitable[np.ndarray]]
"""(model, clip, mouse) to responses (neurons, frames) float32."""

logger = logging.getLogger("ray.serve.sensorium")  # below Serve's own, so that it lands in the replica's log


def make_app(models: Mapping[str, Served], predict: Predict) -> FastAPI:
    """Application that answers for `models`, by name, with `predict`."""
    app = FastAPI(title="sensorium-ray", summary="Responses of mouse visual cortex to any video")
    app.add_middleware(_Failures)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(DataError, _refused)
    app.add_exception_handler(HTTPException, _refused)

    @app.get("/v2/health/live")
    @app.get("/v2/health/ready")
    async def healthy() -> dict[str, str]:
        """Answer, since an endpoint that answers is both live and ready; models load when first asked."""
        return {"status": "ok"}

    @app.get("/v1/models")
    async def list_models() -> dict[str, object]:
        """List the models: their mice, the frames that they take and their checksums."""
        return {"models": [protocol_v1.describe(model) for model in models.values()]}

    @app.get("/v1/models/{name}")
    async def describe_model(name: str) -> dict[str, object]:
        """Describe one model."""
        return protocol_v1.describe(_known(models, name))

    @app.post("/v1/models/{name}/predict")
    async def predict_responses(name: str, request: Request, mouse: str | None = None) -> Response:
        """Predict the responses of a mouse to a clip; npz or JSON, in and (by Accept) out."""
        model = _known(models, name)
        media_type = protocol_v1.media_type_of(request.headers.get("content-type", ""))
        body = await _read_body(request, protocol_v1.BODY_LIMITS[media_type])
        clip, mouse = await asyncio.to_thread(protocol_v1.read_request, media_type, body, mouse)
        mouse = _known_mouse(model, mouse)
        responses = await predict(name, clip, mouse)
        accepted = NPZ if NPZ in request.headers.get("accept", "") else JSON
        answer = await asyncio.to_thread(protocol_v1.write_answer, accepted, model, mouse, responses)
        return Response(answer, media_type=accepted)

    return app


def _known(models: Mapping[str, Served], name: str) -> Served:
    if name not in models:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no model '{name}' here; known are {', '.join(models)}")
    return models[name]


def _known_mouse(model: Served, mouse: str | None) -> str:
    known = [entry.name for entry in model.manifest.mice]
    if mouse is None:
        raise DataError("is missing", "mouse", f"add ?mouse= with one of {', '.join(known)}")
    if mouse not in known:
        sentence = f"model '{model.manifest.name}' has no mouse '{mouse}'; known are {', '.join(known)}"
        raise Refusal(HTTPStatus.NOT_FOUND, sentence)
    return mouse


async def _read_body(request: Request, limit: int) -> bytes:
    """Read a request's body, or stop as soon as it is known to be larger than `limit` bytes."""
    too_large = Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body is larger than {limit // MEBIBYTE} MiB; send a shorter clip, or npz in place of JSON",
    )
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large
    return bytes(body)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that is at fault."""
    if isinstance(error, Refusal):
        return JSONResponse({"error": error.sentence}, error.status)
    if isinstance(error, HTTPException):
        sentence = f"{request.method} {request.url.path}: {error.detail}; GET /v1/models lists the models"
        return JSONResponse({"error": sentence}, error.status_code, headers=error.headers)
    return JSONResponse({"error": str(error)}, HTTPStatus.UNPROCESSABLE_ENTITY)


class _Failures:
    """Answer a failure of ours with an id that finds it in the log, never with its traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except ClientDisconnect:
            logger.info("a client left before its request was read")
        except Exception:
            request_id = Request(scope).headers.get("x-request-id") or uuid.uuid4().hex
            logger.exception("request %s to %s failed", request_id, scope["path"])
            error = {"error": "the endpoint failed; its log tells why", "request_id": request_id}
            await JSONResponse(error, HTTPStatus.INTERNAL_SERVER_ERROR)(scope, receive, send)
