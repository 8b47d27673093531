"""What a client asks: the request of a prediction, made of what a scientist has.

Arrays and files alike go as a form: it is as fast as npz, and a file is read while it is sent, whatever its size.
"""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Literal, TypedDict, cast
from urllib.parse import quote

import httpx
import numpy as np
from numpy.typing import ArrayLike

from ..data.clip import Clip, is_trial, read_clip
from ..data.resampling import Fit, Resize, Timing
from ..errors import ConfigError, DataError
from .messages import ARROW

Video = Clip | ArrayLike | str | os.PathLike[str]
"""A clip, an array (frames, height, width), or a path."""
Progress = Callable[[int, int], object]
"""Told how many bytes of how many are sent; that begins anew where a busy endpoint is asked again."""
_LONGEST = 12_000  # characters of a list in an address; HAProxy takes 15,000 of the whole


class Options(TypedDict, total=False):
    """What may be said of a prediction beside model, video and mouse: see `SensoriumClient.predict`."""

    behavior: ArrayLike | None
    pupil_center: ArrayLike | None
    rate: float | None
    neurons: Iterable[int] | str | None
    unit_ids: Iterable[int] | str | None
    areas: Iterable[str] | str | None
    frames: str | None
    mean: bool
    dtype: Literal["float32", "float16"]
    resize: Resize
    fit: Fit
    timing: Timing
    progress: Progress | None


def prediction(
    build: Callable[..., httpx.Request],
    files: ExitStack,
    url: str,
    model: str,
    video: Video,
    mouse: str | None,
    *,
    behavior: ArrayLike | None = None,
    pupil_center: ArrayLike | None = None,
    rate: float | None = None,
    neurons: Iterable[int] | str | None = None,
    unit_ids: Iterable[int] | str | None = None,
    areas: Iterable[str] | str | None = None,
    frames: str | None = None,
    mean: bool = False,
    dtype: Literal["float32", "float16"] = "float32",
    resize: Resize = "area",
    fit: Fit = "crop",
    timing: Timing = "hold",
    progress: Progress | None = None,
) -> httpx.Request:
    """Request of a prediction, which may be sent several times while `files` is open.

    Parameters
    ----------
    build : `build_request` of an httpx client.
    files : closes what is sent.

    Raises
    ------
    DataError : a file cannot be read, or an array is none.
    ConfigError : more neurons are named than an address can hold.
    """
    film = _opened(video)
    sent: dict[str, ArrayLike | None] = {"behavior": behavior, "pupil_center": pupil_center}
    if isinstance(film, Clip):
        rate = film.rate if rate is None else rate
        sent = {name: getattr(film, name) if given is None else given for name, given in sent.items()}
        film = film.video
    parts = {"video": files.enter_context(film) if isinstance(film, io.BufferedReader) else _npy("video", film)}
    parts |= {name: _npy(name, given) for name, given in sent.items() if given is not None}
    wishes = {
        "mouse": mouse,
        "neurons": listed("neurons", neurons),
        "unit_ids": listed("unit_ids", unit_ids),
        "areas": listed("areas", areas),
        "frames": frames,
        "mean": mean,
        "dtype": dtype,
        "rate": rate,
        "resize": resize,
        "fit": fit,
        "timing": timing,
    }
    request = build(
        "POST",
        f"{model_url(url, model)}/predict",
        params={name: wish for name, wish in wishes.items() if wish is not None},
        headers={"Accept": ARROW},
        files={name: (name, part) for name, part in parts.items()},
    )
    request.stream = Upload(request, progress)
    return request


def model_url(url: str, model: str) -> str:
    """Address of a model."""
    return f"{url}/v1/models/{quote(model, safe='')}"


def mouse_url(url: str, model: str, mouse: str) -> str:
    """Address of one of a model's mice."""
    return f"{model_url(url, model)}/mice/{quote(mouse, safe='')}"


class Upload(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A request's body that tells how far it is sent; where others must not wait for the disk, a thread reads it."""

    def __init__(self, request: httpx.Request, progress: Progress | None) -> None:
        self._body = cast(httpx.SyncByteStream, request.stream)
        self._size = int(request.headers["Content-Length"])
        self._progress = progress
        self._sent = 0

    def __iter__(self) -> Iterator[bytes]:
        self._sent = 0
        for chunk in self._body:
            yield chunk
            self._tell(chunk)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._sent = 0
        chunks = iter(self._body)
        while chunk := await asyncio.to_thread(next, chunks, b""):
            yield chunk
            self._tell(chunk)

    def _tell(self, chunk: bytes) -> None:
        self._sent += len(chunk)
        if self._progress is not None:
            self._progress(self._sent, self._size)


def _opened(video: Video) -> Clip | ArrayLike | io.BufferedReader:
    """The file of a path, or the clip where that is a store's trial, which endpoints know nothing of."""
    if not isinstance(video, str | os.PathLike):
        return video
    path = Path(video)
    try:
        if not path.is_file():
            raise DataError("is no file", str(path), "name a video, an npz or an npy")
        return read_clip(path) if is_trial(path) else path.open("rb")
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", str(path)) from error


def _npy(name: str, values: ArrayLike) -> BinaryIO:
    file = io.BytesIO()
    try:
        array = np.asarray(values)
        np.save(file, _narrowed(array) if name == "video" else array, allow_pickle=False)
    except ValueError as error:  # rows of several lengths, or objects
        raise DataError("is not a rectangular array of numbers", name) from error
    return file


def _narrowed(video: np.ndarray) -> np.ndarray:
    """No wider than float32, which is what models take."""
    if video.dtype.kind not in "iuf" or video.itemsize <= 4:
        return video
    with np.errstate(over="ignore"):  # the endpoint says what is wrong with it
        return video.astype(np.float32)


def listed(name: str, values: Iterable[int] | Iterable[str] | str | None) -> str | None:
    """As an address says it, '0,5,7'."""
    if values is None:
        return None
    text = values if isinstance(values, str) else ",".join(map(str, values))
    if len(quote(text, safe="")) > _LONGEST:
        mend = "ask for all and choose from the answer, with .sel(unit_id=…) or .isel(neuron=…)"
        raise ConfigError("are too many for an address", name, mend)
    return text
