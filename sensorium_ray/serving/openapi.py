"""What OpenAPI says that the routes' signatures do not: bodies, answers, refusals, keys, and examples that run."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from ..submissions.inbox import FILES
from .answers import ABOUT, FORMS, JSON, NPZ
from .experimenter import PICTURES, RESULTS
from .guard import OPEN
from .problems import PROBLEM
from .protocol_v1 import FORM
from .protocol_v2 import HEADER_LENGTH, VERSION
from .schemas import FILE, SCHEMAS, Schema, ref
from .served import Models, Served

BINARY = "application/octet-stream"
Responses = dict[int | str, dict[str, Any]]

_WHEN = {
    400: "It cannot be read.",
    404: "There is no such model, version, mouse or run.",
    406: "None of the media types that are accepted is written here.",
    409: "It is not finished, or it failed.",
    413: "It is too large.",
    415: "It is of a media type, or packed in a way, that is not read here.",
    422: "It is read, and what it asks for cannot be answered.",
}
_AGAIN = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds after which to ask again."}}


def _problem(description: str, headers: dict[str, Schema] | None = None) -> dict[str, Any]:
    return {"description": description, "headers": headers or {}, "content": {PROBLEM: {"schema": ref("Problem")}}}


def answered(name: str, *refused: int) -> Responses:
    """Answers of a route: JSON as one of `SCHEMAS` says, or refusals with these statuses."""
    return {200: {"description": "Answered.", "content": {JSON: {"schema": ref(name)}}}, **refusals(*refused)}


def refusals(*statuses: int) -> Responses:
    """Answers that say what is wrong with a request."""
    return {status: _problem(_WHEN[status]) for status in statuses}


REFUSED: Responses = {
    "4XX": _problem("The request is at fault."),
    500: _problem("The endpoint is at fault; its log tells why, by the request_id."),
    503: {"description": "Busy.", "headers": _AGAIN},
}
"""Answers of every route."""
_KEYED: dict[str, dict[str, Any]] = {
    "401": _problem("The key is missing or unknown.", {"WWW-Authenticate": {"schema": {"const": "Bearer"}}}),
    "403": _problem("The key is not for this."),
    "429": _problem("The key asks too often.", _AGAIN),
}

PREDICT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "npz holds the arrays of the JSON. It may be packed, as Content-Encoding says: gzip or deflate.",
        "content": {
            JSON: {"schema": ref("Clip")},
            NPZ: {"schema": FILE},
            FORM: {"schema": ref("Form")},
        },
    },
}
PREDICTED: Responses = {
    200: {
        "description": "Responses, in the media type that Accept likes best.",
        "headers": {ABOUT: {"description": "What made them, as JSON.", "required": True, "schema": {"type": "string"}}},
        "content": {form: {"schema": ref("Responses") if form == JSON else FILE} for form in FORMS},
    },
    **refusals(400, 404, 406, 413, 415, 422),
}
INFER: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "JSON, behind which may be tensors that it calls binary. It may be packed, as below /v1.",
        "content": {JSON: {"schema": ref("InferenceRequest")}, BINARY: {"schema": FILE}},
    },
}
INFERRED: Responses = {
    200: {
        "description": "Responses and unit ids; binary where that is asked for.",
        "headers": {HEADER_LENGTH: {"description": "Bytes of JSON, if others follow.", "schema": {"type": "integer"}}},
        "content": {JSON: {"schema": ref("InferenceAnswer")}, BINARY: {"schema": FILE}},
    },
    **refusals(400, 404, 413, 415, 422),
}
SUBMIT: dict[str, Any] = {"requestBody": {"required": True, "content": {form: {"schema": FILE} for form in FILES}}}
_TAKEN: dict[str, Any] = {
    "headers": {"Location": {"description": "Tells how it goes.", "schema": {"type": "string"}}},
    "content": {JSON: {"schema": ref("Submission")}},
}
SUBMITTED: Responses = {
    200: _TAKEN | {"description": "It was sent before, and counts."},
    202: _TAKEN | {"description": "It is to be scored."},
    429: _problem("The team has used its submissions of the day.", _AGAIN),
    507: _problem("The disk is full."),
    **refusals(400, 404, 413, 415, 422),
}
EXPERIMENT: dict[str, Any] = {"requestBody": {"required": True, "content": {JSON: {"schema": ref("Experiment")}}}}
EXPERIMENTED: Responses = {
    202: {
        "description": "It waits for its turn.",
        "headers": {"Location": {"description": "Tells how it goes.", "schema": {"type": "string"}}},
        "content": {JSON: {"schema": ref("Run")}},
    },
    503: {"description": "Busy, or too many wait.", "headers": _AGAIN},
    507: _problem("The disk is full."),
    **refusals(400, 404, 413, 415, 422),
}
FORGOTTEN: Responses = {204: {"description": "It is forgotten."}, **refusals(404)}


def _found(what: str, media_types: Iterable[str]) -> Responses:
    content = {media_type: {"schema": FILE} for media_type in media_types}
    return {200: {"description": what, "content": content}, **refusals(404, 406, 409, 422)}


RESULT = _found("Labelled arrays.", RESULTS.values())
PICTURE = _found("As the experiment draws itself.", PICTURES.values())
GRADIENTS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "video (frames, height, width) of the model's size; behavior and pupil_center as in predict; "
        "weights (neurons, frames), what each response counts, or else all of them alike, adding up to 1.",
        "content": {NPZ: {"schema": FILE}},
    },
}
TOLD_GRADIENTS: Responses = {
    200: {
        "description": "responses (neurons, frames), unit_ids (neurons,) and gradient (frames, height, width) of their "
        "weighted sum by the grey levels; and what made them, as JSON under about.",
        "headers": {ABOUT: {"description": "What made them, as JSON.", "required": True, "schema": {"type": "string"}}},
        "content": {NPZ: {"schema": FILE}},
    },
    **refusals(400, 404, 413, 415, 422),
}
TOLD_METRICS: Responses = {
    200: {"description": "What is counted.", "content": {"text/plain": {"schema": {"type": "string"}}}},
}


def complete(document: dict[str, Any], models: Models, keyed: bool) -> dict[str, Any]:
    """The document that FastAPI makes of the routes, with schemas, keys, and examples of a model that is served now.

    Parameters
    ----------
    keyed : whether requests need a key.
    """
    whole = deepcopy(document)
    whole.setdefault("components", {}).setdefault("schemas", {}).update(SCHEMAS)
    if keyed:
        _add_keys(whole)
    model = next(iter(models.values()), None)
    if model is not None:
        _add_examples(whole, model)
    return whole


def _add_keys(document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, item in document["paths"].items():
        for operation in item.values() if path not in OPEN else ():
            operation["security"] = [{"key": []}]
            operation["responses"] |= _KEYED


def _add_examples(document: dict[str, Any], model: Served) -> None:
    mouse = model.manifest.mice[0]
    neurons = list(range(min(3, len(mouse.unit_ids))))
    values = {
        "name": model.manifest.name,
        "mouse": mouse.name,
        "version": VERSION,
        "neurons": ",".join(map(str, neurons)),
        "frames": "0..1",
    }
    bodies = {
        "Clip": _clip(model),
        "InferenceRequest": _inference(model, mouse.name, neurons),
        "Experiment": _experiment(model, mouse.name, neurons),
    }
    for operation in chain.from_iterable(item.values() for item in document["paths"].values()):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in values:
                parameter["example"] = values[parameter["name"]]
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for name, body in bodies.items():
                if content["schema"] == ref(name):
                    content["example"] = body


def _clip(model: Served) -> dict[str, Any]:
    """A bar that jumps, two frames of it."""
    left, right = [[255, 255, 0, 0]] * 2, [[0, 0, 255, 255]] * 2
    return {"video": [left, right], "behavior": [1.0] * model.manifest.behavior_channels, "pupil_center": [0.0, 0.0]}


def _inference(model: Served, mouse: str, neurons: list[int]) -> dict[str, Any]:
    """A blank screen, one frame of it."""
    blank = {
        "video": np.full((1, *model.manifest.frame_shape), 128),
        "behavior": np.ones((model.manifest.behavior_channels, 1)),
        "pupil_center": np.zeros((2, 1)),
    }
    inputs = [
        {"name": name, "shape": list(array.shape), "datatype": "FP32", "data": array.ravel().tolist()}
        for name, array in blank.items()
    ]
    inputs.append({"name": "neurons", "shape": [len(neurons)], "datatype": "INT64", "data": neurons})
    return {"inputs": inputs, "parameters": {"mouse": mouse}}


def _experiment(model: Served, mouse: str, neurons: list[int]) -> dict[str, Any]:
    """Four directions, of one frequency each."""
    settings = {"directions": 4, "spatial_frequencies": [0.05], "temporal_frequencies": [2.0]}
    whom = {"model": model.manifest.name, "mouse": mouse, "neurons": neurons}
    return {"experiment": "direction_tuning", **whom, "settings": settings}
