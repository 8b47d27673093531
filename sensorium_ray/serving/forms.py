"""Forms (multipart/form-data): a video as a file, and what the mouse did as files or text."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from tempfile import SpooledTemporaryFile
from typing import BinaryIO

import numpy as np
from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message

from ..data.npy import parse_npy
from ..data.resampling import Sampling
from ..errors import DataError
from .answers import NPZ
from .bodies import MEBIBYTE, too_large
from .clips import Film
from .problems import bad_request
from .protocol_v1 import BODY_LIMITS, unpack

_STATES = ("behavior", "pupil_center")
_PARTS = ("video", *_STATES, "mouse")
_MOST_BYTES = 64 * MEBIBYTE  # of what the mouse did: an hour of frames are 20
_NPY, _ZIP = b"\x93NUMPY", b"PK"


async def read_form(request: Request, limit: int) -> FormData:
    """Read a form of at most `limit` bytes; its files lie on the disk where they are large.

    Raises
    ------
    Refusal : 400, it is no form, or has parts of other names; 413, it is larger.
    """
    read = 0

    async def receive() -> Message:
        nonlocal read
        message = await request.receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise too_large(limit)
        return message

    try:
        form = await Request(request.scope, receive).form(max_files=3, max_fields=3, max_part_size=16 * MEBIBYTE)
    except HTTPException as error:
        raise bad_request(f"is no readable form ({error.detail})") from error
    unknown = [name for name in form if name not in _PARTS]
    if unknown:
        raise bad_request("is no part of this form", unknown[0], f"known are {', '.join(_PARTS)}")
    return form


def read_mouse(form: FormData, mouse: str | None) -> str | None:
    """The mouse that the form or the address names.

    Raises
    ------
    DataError : both do, and differ; or a file was sent for the name.
    """
    named = form.get("mouse", mouse)
    if isinstance(named, UploadFile):
        raise DataError("is a file", "mouse", "give the mouse's folder name as text")
    if mouse is not None and named != mouse:
        raise DataError(f"is '{named}' in the form but '{mouse}' in the address", "mouse", "name it once")
    return named


async def read_parts(form: FormData, rate: float, sampling: Sampling) -> tuple[Film, dict[str, np.ndarray]]:
    """The video, and what the mouse did as far as it was sent.

    A video is an npy (frames, height, width), an npz that may hold the rest too, or a file such as an mp4, whose own
    rate counts. What the mouse did is an npy, JSON, or CSV with a row a frame and a column a channel.

    Raises
    ------
    DataError, Refusal : a part is missing or cannot be read.
    """
    given = {name: await asyncio.to_thread(_read, name, form[name]) for name in _STATES if name in form}
    video = form.get("video")
    if not isinstance(video, UploadFile):
        raise DataError("is missing", "video", "send a file: mp4, webm, avi, gif, npy or npz")
    arrays = await asyncio.to_thread(_arrays, video.file)
    if arrays is None:
        return await Film.of_file(_on_disk(video.file), sampling), given
    if "video" not in arrays:
        raise DataError("is missing in the npz", "video", "give (frames, height, width)")
    return await asyncio.to_thread(Film.of_array, arrays.pop("video"), rate, sampling), arrays | given


def _arrays(file: BinaryIO) -> dict[str, np.ndarray] | None:
    """What an npy or an npz holds; None: the file is neither."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(len(_NPY))
    if not head.startswith((_ZIP, _NPY)):
        return None
    if size > BODY_LIMITS[NPZ]:
        raise too_large(BODY_LIMITS[NPZ])
    body = head + file.read()
    return unpack(body) if head.startswith(_ZIP) else {"video": parse_npy(body, "video")}


def _on_disk(file: BinaryIO) -> BinaryIO:
    """The same, no longer in memory if it was there: another process reads it."""
    if isinstance(file, SpooledTemporaryFile):
        file.rollover()
    return file


def _read(name: str, part: UploadFile | str) -> np.ndarray:
    raw = part.encode() if isinstance(part, str) else part.file.read(_MOST_BYTES)
    if raw.startswith(_NPY):
        return parse_npy(raw, name)
    text = raw.decode(errors="replace").strip()
    try:
        return np.asarray(json.loads(text)) if text.startswith("[") else _read_csv(text)
    except (ValueError, RecursionError, csv.Error) as error:
        mend = "give an npy, JSON such as [[…], […]], or CSV with a row a frame"
        raise DataError(f"is no array of numbers ({error})", name, mend) from error


def _read_csv(text: str) -> np.ndarray:
    """(channels, frames), or (channels,) of a single row; a first row that is no numbers names the channels."""
    rows = [row for row in csv.reader(text.splitlines()) if row]
    try:
        numbers = np.array(rows, dtype=np.float64)
    except ValueError:
        numbers = np.array(rows[1:], dtype=np.float64)
    return numbers[0] if len(numbers) == 1 else numbers.T
