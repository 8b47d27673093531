"""The lab bench: the web page of an endpoint, plain files that a browser runs as they are.

The page tells nothing by itself, so that it is shown without a key; what it asks of the API needs one.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse

_FOLDER = Path(__file__).parent / "bench"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PARTS = (file for file in _FOLDER.iterdir() if file.suffix in _TYPES and file.suffix != ".html")
_FILES = {"/": _FOLDER / "index.html"} | {f"/bench/{file.name}": file for file in _PARTS}
ADDRESSES = frozenset(_FILES)
"""Of the page and all that it is made of."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # a browser asks whether it changed, since all files must be of one version
}


def routes() -> APIRouter:
    """Router that answers with the page's files."""
    router = APIRouter(include_in_schema=False)
    for address in _FILES:
        router.add_api_route(address, _answer, methods=["GET", "HEAD"])
    return router


async def _answer(request: Request) -> FileResponse:
    path = _FILES[request.scope["path"]]
    return FileResponse(path, headers=_HEADERS, media_type=_TYPES[path.suffix])
