"""Responses as they are predicted, parts of (neurons, some frames) in order, and the answer made of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
from fastapi.responses import StreamingResponse

from ..errors import DataError
from .answers import Answer
from .bodies import MEBIBYTE
from .writers import WRITERS, Pieces

Parts = AsyncIterator[np.ndarray]

_BLOCK = 16 * MEBIBYTE
"""Of an answer that is held at once; a clip of 300 frames and 8,000 neurons fits."""
_PIECE = MEBIBYTE // 2
"""Sent at once: more is copied while it waits to be sent."""


async def within(parts: Parts, frames: slice) -> Parts:
    """Those of a range of frames; the ones before are predicted too, since a network looks back."""
    begin = 0
    async for part in parts:
        end = begin + part.shape[1]
        chosen = part[:, max(frames.start - begin, 0) : max(frames.stop - begin, 0)]
        if chosen.shape[1]:
            yield chosen
        if end >= frames.stop:
            return
        begin = end


async def mean(parts: Parts) -> Parts:
    """The mean over all frames, (neurons, 1), accumulated in float64."""
    total, count = np.zeros(1), 0
    async for part in parts:
        total = total + part.sum(axis=1, dtype=np.float64)
        count += part.shape[1]
    yield (total / count)[:, None]


async def blocks(parts: Parts, shape: tuple[int, int], dtype: np.dtype, most: int) -> Parts:
    """The same in as few parts as there may be.

    Parameters
    ----------
    shape : neurons and frames of all parts together.
    dtype : that they get.
    most : bytes of one, but at least a frame.

    Raises
    ------
    DataError : a response is not finite.
    """
    neurons, left = shape
    longest = max(1, most // (neurons * dtype.itemsize))
    block, filled = np.empty((neurons, min(left, longest)), dtype), 0
    async for part in parts:
        rest = part
        while rest.shape[1]:
            some, rest = rest[:, : block.shape[1] - filled], rest[:, block.shape[1] - filled :]
            place = slice(filled, filled + some.shape[1])
            if some.shape == block.shape and some.dtype == dtype:
                block = some  # there is nothing to put together
            else:
                with np.errstate(over="ignore"):  # what float16 cannot hold becomes infinite, which is refused
                    block[:, place] = some
            _require_finite(block[:, place])
            filled += some.shape[1]
            if filled == block.shape[1]:
                yield block
                left -= filled
                block, filled = np.empty((neurons, min(left, longest)), dtype), 0


async def whole(parts: Parts, shape: tuple[int, int]) -> np.ndarray:
    """All of them in one, float32.

    Raises
    ------
    DataError : a response is not finite.
    """
    return await anext(blocks(parts, shape, np.dtype(np.float32), most=4 * shape[0] * shape[1]))


async def respond(answer: Answer, parts: Parts, form: str) -> StreamingResponse:
    """Answer with responses as they come; what goes wrong in the first block, in most answers the only one, is refused.

    Parameters
    ----------
    form : media type, one of `answers.FORMS`.

    Raises
    ------
    DataError : the answer is too long for the form, or a response is not finite.
    """
    writer = WRITERS[form](answer)
    waiting = blocks(parts, answer.shape, answer.dtype, _BLOCK)
    first = await anext(waiting)
    only = first.shape == answer.shape
    pieces = await asyncio.to_thread(lambda: writer.write(first) + (writer.end() if only else []))
    headers = answer.headers()
    if only:
        headers["Content-Length"] = str(sum(map(len, pieces)))
        return StreamingResponse(_cut(pieces), headers=headers, media_type=form)

    async def body() -> AsyncIterator[bytes]:
        async for piece in _cut(pieces):
            yield piece
        async for block in waiting:
            async for piece in _cut(await asyncio.to_thread(writer.write, block)):
                yield piece
        async for piece in _cut(await asyncio.to_thread(writer.end)):
            yield piece

    return StreamingResponse(body(), headers=headers, media_type=form)


async def _cut(pieces: Pieces) -> AsyncIterator[bytes]:
    """The same bytes, not too many at a time."""
    while pieces:
        piece = memoryview(pieces.pop(0))
        for start in range(0, len(piece), _PIECE):
            yield bytes(piece[start : start + _PIECE])  # Serve's own proxy, where it stands in, can take no view


def _require_finite(responses: np.ndarray) -> None:
    if not np.isfinite(responses).all():
        mend = "give grey levels 0..255 and behaviour as recorded, and ask for float32"
        raise DataError("has values at which the model's answers are not finite", "clip", mend)
