"""What is answered when a request is at fault: one sentence, as problem+json (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from starlette.responses import JSONResponse

from ..errors import DataError, SensoriumError

PROBLEM = "application/problem+json"
logger = logging.getLogger("ray.serve.sensorium")

RETRY_AFTER = "1"
"""Seconds after which a client that was sent away may ask again."""


class Refusal(Exception):  # noqa: N818 - a refusal is an answer
    """A request that cannot be answered: the HTTP status and the error that says why."""

    def __init__(self, status: HTTPStatus, error: SensoriumError) -> None:
        super().__init__(status, error)
        self.status = status
        self.error = error

    def __str__(self) -> str:
        return str(self.error)


def bad_request(what: str, where: str = "the body", mend: str = "") -> Refusal:
    """400: the request cannot be read."""
    return Refusal(HTTPStatus.BAD_REQUEST, DataError(what, where, mend))


@contextmanager
def has_room(disk: str, mend: str) -> Iterator[None]:
    """Answer 507 where a disk is full; its path is its owner's business alone."""
    try:
        yield
    except DataError as error:
        logger.warning("%s has no room: %s", disk, error)
        full = SensoriumError("has no room for this now", disk, mend)
        raise Refusal(HTTPStatus.INSUFFICIENT_STORAGE, full) from error


def problem(
    status: int, error: SensoriumError, *, request_id: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Answer of a request at fault: what is wrong, the field that it is wrong in, and how to mend it.

    `error` repeats the sentence under the name that clients of protocol v2 look for.
    """
    sentence = str(error)
    told = {"detail": sentence, "error": sentence, "field": error.where, "mend": error.mend, "request_id": request_id}
    # A request may hold half a character, which cannot be sent back.
    texts = {name: text.encode(errors="replace").decode() for name, text in told.items() if text}
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status)}
    return JSONResponse(body | texts, status, headers, PROBLEM)
