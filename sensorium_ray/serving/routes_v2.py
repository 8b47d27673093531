"""Addresses of protocol v2, the Open Inference Protocol."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from ..errors import DataError
from . import protocol_v2
from .answers import JSON, NPZ
from .bodies import read_body
from .openapi import INFER, REFUSED
from .problems import Refusal
from .protocol_v1 import BODY_LIMITS
from .protocol_v2 import HEADER_LENGTH, VERSION
from .requests import about
from .served import Models, Predict, Served, find
from .streaming import whole

_BINARY = "application/octet-stream"


def routes(models: Models, predict: Predict) -> APIRouter:
    """Router that answers for `models` with `predict`."""
    router = APIRouter(prefix="/v2", tags=["v2"], responses=REFUSED)

    @router.get("")
    async def server_metadata() -> dict[str, object]:
        """Tell who answers here, and which extensions of the protocol it knows."""
        return protocol_v2.server()

    @router.get("/health/live")
    async def live() -> dict[str, bool]:
        """Answer, since an endpoint that answers is live."""
        return {"live": True}

    @router.get("/health/ready")
    async def ready() -> dict[str, bool]:
        """Answer, since an endpoint that answers is ready; models load when first asked."""
        return {"ready": True}

    @router.get("/models/{name}")
    @router.get("/models/{name}/versions/{version}")
    async def model_metadata(name: str, version: str = VERSION) -> dict[str, object]:
        """Tell the tensors that a model takes and gives."""
        return protocol_v2.metadata(_find(models, name, version))

    @router.get("/models/{name}/ready")
    @router.get("/models/{name}/versions/{version}/ready")
    async def model_ready(name: str, version: str = VERSION) -> dict[str, object]:
        """Tell whether a model can be asked."""
        return {"name": _find(models, name, version).manifest.name, "ready": True}

    @router.post("/models/{name}/infer", openapi_extra=INFER)
    @router.post("/models/{name}/versions/{version}/infer", openapi_extra=INFER)
    async def infer(name: str, request: Request, version: str = VERSION) -> Response:
        """Predict the responses of a mouse to a clip, given as tensors."""
        model = _find(models, name, version)
        known = about(request.scope)
        known.model = name
        header_length = request.headers.get(HEADER_LENGTH)
        body = await read_body(request, BODY_LIMITS[JSON if header_length is None else NPZ])
        inference = await asyncio.to_thread(protocol_v2.read_inference, body, header_length)
        mouse = model.mouse(inference.mouse)
        shape = inference.shape(model, mouse)
        known.mouse, known.frames, known.neurons = mouse, inference.clip.frames, shape[0]
        responses = await whole(predict(name, inference.clip, mouse, inference.neurons), shape)
        answer, length = await asyncio.to_thread(protocol_v2.write_inference, model, mouse, inference, responses)
        if length is None:
            return Response(answer, media_type=JSON)
        return Response(answer, media_type=_BINARY, headers={HEADER_LENGTH: str(length)})

    return router


def _find(models: Models, name: str, version: str) -> Served:
    model = find(models, name)
    if version != VERSION:
        error = DataError(f"'{version}' is none of model '{name}'", "version", f"known is {VERSION}")
        raise Refusal(HTTPStatus.NOT_FOUND, error)
    return model
