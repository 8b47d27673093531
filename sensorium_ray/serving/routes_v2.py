"""Addresses of protocol v2, the Open Inference Protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import APIRouter, Depends, Header, Request, Response

from ..errors import DataError
from . import protocol_v2
from .answers import JSON, NPZ
from .bodies import read_body
from .openapi import BINARY, INFER, INFERRED, REFUSED, answered
from .problems import Refusal
from .protocol_v1 import BODY_LIMITS
from .protocol_v2 import HEADER_LENGTH, VERSION
from .requests import about
from .served import Models, Predict, Served, find
from .streaming import whole


def routes(models: Models, predict: Predict) -> APIRouter:
    """Router that answers for `models` with `predict`."""
    router = APIRouter(prefix="/v2", tags=["v2"], responses=REFUSED)

    @router.get("", responses=answered("Server"), response_model=None)
    async def server_metadata() -> dict[str, object]:
        """Tell who answers here, and which extensions of the protocol it knows."""
        return protocol_v2.server()

    @router.get("/health/live", responses=answered("Live"), response_model=None)
    async def live() -> dict[str, bool]:
        """Answer, since an endpoint that answers is live."""
        return {"live": True}

    @router.get("/health/ready", responses=answered("Ready"), response_model=None)
    async def ready() -> dict[str, bool]:
        """Answer, since an endpoint that answers is ready; models load when first asked."""
        return {"ready": True}

    async def only(name: str) -> Served:
        return find(models, name)

    async def of_version(name: str, version: str) -> Served:
        model = find(models, name)
        if version != VERSION:
            error = DataError(f"'{version}' is none of model '{name}'", "version", f"known is {VERSION}")
            raise Refusal(HTTPStatus.NOT_FOUND, error)
        return model

    every = APIRouter()  # without a prefix, so that each route knows its whole path, which is what logs tell
    every.include_router(router)
    for place, asked in (("/v2/models/{name}", only), ("/v2/models/{name}/versions/{version}", of_version)):
        every.include_router(_model_routes(place, asked, predict))
    return every


def _model_routes(place: str, asked: Callable[..., Awaitable[Served]], predict: Predict) -> APIRouter:
    """Addresses from that of a model on, which `asked` finds."""
    router = APIRouter(prefix=place, tags=["v2"], responses=REFUSED)
    found = Depends(asked)

    @router.get("", responses=answered("Metadata", 404), response_model=None)
    async def model_metadata(model: Served = found) -> dict[str, object]:
        """Tell the tensors that a model takes and gives."""
        return protocol_v2.metadata(model)

    @router.get("/ready", responses=answered("ModelReady", 404), response_model=None)
    async def model_ready(model: Served = found) -> dict[str, object]:
        """Tell whether a model can be asked."""
        return {"name": model.manifest.name, "ready": True}

    @router.post("/infer", response_class=Response, responses=INFERRED, openapi_extra=INFER)
    async def infer(
        request: Request,
        model: Served = found,
        header_length: str | None = Header(None, alias=HEADER_LENGTH, description="Bytes of JSON, if tensors follow."),
    ) -> Response:
        """Predict the responses of a mouse to a clip, given as tensors."""
        known = about(request.scope)
        known.model = model.manifest.name
        body = await read_body(request, BODY_LIMITS[JSON if header_length is None else NPZ])
        inference = await asyncio.to_thread(protocol_v2.read_inference, body, header_length)
        mouse = model.mouse(inference.mouse)
        shape = inference.shape(model, mouse)
        known.mouse, known.frames, known.neurons = mouse, inference.clip.frames, shape[0]
        responses = await whole(predict(model.manifest.name, inference.clip, mouse, inference.neurons), shape)
        answer, length = await asyncio.to_thread(protocol_v2.write_inference, model, mouse, inference, responses)
        if length is None:
            return Response(answer, media_type=JSON)
        return Response(answer, media_type=BINARY, headers={HEADER_LENGTH: str(length)})

    return router
