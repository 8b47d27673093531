"""Addresses of experiments: which there are, which were asked for and how far they are, and what they found.

`/v1/experiments` are the experiments that can be made; those that were asked for lie below `/v1/experiments/runs`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ConfigError, DataError, InputError
from ..insilico import find as experiments
from ..settings import named_or_only
from ..submissions.inbox import FullError
from .answers import JSON, accepted
from .bodies import MEBIBYTE, read_body
from .experimenter import PICTURES, RESULTS
from .keys import Key
from .laboratory import Laboratory
from .openapi import EXPERIMENT, EXPERIMENTED, FORGOTTEN, PICTURE, REFUSED, RESULT, answered
from .problems import Refusal, bad_request, has_room, problem
from .protocol_v1 import media_type_of
from .requests import about
from .runs import Order, Run
from .served import Models, find

_LIMIT = MEBIBYTE
_MOST_NEURONS = 100_000
_AGAIN = "10"
"""Seconds after which there may be room for an experiment."""
_PIECE = MEBIBYTE
_HARMLESS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
"""Of pictures: an SVG that is opened by itself is a page."""


class Asked(BaseModel):
    """What is asked for: the experiment, on whom, and the settings that are to be others than usual."""

    model_config = ConfigDict(extra="forbid", strict=True)

    experiment: str
    model: str | None = None
    mouse: str | None = None
    against: str | None = None
    neurons: list[int] | None = Field(None, min_length=1, max_length=_MOST_NEURONS)
    settings: dict[str, Any] = {}


def routes(models: Models, laboratory: Laboratory | None) -> APIRouter:
    """Router that has experiments made by a laboratory; without one it says how to have one."""
    shown = laboratory is not None
    router = APIRouter(prefix="/v1/experiments", tags=["experiments"], responses=REFUSED, include_in_schema=shown)

    def there() -> Laboratory:
        if laboratory is None:
            mend = "start the endpoint with `sensorium serve … --experiments DIR`"
            raise Refusal(HTTPStatus.NOT_FOUND, DataError("are not made here", "experiments", mend))
        return laboratory

    def found(name: str, key: Key | None) -> Run:
        run = there().runs.find(name)
        if run is None or not _is_shown(run, key):
            raise Refusal(HTTPStatus.NOT_FOUND, DataError("there is none of this id", "run"))
        return run

    @router.get("", responses=answered("Experiments"))
    def list_experiments() -> JSONResponse:
        """List the experiments that can be made, with their settings."""
        known = experiments.names() if laboratory is not None else []
        return JSONResponse({"experiments": [_described(name) for name in known]})

    @router.post("", response_class=Response, responses=EXPERIMENTED, openapi_extra=EXPERIMENT)
    async def make_experiment(request: Request) -> Response:
        """Ask for an experiment: it waits for its turn, and is then made beside what else is asked."""
        open_laboratory = there()
        asked = await _read(request)
        model = find(models, named_or_only("model", asked.model, [*models]))
        mouse = model.mouse(asked.mouse)
        known = about(request.scope)
        known.model, known.mouse = model.manifest.name, mouse
        _check(asked.experiment, asked.settings)
        owner = None if request.user is None else request.user.name

        order = Order(asked.experiment, asked.settings, model.manifest.name, mouse, asked.neurons, asked.against)

        def take() -> Run:
            open_laboratory.plan(order)
            with has_room("the disk of experiments", "tell who runs the endpoint"):
                return open_laboratory.take(order, owner)

        try:
            run = await asyncio.to_thread(take)
        except FullError as error:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, error, headers={"Retry-After": _AGAIN})
        except InputError as error:
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, error) from error
        return JSONResponse(_told(run), HTTPStatus.ACCEPTED, {"Location": f"/v1/experiments/runs/{run.id}"})

    @router.get("/runs", responses=answered("Runs", 404))
    def list_runs(request: Request) -> JSONResponse:
        """List the key's runs; all of them, for an admin or where no keys are asked for."""
        return JSONResponse({"runs": [_told(run) for run in there().runs.all() if _is_shown(run, request.user)]})

    @router.get("/runs/{run}", responses=answered("Run", 404))
    def follow_run(run: str, request: Request) -> JSONResponse:
        """Tell how far a run is, or how it ended."""
        return JSONResponse(_told(found(run, request.user)))

    @router.get("/runs/{run}/result", response_class=Response, responses=RESULT)
    def fetch_result(
        run: str,
        request: Request,
        format: Annotated[  # noqa: A002 - its name in the address
            Literal["netcdf", "parquet"] | None, Query(description="In place of Accept.")
        ] = None,
    ) -> Response:
        """Fetch what a finished run found: netCDF or Parquet."""
        wanted = {"netcdf": ".nc", "parquet": ".parquet"}.get(format or "")
        return _sent(there(), found(run, request.user), "result", wanted or _liked(request, RESULTS), RESULTS)

    @router.get("/runs/{run}/picture", response_class=Response, responses=PICTURE)
    def fetch_picture(
        run: str,
        request: Request,
        format: Annotated[  # noqa: A002 - its name in the address
            Literal["png", "svg"] | None, Query(description="In place of Accept.")
        ] = None,
    ) -> Response:
        """Fetch the picture of a finished run, as the experiment draws it: PNG or SVG."""
        wanted = f".{format}" if format else _liked(request, PICTURES)
        return _sent(there(), found(run, request.user), "picture", wanted, PICTURES)

    @router.delete("/runs/{run}", status_code=HTTPStatus.NO_CONTENT, response_class=Response, responses=FORGOTTEN)
    def forget_run(run: str, request: Request) -> Response:
        """Cancel a run that waits or is being made; forget what was found by one that has ended."""
        there().runs.remove(found(run, request.user).id)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router


async def _read(request: Request) -> Asked:
    media_type_of(request.headers.get("content-type", ""), [JSON])
    body = await read_body(request, _LIMIT)
    try:
        asked = Asked.model_validate(json.loads(body))
        json.dumps(asked.settings, ensure_ascii=False, allow_nan=False).encode()  # as they are told later
        return asked
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0]) if first["loc"] else "the body"
        raise DataError(first["msg"], where, f"give an object with {', '.join(Asked.model_fields)}") from error
    except (ValueError, RecursionError) as error:
        raise bad_request(f"is not readable JSON ({error})") from error


def _check(name: str, settings: dict[str, Any]) -> None:
    """Refuse an experiment or settings that are wrong at first sight."""
    if name not in experiments.names():
        raise DataError(f"there is none of the name '{name}'", "experiment", f"known: {', '.join(experiments.names())}")
    local = [setting.name for setting in experiments.settings(name) if setting.is_local and setting.name in settings]
    if local:
        mend = "leave it out, or make the experiment on a bundle of your own"
        raise DataError("names something on a computer's disk, which an endpoint does not read", local[0], mend)
    try:
        experiments.make_config(name, settings)
    except ConfigError as error:
        raise DataError(error.what, error.where, error.mend) from error
    except (ValueError, TypeError, ArithmeticError) as error:
        raise DataError(f"are impossible ({error})", "settings", "GET /v1/experiments tells the usual ones") from error


def _described(name: str) -> dict[str, Any]:
    settings = [
        {"name": setting.name, "usual": setting.usual, "about": setting.about}
        for setting in experiments.settings(name)
        if not setting.is_local
    ]
    return {"name": name, "summary": experiments.summary(name), "settings": settings}


def _is_shown(run: Run, key: Key | None) -> bool:
    return key is None or key.allows("admin") or run.owner == key.name


def _told(run: Run) -> dict[str, Any]:
    """What is told of a run."""
    told = asdict(run)
    del told["attempts"]
    return told | told.pop("order")


def _liked(request: Request, forms: dict[str, str]) -> str:
    """The ending of the file that Accept likes best."""
    liked = accepted(request.headers.get("accept", ""), list(forms.values()))
    return next(ending for ending, media_type in forms.items() if media_type == liked)


def _sent(laboratory: Laboratory, run: Run, name: str, ending: str, forms: dict[str, str]) -> Response:
    """A file of a finished run."""
    if run.state != "finished":
        what = run.fault if run.state == "failed" else f"is {run.state}"
        raise Refusal(HTTPStatus.CONFLICT, DataError(what, "run", "" if run.fault else "ask again when it is finished"))
    path = laboratory.runs.made(run) / f"{name}{ending}"
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        if laboratory.runs.find(run.id) is not None:
            what = "is too large for a table"
            raise Refusal(HTTPStatus.NOT_ACCEPTABLE, DataError(what, "the result", "fetch it as netCDF")) from error
        raise Refusal(HTTPStatus.NOT_FOUND, DataError("there is none of this id", "run")) from error
    headers = {
        "Content-Length": str(os.fstat(file.fileno()).st_size),
        "Content-Disposition": _filed(run, path),
        **_HARMLESS,
    }
    return StreamingResponse(_pieces(file), headers=headers, media_type=forms[ending])


def _filed(run: Run, path: Path) -> str:
    return f'inline; filename="{run.order.experiment}-{run.id[:8]}{path.suffix}"'


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
