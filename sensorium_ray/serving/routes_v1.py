"""Addresses of protocol v1."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from ..benchmark import FRAME_RATE
from ..data.clip import Clip
from ..data.resampling import Fit, Resize, Sampling, Timing
from ..errors import DataError
from . import answers, clips, forms, protocol_v1
from .answers import Answer
from .bodies import read_body
from .clips import Film
from .openapi import PREDICT, PREDICTED, REFUSED, answered
from .protocol_v1 import FORM
from .requests import about
from .selection import FRAMES, NUMBERS, Selection
from .served import Models, Predict, Served, find
from .streaming import respond

NumbersText = Annotated[str, Field(json_schema_extra={"pattern": NUMBERS})]  # told, not checked: ours is the sentence
FramesText = Annotated[str, Field(json_schema_extra={"pattern": FRAMES})]
"""How neurons and frames are written in an address."""


def routes(models: Models, predict: Predict) -> APIRouter:
    """Router that answers for `models` with `predict`."""
    router = APIRouter(prefix="/v1/models", tags=["v1"], responses=REFUSED)

    @router.get("", responses=answered("Models"), response_model=None)
    async def list_models() -> dict[str, object]:
        """List the models: their mice, the frames that they take and their checksums."""
        return {"models": [protocol_v1.describe(model) for model in models.values()]}

    @router.get("/{name}", responses=answered("Model", 404), response_model=None)
    async def describe_model(name: str) -> dict[str, object]:
        """Describe one model."""
        return protocol_v1.describe(find(models, name))

    @router.get("/{name}/mice/{mouse}", responses=answered("Mouse", 404))
    def describe_mouse(name: str, mouse: str) -> JSONResponse:
        """Tell a mouse's neurons, where they lie in its cortex, and its mean behaviour in training."""
        model = find(models, name)
        return JSONResponse(protocol_v1.describe_mouse(model, model.mouse(mouse)))

    @router.post("/{name}/predict", response_class=Response, responses=PREDICTED, openapi_extra=PREDICT)
    async def predict_responses(
        name: str,
        request: Request,
        mouse: Annotated[str | None, Query(description="Whose neurons answer.")] = None,
        neurons: Annotated[NumbersText | None, Query(description="Indices of some neurons, such as 0,5,7.")] = None,
        unit_ids: Annotated[NumbersText | None, Query(description="Unit ids of some neurons, such as 12,40.")] = None,
        areas: Annotated[str | None, Query(description="Areas of some neurons, such as V1,LM.")] = None,
        frames: Annotated[
            FramesText | None, Query(description="Frames that are told, such as 50..299 or 50..end.")
        ] = None,
        mean: Annotated[bool, Query(description="Tell the mean over those frames.")] = False,
        dtype: Annotated[Literal["float32", "float16"], Query(description="Of the responses.")] = "float32",
        rate: Annotated[float, Query(gt=0, le=1000, description="Frames per second of the video.")] = FRAME_RATE,
        resize: Annotated[Resize, Query(description="How the video gets the model's size.")] = "area",
        fit: Annotated[Fit, Query(description="What is done where its aspect is another.")] = "crop",
        timing: Annotated[Timing, Query(description="How it gets the model's rate.")] = "hold",
    ) -> Response:
        """Predict the responses of a mouse to a clip: npz or JSON; the answer as JSON, npz, npy, Arrow or Parquet."""
        model = find(models, name)
        known = about(request.scope)
        known.model = name
        form = answers.accepted(request.headers.get("accept", ""))
        sampling = Sampling(model.manifest.frame_shape, model.manifest.rate, resize, fit, timing)
        clip, whose, said = await _read_clip(request, model, mouse, rate, sampling)
        which = {"neurons": neurons, "unit_ids": unit_ids, "areas": areas}
        wanted = await asyncio.to_thread(Selection.read, model, whose, which, frames, mean, dtype == "float16")
        times = wanted.times(clip.frames, clip.rate)
        answer = Answer(model, whose, wanted.unit_ids(model, whose), times, wanted.dtype, said)
        known.mouse, known.frames, known.neurons = whose, clip.frames, len(answer.unit_ids)
        parts = predict(name, clip, whose, wanted.neurons)
        return await respond(answer, wanted.of(parts, clip.frames), form)

    return router


async def _read_clip(
    request: Request, model: Served, mouse: str | None, rate: float, sampling: Sampling
) -> tuple[Clip, str, tuple[str, ...]]:
    """The clip that was sent, whose neurons answer, and what was done to it."""
    media_type = protocol_v1.media_type_of(request.headers.get("content-type", ""))
    limit = protocol_v1.BODY_LIMITS[media_type]
    if media_type == FORM:
        form = await forms.read_form(request, limit)
        whose = model.mouse(forms.read_mouse(form, mouse))
        film, sent = await forms.read_parts(form, rate, sampling)
        clip, said = await asyncio.to_thread(clips.complete, film, sent, model, whose)
        return clip, whose, said
    body = await read_body(request, limit)
    return await asyncio.to_thread(_clip_in, body, media_type, model, mouse, rate, sampling)


def _clip_in(
    body: bytes, media_type: str, model: Served, mouse: str | None, rate: float, sampling: Sampling
) -> tuple[Clip, str, tuple[str, ...]]:
    """The same, of a body that is no form."""
    sent, named = protocol_v1.read_request(media_type, body, mouse)
    whose = model.mouse(named)
    if "video" not in sent:
        raise DataError("is missing", "video", "give (frames, height, width)")
    film = Film.of_array(sent["video"], rate, sampling)
    clip, said = clips.complete(film, sent, model, whose)
    return clip, whose, said
