"""Addresses of a leaderboard: submissions are handed in and followed, standings are read and opened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime, time, timedelta
from http import HTTPStatus
from typing import Annotated, Any, ParamSpec, TypeVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from ..benchmark import Stage
from ..errors import DataError, QuotaError, SubmissionError
from ..report.standings import standings_page
from ..submissions.entries import checked_name, checked_note, team_key
from ..submissions.inbox import FILES, Entry, FullError, Upload
from .bodies import MEBIBYTE, announced, too_large
from .desk import Desk
from .keys import Key
from .openapi import REFUSED, SUBMIT, SUBMITTED, answered
from .problems import Refusal, bad_request, has_room, problem
from .protocol_v1 import media_type_of

P = ParamSpec("P")
T = TypeVar("T")

LIMIT = 8192 * MEBIBYTE
"""Of a submission; the largest have some 5 GB."""
_SMALLER = "a submission has some 5 GB at most"
_AGAIN = "10"
"""Seconds after which there may be room for a submission."""
_PAGE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def routes(desk: Desk | None) -> APIRouter:
    """Router that hands submissions to a desk; without one it says how to have one."""
    router = APIRouter(prefix="/v1", tags=["leaderboard"], responses=REFUSED, include_in_schema=desk is not None)

    def there() -> Desk:
        if desk is None:
            mend = "start the endpoint with `sensorium serve … --leaderboard BOARD`"
            raise Refusal(HTTPStatus.NOT_FOUND, DataError("is not kept here", "a leaderboard", mend))
        return desk

    @router.post("/submissions", response_class=Response, responses=SUBMITTED, openapi_extra=SUBMIT)
    async def submit(
        request: Request,
        team: Annotated[str | None, Query(description="Whose it is; with a key, that is the key's name.")] = None,
        note: Annotated[str, Query(description="The team's own words.")] = "",
    ) -> Response:
        """Hand in a submission: it is checked and scored soon; the same file of the same team is taken once."""
        open_desk = there()
        whose = _team(request.user, team)
        name = FILES[media_type_of(request.headers.get("content-type", ""), FILES)]
        _require_plain(request)
        words = _checked(checked_note, note)
        try:
            with has_room("the disk of the leaderboard", "tell its organisers"), ExitStack() as stack:
                upload = await _to_its_end(stack.enter_context, open_desk.upload(name, announced(request)))
                await _receive(request, upload)
                entry, is_new = await _to_its_end(open_desk.accept, upload, whose, words)
        except FullError as error:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, error, headers={"Retry-After": _AGAIN})
        except QuotaError as error:
            headers = {"Retry-After": str(_until_tomorrow(open_desk.board.now()))}
            return problem(HTTPStatus.TOO_MANY_REQUESTS, error, headers=headers)
        except SubmissionError as error:
            raise Refusal(HTTPStatus.FORBIDDEN, error) from error
        status = HTTPStatus.ACCEPTED if is_new or entry.waits else HTTPStatus.OK
        return JSONResponse(_told(entry), status, {"Location": f"/v1/submissions/{entry.id}"})

    @router.get("/submissions", responses=answered("Submissions", 404))
    def list_submissions(request: Request) -> JSONResponse:
        """List the submissions of the key's team; of all teams, for an admin or where no keys are asked for."""
        found = there().inbox.entries()
        return JSONResponse({"submissions": [_told(entry) for entry in found if _is_shown(entry, request.user)]})

    @router.get("/submissions/{name}", responses=answered("Submission", 404))
    def follow_submission(name: str, request: Request) -> JSONResponse:
        """Tell what became of a submission."""
        entry = there().inbox.find(name)
        if entry is None or not _is_shown(entry, request.user):
            raise Refusal(HTTPStatus.NOT_FOUND, DataError("there is none of this id", "submission"))
        return JSONResponse(_told(entry))

    @router.get("/leaderboard", responses=answered("Standings", 404, 422))
    def tell_standings(
        stage: Annotated[Stage, Query(description="The final one is told when it is open.")] = "live",
    ) -> dict[str, object]:
        """Tell the standings of all tracks."""
        board = there().board
        if stage == "final" and board.opened is None:
            error = DataError("the final standings are withheld", "stage", "wait until they are opened")
            raise Refusal(HTTPStatus.FORBIDDEN, error)
        standings = {track: [asdict(row) for row in rows] for track, rows in board.all_standings(stage).items()}
        return {"title": board.settings.title, "stage": stage, "opened": board.opened, "standings": standings}

    @router.get("/leaderboard.html", response_class=HTMLResponse)
    def show_standings() -> HTMLResponse:
        """Show the standings as a page."""
        return HTMLResponse(standings_page(there().board), headers=_PAGE)

    @router.post("/leaderboard/open", responses=answered("Opened", 404))
    def open_final(request: Request) -> dict[str, object]:
        """Open the final standings, for good; what waits to be scored still counts, nothing later does."""
        open_desk = there()
        if request.user is None:
            mend = "ask for keys with --keys, or open them with `sensorium leaderboard open`"
            raise Refusal(HTTPStatus.FORBIDDEN, DataError("needs the key of an admin", "this", mend))
        return {"opened": open_desk.board.open_final(), "waiting": len(open_desk.inbox.waiting())}

    return router


def _team(key: Key | None, named: str | None) -> str:
    """The team that sends a submission."""
    if key is not None and named is not None and team_key(named) != team_key(key.name):
        mend = "leave it out: the key says it"
        raise Refusal(HTTPStatus.FORBIDDEN, DataError(f"'{named}' is not the team of this key", "team", mend))
    team = named if key is None else key.name
    if team is None:
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, DataError("is missing", "team", "name it with ?team=…"))
    return _checked(checked_name, team)


def _checked(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except SubmissionError as error:
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, error) from error


def _is_shown(entry: Entry, key: Key | None) -> bool:
    return key is None or key.allows("admin") or team_key(entry.team) == team_key(key.name)


def _told(entry: Entry) -> dict[str, Any]:
    """What is told of a submission."""
    told = asdict(entry)
    del told["attempts"]
    return told


def _require_plain(request: Request) -> None:
    """Refuse a body that is known to be too large, or that is packed once more, before it is sent."""
    if request.headers.get("content-encoding", "identity") != "identity":
        error = DataError("is packed once more", "the body", "send it without Content-Encoding")
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, error)
    if announced(request) > LIMIT:
        raise too_large(LIMIT, _SMALLER)


async def _receive(request: Request, upload: Upload) -> None:
    """Write a request's body to the disk."""
    async for piece in request.stream():
        if upload.size + len(piece) > LIMIT:
            raise too_large(LIMIT, _SMALLER)
        await _to_its_end(upload.write, piece)
    if not upload.size:
        raise bad_request("is empty", mend="send the submission's file as it is")


async def _to_its_end(call: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Call in a thread, and wait for it even when cancelled, since its client hung up: it works on files."""
    running = asyncio.ensure_future(asyncio.to_thread(call, *given, **named))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _until_tomorrow(now: datetime) -> int:
    """Seconds until the next day in UTC begins."""
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
    return max(1, round((tomorrow - now).total_seconds()))
