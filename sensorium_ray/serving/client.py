"""A client of the endpoint."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
from httpx_retries import Retry, RetryTransport

from ..data.clip import CLIP_ARRAYS, Clip
from ..errors import EndpointError
from .answers import NPZ, pack

_PATIENCE = httpx.Timeout(10.0, read=600.0, write=60.0)
_RETRIES = Retry(
    10, ["GET", "POST"], [HTTPStatus.SERVICE_UNAVAILABLE], retry_on_exceptions=[], backoff_factor=0.5, total_timeout=30
)
"""Of an endpoint that is busy: after as many seconds as it says, for half a minute."""


@dataclass(frozen=True, slots=True)
class Responses:
    """What an endpoint answered.

    Parameters
    ----------
    responses : (neurons, frames) float32, deconvolved calcium, arbitrary units.
    unit_ids : (neurons,) int64.
    times : (frames,) float64, seconds since the clip's first frame.
    about : model, checksum, mouse, rate, units, and warnings: what was done to the clip.
    """

    responses: np.ndarray
    unit_ids: np.ndarray
    times: np.ndarray
    about: dict[str, Any]


class Client:
    """Asks the endpoint at a URL such as http://127.0.0.1:8000.

    Every method raises EndpointError when no endpoint answers there, or with its sentence when it refuses.

    Parameters
    ----------
    key : API key, where one is asked for.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(timeout=_PATIENCE, transport=RetryTransport(retry=_RETRIES), headers=headers)

    def models(self) -> list[dict[str, Any]]:
        """Descriptions of the models: name, kind, architecture, mice, frame_shape, rate, checksum."""
        try:
            models: list[dict[str, Any]] = self._send("GET", "/v1/models").json()["models"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._foreign() from error
        return models

    def predict(self, model: str, clip: Clip, mouse: str) -> np.ndarray:
        """Responses (neurons, frames) float32 of a mouse to a clip, deconvolved calcium, arbitrary units."""
        return self.answer(model, clip, mouse).responses

    def answer(self, model: str, clip: Clip, mouse: str) -> Responses:
        """The same with its neurons, times, and what was done to the clip."""
        response = self._send(
            "POST",
            f"/v1/models/{quote(model, safe='')}/predict",
            params={"mouse": mouse, "rate": clip.rate},
            headers={"Content-Type": NPZ, "Accept": NPZ},
            content=pack({name: getattr(clip, name) for name in CLIP_ARRAYS}),
        )
        try:
            with np.load(io.BytesIO(response.content), allow_pickle=False) as archive:
                responses, unit_ids, times = (archive[name] for name in ("responses", "unit_ids", "times"))
                return Responses(responses, unit_ids, times, json.loads(str(archive["about"])))
        except Exception as error:  # zipfile, zlib and numpy each raise their own
            raise self._foreign() from error

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, self.url + path, **request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                mend = "let SSL_CERT_FILE name the file of the authority that issued it"
                raise EndpointError("has a certificate that is not trusted here", self.url, mend) from error
            raise EndpointError("no endpoint answers", self.url, "start one with `sensorium serve`") from error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise EndpointError("is not an address", self.url, "give one such as http://127.0.0.1:8000") from error
        except httpx.HTTPError as error:
            raise EndpointError(f"the connection broke ({type(error).__name__})", self.url, "ask again") from error
        if response.is_success:
            return response
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise EndpointError("is too busy to answer", self.url, "ask again")
        raise EndpointError(_sentence(response), self.url)

    def _foreign(self) -> EndpointError:
        return EndpointError("answers, but not as a sensorium endpoint", self.url)


def _sentence(response: httpx.Response) -> str:
    """The server's sentence, or its status where something else than the endpoint answered."""
    try:
        answer = response.json()
        request_id = f" (request {answer['request_id']})" if "request_id" in answer else ""
        return f"{answer['detail']}{request_id}"
    except (ValueError, KeyError, TypeError):
        return f"answered with HTTP status {response.status_code}"
