"""A proxy before an S3 server that turns requests away, forgets what it has done, dawdles, and cuts bodies.

python tests/flaky_s3.py http://127.0.0.1:9000 0.0.0.0 9001      # tells what it does wrong, one word a line
"""

from __future__ import annotations

import http.client
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = ("refuse", "forget", "dawdle", "cut")
"""503 and nothing done; done, but told as 500; a body in pieces; half a body, of the request if it has one."""
_SHARE = 0.3
"""Of the requests that something goes wrong with."""
_PIECES, _PAUSE = 4, 0.1
_ERROR = "<Error><Code>{}</Code><Message>flaky</Message></Error>"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: str
    random: random.Random
    lock: threading.Lock
    tell: Callable[[str], None]

    def _answer(self) -> None:
        with self.lock:
            fault = self.random.choice(FAULTS) if self.random.random() < _SHARE else ""
        if fault:
            self.tell(fault)
        size = int(self.headers.get("Content-Length") or 0)
        if fault == "cut" and size:
            self.rfile.read(size // 2)
            self.close_connection = True
            return
        body = self.rfile.read(size)
        if fault == "refuse":
            self._send(503, [("Content-Type", "application/xml")], _ERROR.format("SlowDown").encode())
            return
        asked = http.client.HTTPConnection(self.upstream)
        asked.request(self.command, self.path, body, dict(self.headers))
        answer = asked.getresponse()
        status, headers, content = answer.status, answer.getheaders(), answer.read()
        asked.close()
        if fault == "forget":
            status, headers, content = 500, [], _ERROR.format("InternalError").encode()
        self._send(status, headers, content, fault)

    def _send(self, status: int, headers: list[tuple[str, str]], content: bytes, fault: str = "") -> None:
        self.send_response_only(status)
        length = dict(headers).get("Content-Length") if self.command == "HEAD" else None
        for name, value in headers:
            if name not in ("Content-Length", "Transfer-Encoding", "Connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "cut":
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        step = -(-len(content) // _PIECES) if fault == "dawdle" and content else max(1, len(content))
        for start in range(0, len(content), step):
            self.wfile.write(content[start : start + step])
            time.sleep(_PAUSE if fault == "dawdle" else 0)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - the parent's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is what this is about."""


def _server(upstream: str, place: tuple[str, int], tell: Callable[[str], None]) -> _Server:
    about = {"upstream": upstream.removeprefix("http://"), "random": random.Random(0), "lock": threading.Lock()}
    return _Server(place, type("Handler", (_Handler,), {**about, "tell": staticmethod(tell)}))


@contextmanager
def flaky(upstream: str) -> Iterator[tuple[str, list[str]]]:
    """Its address on a free port of 127.0.0.1, and what it did wrong so far, for the length of a block."""
    told: list[str] = []
    server = _server(upstream, ("127.0.0.1", 0), told.append)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    _server(sys.argv[1], (sys.argv[2], int(sys.argv[3])), lambda word: print(word, flush=True)).serve_forever()
