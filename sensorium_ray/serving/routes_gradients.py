"""Address of gradients: what to change in a video so that a mouse responds more, for labs that close the loop."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from http import HTTPStatus
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response

from ..data.clip import CLIP_ARRAYS, Clip
from ..data.resampling import Sampling
from ..errors import BundleError, ConfigError, DataError
from . import clips, protocol_v1
from .answers import NPZ, Answer
from .bodies import read_body
from .clips import Film
from .laboratory import LONGEST
from .monitoring import FRAMES
from .openapi import GRADIENTS, REFUSED, TOLD_GRADIENTS
from .problems import Refusal
from .protocol_v1 import BODY_LIMITS, media_type_of
from .requests import about
from .routes_v1 import FramesText, NumbersText
from .selection import Selection
from .served import Models, Served, find

Differentiate = Callable[[str, Sequence[Clip], str, np.ndarray | None, np.ndarray], Future[tuple[np.ndarray, ...]]]
"""As `Predictors.differentiate`."""


def routes(models: Models, differentiate: Differentiate | None) -> APIRouter:
    """Router that answers for `models` with `differentiate`; without it, nothing is known of gradients here."""
    router = APIRouter(prefix="/v1/models", tags=["v1"], responses=REFUSED, include_in_schema=differentiate is not None)

    @router.post("/{name}/gradients", response_class=Response, responses=TOLD_GRADIENTS, openapi_extra=GRADIENTS)
    async def tell_gradients(
        name: str,
        request: Request,
        mouse: Annotated[str | None, Query(description="Whose neurons count.")] = None,
        neurons: Annotated[NumbersText | None, Query(description="Indices of some neurons, such as 0,5,7.")] = None,
        frames: Annotated[
            FramesText | None, Query(description="Frames that count, where no weights are sent, such as 50..end.")
        ] = None,
    ) -> Response:
        """Tell the gradient of responses by the grey levels of a clip of the model's size: npz, answered as npz."""
        model = find(models, name)
        known = about(request.scope)
        known.model = name
        media_type_of(request.headers.get("content-type", ""), [NPZ])
        body = await read_body(request, BODY_LIMITS[NPZ])
        sent = await asyncio.to_thread(protocol_v1.unpack, body, (*CLIP_ARRAYS, "weights"))
        whose = model.mouse(mouse)
        clip, said = await asyncio.to_thread(_clip, sent, model, whose)
        wanted = Selection.read(model, whose, {"neurons": neurons}, frames, mean=False, half=False)
        unit_ids = wanted.unit_ids(model, whose)
        weights = _weights(sent.get("weights"), wanted, len(unit_ids), clip)
        known.mouse, known.frames, known.neurons = whose, clip.frames, len(unit_ids)
        if differentiate is None:
            raise _unknown("are not told here", name)
        FRAMES.labels(name).inc(clip.frames)
        try:
            told = await asyncio.wrap_future(differentiate(name, [clip], whose, wanted.neurons, weights[None]))
        except (BundleError, ConfigError) as error:
            raise _unknown(f"are not known ({error.what})", name) from error
        answer = Answer(model, whose, unit_ids, np.arange(clip.frames) / clip.rate, weights.dtype, said)
        content = await asyncio.to_thread(_written, answer, *(array[0] for array in told))
        return Response(content, headers=answer.headers(), media_type=NPZ)

    return router


def _unknown(what: str, model: str) -> Refusal:
    mend = "ask a model that came with its weights, as `sensorium export` writes them"
    return Refusal(HTTPStatus.NOT_FOUND, DataError(what, f"gradients of '{model}'", mend))


def _clip(sent: dict[str, np.ndarray], model: Served, mouse: str) -> tuple[Clip, tuple[str, ...]]:
    if "video" not in sent:
        raise DataError("is missing", "video", "give (frames, height, width)")
    video, shape = sent["video"], model.manifest.frame_shape
    if video.ndim != 3 or video.shape[1:] != shape:
        mend = f"give (frames, {shape[0]}, {shape[1]}), since gradients are of the frames that the model takes"
        raise DataError(f"has shape {video.shape}", "video", mend)
    if len(video) > LONGEST:
        raise DataError(f"has {len(video):,} frames", "video", f"cut it to {LONGEST:,} at most")
    film = Film.of_array(video, model.manifest.rate, Sampling(shape, model.manifest.rate))
    return clips.complete(film, sent, model, mouse)


def _weights(sent: np.ndarray | None, wanted: Selection, neurons: int, clip: Clip) -> np.ndarray:
    """What each response counts, (neurons, frames) float32: as sent, or as in the mean over the frames that are named.

    Raises
    ------
    DataError : they are of another shape, or not finite; or frames are named beside them.
    """
    if sent is None:
        times = wanted.times(clip.frames, 1.0).astype(int)
        weights = np.zeros((neurons, clip.frames), np.float32)
        weights[:, times] = 1 / (neurons * len(times))
        return weights
    if wanted.frames is not None:
        raise DataError("are given beside weights", "frames", "leave them out: weights say which count")
    if sent.shape != (neurons, clip.frames) or sent.dtype.kind not in "biuf":
        what = f"have shape {sent.shape} and dtype {sent.dtype}"
        raise DataError(what, "weights", f"give real numbers ({neurons}, {clip.frames}): neurons, frames")
    with np.errstate(over="ignore"):
        weights = sent.astype(np.float32)
    if not np.isfinite(weights).all():
        raise DataError("hold NaN or infinite values", "weights", "give finite ones")
    return weights


def _written(answer: Answer, responses: np.ndarray, gradient: np.ndarray) -> bytes:
    if not (np.isfinite(responses).all() and np.isfinite(gradient).all()):
        mend = "give grey levels 0..255 and behaviour as recorded, and smaller weights"
        raise DataError("has values at which the model's answers are not finite", "clip", mend)
    file = io.BytesIO()
    arrays = {"responses": responses, "gradient": gradient, "unit_ids": answer.unit_ids}
    np.savez(file, allow_pickle=False, **arrays, about=np.array(json.dumps(answer.about())))
    return file.getvalue()
