"""One file over HTTP, gone on with after a cut: within a run, and by the next run after a kill.

`FILE.part` holds the bytes so far and `FILE.part.json` what the server said of the file. They are gone on with only
where the server still says the same.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from .. import storage
from ..errors import DataError

_BUSY = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses that may pass by themselves."""
_FOUND = (200, 206, 416)
"""The file, a part of it, or a part asked for that lies behind its end."""
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The run is being left; what has arrived stays."""


class _CutError(Exception):
    """Worth another try."""


@dataclass(frozen=True, slots=True)
class _Remote:
    """What a server says of a file: bytes, and the strong ETag or the date that changes when the file does."""

    url: str
    size: int
    validator: str | None


class Fetch:
    """One file on its way: `ask` first, then `receive`.

    Parameters
    ----------
    client : shared by all threads.
    url : the file's address.
    part : where its bytes go.
    pauses : seconds before each further try after one that got no further; when they are used up it gives up.
    stop : set to leave.

    Attributes
    ----------
    have, size : bytes that are there, and of the whole file.
    """

    def __init__(
        self, client: httpx.Client, url: str, part: Path, pauses: Sequence[float], stop: threading.Event
    ) -> None:
        self.url = url
        self.part = part
        self.have = 0
        self._remote = _Remote(url, 0, None)
        self._note = part.with_name(f"{part.name}.json")
        self._client = client
        self._pauses = pauses
        self._stop = stop

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self._remote.size

    def ask(self) -> None:
        """Ask for the size and see how much there is to go on with.

        Raises
        ------
        DataError : the server refuses, or is not there however often it is tried.
        """
        self._try(self._ask)

    def receive(self) -> None:
        """Bring `part` to its full size.

        Raises
        ------
        DataError : as `ask`, or the server sends more than it announced.
        Stopped : `stop` was set.
        """
        self._try(self._receive)

    def heed(self) -> None:
        """Raise Stopped where `stop` was set."""
        if self._stop.is_set():
            raise Stopped

    def forget(self) -> None:
        """Remove what has arrived."""
        storage.remove(self.part)
        storage.remove(self._note)

    def _ask(self) -> None:
        # Not HEAD, which some servers refuse; of one that ignores ranges no more is read than the header.
        with self._response({"Range": "bytes=0-0"}) as response:
            _, remote = self._described(response)
        if not remote.size:
            raise DataError("the server does not say how large the file is", self.url, "name another with --url")
        self._remote = remote
        if self._noted() == asdict(remote) and self.part.exists():
            self.have = self.part.stat().st_size
        else:
            self._begin(remote)

    def _begin(self, remote: _Remote) -> None:
        self.forget()
        self.have, self._remote = 0, remote
        storage.write_json(self._note, asdict(remote))

    def _noted(self) -> object:
        try:
            return storage.read_json(self._note)
        except DataError:
            return None

    def _receive(self) -> None:
        if self.have == self.size:
            return
        headers = {"Range": f"bytes={self.have}-"} if self.have else {}
        if self.have and self._remote.validator:
            headers["If-Range"] = self._remote.validator
        with self._response(headers) as response:
            first, remote = self._described(response)
            if response.status_code == 200:
                self._begin(remote)
            elif (first, remote) != (self.have, self._remote):
                self.forget()
                self.have = 0
                raise _CutError("the file on the server has another length or date than before")
            with self.part.open("ab") as file:
                for block in response.iter_raw():
                    self.heed()
                    if self.have + len(block) > self.size:
                        self.forget()
                        what = f"the server sends more than the {self.size} bytes it announced"
                        raise DataError(what, self.url, "run the same command again, or name another with --url")
                    file.write(block)
                    self.have += len(block)
        if self.have < self.size:
            raise _CutError(f"the server sent {self.have} of {self.size} bytes")

    @contextmanager
    def _response(self, headers: dict[str, str]) -> Iterator[httpx.Response]:
        with self._client.stream("GET", self.url, headers=headers) as response:
            status = response.status_code
            if status in _BUSY:
                raise _CutError(f"HTTP status {status}")
            if status == 404:
                mend = "check the mouse's name, or name another address with --url"
                raise DataError("the server has no such file (HTTP status 404)", self.url, mend)
            if status not in _FOUND:
                raise DataError(f"the server refuses with HTTP status {status}", self.url, "name another with --url")
            yield response

    def _described(self, response: httpx.Response) -> tuple[int, _Remote]:
        """First byte of a response, and its file; -1 where the response says neither."""
        etag = response.headers.get("ETag", "W/")
        validator = response.headers.get("Last-Modified") if etag.startswith("W/") else etag
        first, size = 0, int(response.headers.get("Content-Length", self.size))
        if response.status_code != 200:
            said = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            first, size = (int(said[1]), int(said[2])) if said else (-1, 0)
        return first, _Remote(self.url, size, validator)

    def _try(self, step: Callable[[], None]) -> None:
        best, pauses = self.have, iter(self._pauses)
        while True:
            try:
                return step()
            except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
                raise DataError("is no address", self.url, "name one that begins with https://") from error
            except (httpx.TransportError, _CutError) as error:
                if self.have > best:
                    best, pauses = self.have, iter(self._pauses)
                pause = next(pauses, None)
                if pause is None:
                    what = f"gave up after {len(self._pauses) + 1} tries ({str(error) or type(error).__name__})"
                    mend = "run the same command again later: it goes on where it is"
                    raise DataError(what, self.url, mend) from error
            except httpx.HTTPError as error:
                raise DataError(f"is not to be had ({error})", self.url, "name another with --url") from error
            if self._stop.wait(pause):
                raise Stopped
