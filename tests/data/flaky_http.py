"""A real HTTP server that answers well, badly and not at all, as it is told; it counts what it sends."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BLOCK = 4096


@dataclass
class Asked:
    """One request and how many bytes of body it was sent."""

    path: str
    range: str | None
    encoding: str | None
    sent: int = 0


@dataclass
class Flaky:
    """What the server holds and how it misbehaves; may be changed between requests.

    Parameters
    ----------
    files : content by path, such as '/mouse.zip'.
    etag : of all files; None: none is sent.
    dated : send a Last-Modified.
    ranges : heed Range; else every answer is the whole file.
    cuts : body bytes after which an answer is cut, one for each answer longer than a byte until they are used up.
    statuses : to answer with instead, one for each request until they are used up.
    lie : added to the size that is announced; the body stays as it is.
    chunked : send whole files without their length.
    hold_after : body bytes after which an answer waits for `gate`.
    redirect : path to the path that it has moved to.
    asked : what was asked for, in order; may be cleared.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"first"'
    dated: bool = False
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    lie: int = 0
    chunked: bool = False
    hold_after: int | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    redirect: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    @property
    def sent(self) -> int:
        """Body bytes of all that was asked for."""
        return sum(asked.sent for asked in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    flaky: Flaky
    lock: threading.Lock

    def do_GET(self) -> None:
        flaky = self.flaky
        with self.lock:
            self.asked = Asked(self.path, self.headers.get("Range"), self.headers.get("Accept-Encoding"))
            flaky.asked.append(self.asked)
            status = flaky.statuses.pop(0) if flaky.statuses else None
        if self.path in flaky.redirect:
            return self._bare(302, {"Location": flaky.redirect[self.path]})
        if status is not None or self.path not in flaky.files:
            return self._bare(status or 404)
        content = flaky.files[self.path]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, flaky.etag, self._date())
        if not asked or not flaky.ranges or not same:
            return self._body(200, {}, content)
        size = len(content) + flaky.lie
        first, last = int(asked[1]), min(int(asked[2] or size), size - 1)
        if first >= len(content):
            return self._bare(416, {"Content-Range": f"bytes */{len(content)}"})
        self._body(206, {"Content-Range": f"bytes {first}-{last}/{size}"}, content[first : last + 1], last - first + 1)

    def _body(self, status: int, headers: dict[str, str], body: bytes, announced: int | None = None) -> None:
        flaky = self.flaky
        cut = len(body)
        with self.lock:
            if len(body) > 1 and flaky.cuts:
                cut = min(cut, flaky.cuts.pop(0))
        chunked = flaky.chunked and status == 200
        length = len(body) + flaky.lie if announced is None else announced
        self._head(status, headers | ({"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(length)}))
        at = 0
        while at < cut:
            if flaky.hold_after is not None and at >= flaky.hold_after:
                flaky.gate.wait(60)
            block = body[at : min(at + _BLOCK, cut)]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            at += len(block)
            self.asked.sent += len(block)
        if chunked and cut == len(body):
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = self.close_connection or cut < len(body) or length != len(body)

    def _bare(self, status: int, headers: dict[str, str] | None = None) -> None:
        self._head(status, {"Content-Length": "0"} | (headers or {}))

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        validators = {"ETag": self.flaky.etag, "Last-Modified": self._date()}
        for name, value in (headers | validators).items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()

    def _date(self) -> str | None:
        return "Mon, 05 Jun 2023 10:00:00 GMT" if self.flaky.dated else None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is what these tests are about."""


@contextmanager
def serve() -> Iterator[Flaky]:
    """A server on a free port of 127.0.0.1 for the length of a block."""
    flaky = Flaky()
    handler = type("Handler", (_Handler,), {"flaky": flaky, "lock": threading.Lock()})
    server = _Server(("127.0.0.1", 0), handler)
    flaky.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield flaky
    finally:
        flaky.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
