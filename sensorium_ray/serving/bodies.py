"""Bodies of requests, read up to a limit."""

from __future__ import annotations

import zlib
from http import HTTPStatus

from fastapi import Request

from ..errors import DataError
from .problems import Refusal, bad_request

MEBIBYTE = 1024**2
_ENCODINGS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


async def read_body(request: Request, limit: int) -> bytes:
    """Read a request's body, unpacked if it came packed, or stop as soon as it is known to be larger than a limit.

    Parameters
    ----------
    limit : bytes.

    Raises
    ------
    Refusal : 413, it is larger; 415, it is packed in a way that is unknown here; 400, it is packed and damaged.
    """
    if announced(request) > limit:
        raise too_large(limit)
    unpack = _unpacker(request.headers.get("content-encoding", "identity").strip().lower())
    pieces: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        pieces.append(unpack.take(chunk, limit + 1 - size))
        size += len(pieces[-1])
        if size > limit:
            raise too_large(limit)
    unpack.finish()
    return b"".join(pieces)


def announced(request: Request) -> int:
    """Bytes of a request's body, as it says itself; 0 where it does not."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdecimal() else 0


class _Plain:
    """Chunks as they come."""

    def take(self, chunk: bytes, most: int) -> bytes:
        """No more than a limit of what a chunk holds."""
        return chunk[:most]

    def finish(self) -> None:
        """Refuse a body that ended too early."""


class _Packed(_Plain):
    """Chunks of a packed stream."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._stream = zlib.decompressobj(_ENCODINGS[encoding])
        self._began = False

    def take(self, chunk: bytes, most: int) -> bytes:
        self._began = self._began or bool(chunk)
        try:
            return self._stream.decompress(chunk, most)
        except zlib.error as error:
            raise self._damaged() from error

    def finish(self) -> None:
        if self._began and not self._stream.eof:
            raise self._damaged()

    def _damaged(self) -> Refusal:
        return bad_request(f"is no whole {self._encoding} stream")


def _unpacker(encoding: str) -> _Plain:
    if encoding == "identity":
        return _Plain()
    if encoding not in _ENCODINGS:
        known = ", ".join(_ENCODINGS)
        error = DataError(f"is packed as '{encoding}'", "the body", f"send it plain, or packed as one of {known}")
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, error)
    return _Packed(encoding)


def too_large(limit: int, mend: str = "send a shorter clip, or npz in place of JSON") -> Refusal:
    """413: a body is larger than a limit in bytes."""
    error = DataError(f"is larger than {limit // MEBIBYTE} MiB", "the body", mend)
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error)
