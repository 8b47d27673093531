"""Client of a leaderboard that an endpoint keeps: what `Leaderboard` does with a folder, at an address."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self

import httpx
from httpx_retries import RetryTransport

from ..benchmark import Stage
from ..errors import EndpointError, SubmissionError
from ..storage import StrPath
from ..submissions.entries import Receipt, Standing
from ..submissions.inbox import FILES, Entry
from . import connecting
from .answered import ForeignError
from .asking import Progress, Upload
from .connecting import PATIENCE, RETRIES, sentences

_MEDIA_TYPES = {Path(name).suffix: media_type for media_type, name in FILES.items()}
_PARQUET = _MEDIA_TYPES[".parquet"]
_PIECE = 1024**2
_LONGEST_PAUSE = 10.0
"""Seconds between two questions of whether a submission is scored."""


class RemoteLeaderboard:
    """The leaderboard of the endpoint at a URL such as http://127.0.0.1:8000.

    Every method raises EndpointError when no endpoint answers there, or with its sentence when it refuses, or when
    the connection breaks.

    Parameters
    ----------
    key : API key, where one is asked for: it says the team.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        transport = RetryTransport(httpx.HTTPTransport(), RETRIES)
        self._http = httpx.Client(timeout=PATIENCE, transport=transport, headers=connecting.headers(key))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(
        self, file: StrPath, team: str | None = None, note: str = "", *, progress: Progress | None = None
    ) -> Receipt:
        """Send a submission and wait until it is scored; sent again, after a broken connection, it counts once.

        Parameters
        ----------
        file : a zip, Parquet file or csv.
        team : may be left out where a key is asked for.
        note : the team's own words.
        progress : called with the bytes that are sent and those there are.

        Raises
        ------
        SubmissionError : the file cannot be read, here or there.
        """
        path = Path(file)
        try:
            with path.open("rb") as opened:
                params = {name: given for name, given in (("team", team), ("note", note)) if given}
                entry = self._send(opened, _MEDIA_TYPES.get(path.suffix, _PARQUET), params, progress)
        except OSError as error:
            raise SubmissionError(f"cannot be read ({error.strerror})", str(path), "name another file") from error
        entry = self._finished(entry)
        if entry.state == "failed":
            raise EndpointError(f"submission {entry.id} {entry.fault}", self.url)
        if entry.receipt is None:
            raise SubmissionError(entry.fault)
        return entry.receipt

    def all_standings(self, stage: Stage) -> dict[str, list[Standing]]:
        """Standings of every track, best first."""
        with sentences(self.url), _read():
            found = self._ask("GET", "leaderboard", stage=stage)["standings"]
            return {track: [Standing(**row) for row in rows] for track, rows in found.items()}

    def open_final(self) -> str:
        """Open the final standings, for good; return when that was, ISO 8601, UTC."""
        with sentences(self.url), _read():
            return str(self._ask("POST", "leaderboard/open")["opened"])

    def _send(self, file: BinaryIO, media_type: str, params: dict[str, str], progress: Progress | None) -> Entry:
        with sentences(self.url), _read():
            headers = {"Content-Type": media_type}
            url = f"{self.url}/v1/submissions"
            request = self._http.build_request("POST", url, params=params, headers=headers, content=file)
            request.stream = _File(file)
            request.stream = Upload(request, progress)
            response = self._http.send(request)
            connecting.require_success(self.url, response)
            return Entry.of_json(response.json())

    def _finished(self, entry: Entry) -> Entry:
        """Wait until a submission is scored."""
        pause = 0.25
        while entry.waits:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            with sentences(self.url), _read():
                entry = Entry.of_json(self._ask("GET", f"submissions/{entry.id}"))
        return entry

    def _ask(self, method: str, address: str, **params: str) -> Any:
        response = self._http.request(method, f"{self.url}/v1/{address}", params=params)
        connecting.require_success(self.url, response)
        return response.json()


class _File(httpx.SyncByteStream):
    """A file as a body that may be sent several times."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        while piece := self._file.read(_PIECE):
            yield piece


@contextmanager
def _read() -> Iterator[None]:
    """Tell an answer that is none of an endpoint's."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ForeignError from error
