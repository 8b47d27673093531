"""Clients of the endpoint, one that waits and one that is awaited; they differ in nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, aclosing, closing, suppress
from typing import Any, Self, Unpack

import httpx
import xarray as xr
from httpx_retries import RetryTransport
from numpy.typing import ArrayLike

from ..data.clip import Clip
from ..errors import EndpointError
from . import asking, connecting, experimenting, gradients
from .answered import Answer, Frames, joined
from .asking import Options, Video
from .connecting import CONNECTIONS, PATIENCE, RETRIES, sentences
from .experimenting import Follow


class SensoriumClient:
    """Asks the endpoint at a URL such as http://127.0.0.1:8000.

    Every method raises EndpointError when no endpoint answers there, or with its sentence when it refuses, or when
    the connection breaks. Connections are kept for the next request until `close`, or until a `with` block ends. At
    most 32 requests are under way at once; further ones wait for their turn.

    Parameters
    ----------
    key : API key, where one is asked for.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        transport = RetryTransport(httpx.HTTPTransport(limits=CONNECTIONS), RETRIES)
        self._http = httpx.Client(timeout=PATIENCE, transport=transport, headers=connecting.headers(key))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def models(self) -> list[dict[str, Any]]:
        """Descriptions of the models: name, kind, architecture, mice, frame_shape, rate, checksum."""
        with sentences(self.url):
            return connecting.read_models(self.url, self._http.get(f"{self.url}/v1/models"))

    def model(self, name: str) -> dict[str, Any]:
        """Description of one of the models, as in `models`."""
        with sentences(self.url):
            return connecting.read_object(self.url, self._http.get(asking.model_url(self.url, name)))

    def mouse(self, model: str, name: str) -> dict[str, Any]:
        """What a model knows of one of its mice: neurons (how many), unit_ids, positions, areas and mean behaviour."""
        with sentences(self.url):
            return connecting.read_object(self.url, self._http.get(asking.mouse_url(self.url, model, name)))

    def predict(self, model: str, video: Video, mouse: str | None = None, **options: Unpack[Options]) -> xr.DataArray:
        """Predict the responses of a mouse to a video.

        What was done to the clip beyond what was asked for (another size or rate, behaviour that was not given) is
        among the attributes, and told as a warning, since it changes what the responses mean.

        Parameters
        ----------
        model : name of one of the models.
        video : a `Clip`; an array (frames, height, width) of any size and real dtype, grey levels 0..255; or the path
            of a video file (mp4, webm, avi, gif, mov, mkv), an npy or npz of such arrays, or a store's trial.
        mouse : whose neurons answer; may be left out of a model of one mouse.
        behavior : (channels, frames), or (channels,) for all frames, as recorded; 2023: pupil dilation in pixels,
            running speed in cm/s. Not given: the clip's or file's, else the mouse's means in training.
        pupil_center : (2, frames) or (2,), pixels of the eye camera; likewise.
        rate : frames per second of arrays, 30 unless given. A `Clip` and video files have their own.
        neurons, unit_ids, areas : of some neurons alone: indices, unit ids or names of areas; one of the three.
        frames : that are told, both ends included, '50..299' or '50..end'. All are predicted.
        mean : tell the mean over those frames instead.
        dtype : 'float32', or 'float16' for an answer of half the size.
        resize, fit, timing : how the video gets the model's size and rate, as in `data.resampling.Sampling`.
        progress : called with the bytes that are sent and those there are, while the video is sent.

        Returns
        -------
        (neuron, time), deconvolved calcium, arbitrary units. Coordinates: unit_id of the neurons, by which
        `.sel(unit_id=…)` chooses and answers are aligned; time in seconds since the first frame. Attributes: units,
        model, checksum, mouse, rate (of the model), warnings (a line each).

        Raises
        ------
        DataError : the file cannot be read, or an array is none.
        ConfigError : more neurons are named than an address can hold.
        """
        answer = Answer()
        parts = list(self._receive(answer, model, video, mouse, options))
        return answer.labelled(joined(parts))

    def stream(
        self, model: str, video: Video, mouse: str | None = None, **options: Unpack[Options]
    ) -> Iterator[xr.DataArray]:
        """The same, some frames at a time, as they are predicted: an hour of video in the memory of seconds.

        Values of the parts are read-only.
        """
        answer = Answer()
        for frames in self._receive(answer, model, video, mouse, options):
            yield answer.labelled(frames)

    def _receive(
        self, answer: Answer, model: str, video: Video, mouse: str | None, options: Options
    ) -> Iterator[Frames]:
        with sentences(self.url):
            with ExitStack() as files:
                build = self._http.build_request
                request = asking.prediction(build, files, self.url, model, video, mouse, **options)
                response = self._http.send(request, stream=True)
            with closing(response):
                if not response.is_success:
                    response.read()
                connecting.require_success(self.url, response)
                for chunk in response.iter_bytes():
                    yield from answer.take(chunk)
                answer.finish()

    def experiment(
        self,
        name: str,
        model: str | None = None,
        mouse: str | None = None,
        neurons: Iterable[int] | None = None,
        *,
        against: str | None = None,
        progress: Follow | None = None,
        **settings: Any,
    ) -> xr.Dataset:
        """Have the endpoint make an experiment, and wait for what it finds; Ctrl-C cancels it there.

        Parameters
        ----------
        name : one of those that GET /v1/experiments and `sensorium experiment` tell, such as 'direction_tuning'.
        model, mouse : may be left out where there is only one.
        neurons : indices of some neurons; None: all.
        against : another model, for experiments that compare two.
        progress : called with the run's state now and then, a dict with state, done and total.
        settings : of the experiment, as in `insilico.run.run_experiment`.

        Returns
        -------
        As `insilico.run.run_experiment`.
        """
        build = self._http.build_request
        asked = experimenting.order(build, self.url, name, model, mouse, neurons, against, settings)
        with sentences(self.url):
            run = experimenting.Following(self.url, self._http.send(asked), progress)
            try:
                while not run.is_finished:
                    time.sleep(run.pause())
                    try:
                        run.hear(self._http.get(run.address))
                    except httpx.TransportError as lost:
                        run.hear(lost)
                response = self._http.send(experimenting.result_of(build, run.address))
            except EndpointError:
                raise
            except BaseException:
                with suppress(httpx.HTTPError):
                    self._http.delete(run.address)
                raise
            return experimenting.read_result(self.url, response)

    def gradients(
        self,
        model: str,
        video: Clip | ArrayLike,
        mouse: str | None = None,
        *,
        weights: ArrayLike | None = None,
        neurons: Iterable[int] | str | None = None,
        frames: str | None = None,
    ) -> xr.Dataset:
        """Gradient of a mouse's responses by the grey levels of a clip.

        Parameters
        ----------
        model, mouse : as in `predict`.
        video : a `Clip`, or an array (frames, height, width) beside which the mouse's means in training stand; frames
            are those that the model takes, in size and rate.
        weights : (neurons, frames), what each response counts in the sum whose gradient is told. None: the mean.
        neurons : indices of some neurons, to which `weights` belong in that order; None: all.
        frames : over which the mean is taken, '50..299' or '50..end', where no weights are given.

        Returns
        -------
        responses (neuron, time) and gradient (time, row, column), float32; coordinates and attributes as in `predict`.

        Raises
        ------
        DataError, ConfigError : as `predict`.
        """
        asked = gradients.request(self._http.build_request, self.url, model, video, mouse, weights, neurons, frames)
        with sentences(self.url):
            return gradients.read(self.url, self._http.send(asked))


class AsyncSensoriumClient:
    """The same for `async` code: its methods are awaited, and many requests may be under way at once.

    Parameters
    ----------
    url, key : as of `SensoriumClient`.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        transport = RetryTransport(httpx.AsyncHTTPTransport(limits=CONNECTIONS), RETRIES)
        self._http = httpx.AsyncClient(timeout=PATIENCE, transport=transport, headers=connecting.headers(key))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def models(self) -> list[dict[str, Any]]:
        """As `SensoriumClient.models`."""
        with sentences(self.url):
            return connecting.read_models(self.url, await self._http.get(f"{self.url}/v1/models"))

    async def model(self, name: str) -> dict[str, Any]:
        """As `SensoriumClient.model`."""
        with sentences(self.url):
            return connecting.read_object(self.url, await self._http.get(asking.model_url(self.url, name)))

    async def mouse(self, model: str, name: str) -> dict[str, Any]:
        """As `SensoriumClient.mouse`."""
        with sentences(self.url):
            return connecting.read_object(self.url, await self._http.get(asking.mouse_url(self.url, model, name)))

    async def predict(
        self, model: str, video: Video, mouse: str | None = None, **options: Unpack[Options]
    ) -> xr.DataArray:
        """As `SensoriumClient.predict`."""
        answer, parts = Answer(), []
        async for frames in self._receive(answer, model, video, mouse, options):
            parts.append(frames)
        return answer.labelled(await asyncio.to_thread(joined, parts))

    async def stream(
        self, model: str, video: Video, mouse: str | None = None, **options: Unpack[Options]
    ) -> AsyncIterator[xr.DataArray]:
        """As `SensoriumClient.stream`."""
        answer = Answer()
        async for frames in self._receive(answer, model, video, mouse, options):
            yield answer.labelled(frames)

    async def experiment(
        self,
        name: str,
        model: str | None = None,
        mouse: str | None = None,
        neurons: Iterable[int] | None = None,
        *,
        against: str | None = None,
        progress: Follow | None = None,
        **settings: Any,
    ) -> xr.Dataset:
        """As `SensoriumClient.experiment`; a task that is cancelled cancels it there, too."""
        build = self._http.build_request
        asked = experimenting.order(build, self.url, name, model, mouse, neurons, against, settings)
        with sentences(self.url):
            run = experimenting.Following(self.url, await self._http.send(asked), progress)
            try:
                while not run.is_finished:
                    await asyncio.sleep(run.pause())
                    try:
                        run.hear(await self._http.get(run.address))
                    except httpx.TransportError as lost:
                        run.hear(lost)
                response = await self._http.send(experimenting.result_of(build, run.address))
            except EndpointError:
                raise
            except BaseException:
                with suppress(httpx.HTTPError):
                    await self._http.delete(run.address)
                raise
            return await asyncio.to_thread(experimenting.read_result, self.url, response)

    async def gradients(
        self,
        model: str,
        video: Clip | ArrayLike,
        mouse: str | None = None,
        *,
        weights: ArrayLike | None = None,
        neurons: Iterable[int] | str | None = None,
        frames: str | None = None,
    ) -> xr.Dataset:
        """As `SensoriumClient.gradients`."""
        build = self._http.build_request
        asked = await asyncio.to_thread(
            gradients.request, build, self.url, model, video, mouse, weights, neurons, frames
        )
        with sentences(self.url):
            return gradients.read(self.url, await self._http.send(asked))

    async def _receive(
        self, answer: Answer, model: str, video: Video, mouse: str | None, options: Options
    ) -> AsyncIterator[Frames]:
        with sentences(self.url):
            with ExitStack() as files:
                asked = (self._http.build_request, files, self.url, model, video, mouse)
                request = await asyncio.to_thread(asking.prediction, *asked, **options)
                response = await self._http.send(request, stream=True)
            async with aclosing(response):
                if not response.is_success:
                    await response.aread()
                connecting.require_success(self.url, response)
                async for chunk in response.aiter_bytes():
                    for frames in answer.take(chunk):
                        yield frames
                answer.finish()
