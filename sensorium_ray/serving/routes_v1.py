"""Addresses of protocol v1."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from . import protocol_v1
from .bodies import read_body
from .protocol_v1 import JSON, NPZ
from .served import Models, Predict, find


def routes(models: Models, predict: Predict) -> APIRouter:
    """Router that answers for `models` with `predict`."""
    router = APIRouter(prefix="/v1/models", tags=["v1"])

    @router.get("")
    async def list_models() -> dict[str, object]:
        """List the models: their mice, the frames that they take and their checksums."""
        return {"models": [protocol_v1.describe(model) for model in models.values()]}

    @router.get("/{name}")
    async def describe_model(name: str) -> dict[str, object]:
        """Describe one model."""
        return protocol_v1.describe(find(models, name))

    @router.post("/{name}/predict")
    async def predict_responses(name: str, request: Request, mouse: str | None = None) -> Response:
        """Predict the responses of a mouse to a clip; npz or JSON, in and (by Accept) out."""
        model = find(models, name)
        media_type = protocol_v1.media_type_of(request.headers.get("content-type", ""))
        body = await read_body(request, protocol_v1.BODY_LIMITS[media_type])
        clip, mouse = await asyncio.to_thread(protocol_v1.read_request, media_type, body, mouse)
        mouse = model.mouse(mouse)
        responses = await predict(name, clip, mouse, None)
        accepted = NPZ if NPZ in request.headers.get("accept", "") else JSON
        answer = await asyncio.to_thread(protocol_v1.write_answer, accepted, model, mouse, responses)
        return Response(answer, media_type=accepted)

    return router
