"""What OpenAPI says of bodies that the routes read by themselves."""

from __future__ import annotations

from typing import Any

from ..submissions.inbox import FILES
from .answers import FORMS, JSON, NPZ
from .problems import PROBLEM
from .protocol_v1 import FORM

_FILE = {"type": "string", "format": "binary"}
_NUMBERS: dict[str, Any] = {"type": "array", "items": {"type": "number"}}
_ROWS: dict[str, Any] = {"type": "array", "items": _NUMBERS}
_IF_KNOWN = {"type": ["array", "null"]}
_CLIP = {
    "type": "object",
    "required": ["video"],
    "properties": {
        "video": {"type": "array", "items": _ROWS, "description": "(frames, height, width), grey levels 0..255."},
        "behavior": {"anyOf": [_NUMBERS, _ROWS], "description": "(channels, frames), or (channels,) for all of them."},
        "pupil_center": {"anyOf": [_NUMBERS, _ROWS], "description": "(2, frames), or (2,) for all of them."},
        "mouse": {"type": "string"},
    },
}
_PARTS = {
    "type": "object",
    "required": ["video"],
    "properties": {
        "video": _FILE | {"description": "mp4, webm, avi, gif, mov, mkv, npy or npz."},
        "behavior": _FILE | {"description": "npy, JSON, or CSV with a row a frame; one row for all frames."},
        "pupil_center": _FILE | {"description": "Likewise."},
        "mouse": {"type": "string"},
    },
}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string"},
        "data": {"type": "array", "items": {}},
        "parameters": {"type": "object"},
    },
}
_INFERENCE = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "inputs": {"type": "array", "items": _TENSOR},
        "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
        "parameters": {"type": "object"},
    },
}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "error"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, where, and how to mend it."},
        "error": {"type": "string", "description": "The same."},
        "field": {"type": "string", "description": "Where it is wrong."},
        "mend": {"type": "string", "description": "How to mend it."},
        "request_id": {"type": "string"},
    },
}
REFUSED: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request is at fault.", "content": {PROBLEM: {"schema": _PROBLEM}}},
    "503": {"description": "Busy; ask again after as many seconds as Retry-After says."},
}
"""Answers of every route."""

_MOUSE = {
    "type": "object",
    "required": ["name", "neurons", "unit_ids", "positions", "areas", "behavior_mean", "pupil_center_mean"],
    "properties": {
        "name": {"type": "string"},
        "neurons": {"type": "integer", "description": "How many."},
        "unit_ids": {"type": "array", "items": {"type": "integer"}, "description": "In the order of the answers."},
        "positions": _ROWS | _IF_KNOWN | {"description": "(neurons, 3), micrometres in the cortex."},
        "areas": {"items": {"type": "string"}, "description": "(neurons,), such as V1."} | _IF_KNOWN,
        "behavior_mean": _NUMBERS | _IF_KNOWN | {"description": "(channels,), in training, as recorded."},
        "pupil_center_mean": _NUMBERS | _IF_KNOWN | {"description": "(2,), likewise."},
    },
}
MOUSE: dict[str, Any] = {
    "responses": {"200": {"description": "What is known of it.", "content": {JSON: {"schema": _MOUSE}}}},
}
PREDICT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {NPZ: {"schema": _FILE}, JSON: {"schema": _CLIP}, FORM: {"schema": _PARTS}},
    },
    "responses": {"200": {"description": "Responses.", "content": {form: {} for form in FORMS}}},
}
INFER: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {JSON: {"schema": _INFERENCE}, "application/octet-stream": {"schema": _FILE}},
    },
}

_SENTENCES = {"type": "array", "items": {"type": "string"}}
_RECEIPT = {
    "type": ["object", "null"],
    "description": "What the check found, and how it scored, where it was checked to the end.",
    "properties": {
        "number": {"type": ["integer", "null"], "description": "Of the team's submissions, from 1; null: refused."},
        "faults": _SENTENCES,
        "warnings": _SENTENCES,
        "scores": {"type": "object", "description": "Of the live stage: track, metric, then value, low and high."},
        "withheld": _SENTENCES | {"description": "Tracks whose final stage was scored."},
        "left_today": {"type": "integer"},
        "left": {"type": "integer"},
    },
}
_ENTRY = {
    "type": "object",
    "required": ["id", "team", "note", "received", "file", "sha256", "state", "receipt", "fault"],
    "properties": {
        "id": {"type": "string"},
        "team": {"type": "string"},
        "note": {"type": "string"},
        "received": {"type": "string", "format": "date-time"},
        "file": {"type": "string"},
        "sha256": {"type": "string"},
        "state": {"enum": ["received", "checking", "scoring", "done", "refused", "failed"]},
        "receipt": _RECEIPT,
        "fault": {"type": "string", "description": "Why it was not checked to the end; else empty."},
    },
}
_ENTRIES = {"type": "object", "properties": {"submissions": {"type": "array", "items": _ENTRY}}}
SUBMISSION: dict[str, Any] = {
    "responses": {"200": {"description": "What became of it.", "content": {JSON: {"schema": _ENTRY}}}},
}
SUBMISSIONS: dict[str, Any] = {
    "responses": {"200": {"description": "In the order in which they came.", "content": {JSON: {"schema": _ENTRIES}}}},
}
_TAKEN = {"content": {JSON: {"schema": _ENTRY}}, "headers": {"Location": {"schema": {"type": "string"}}}}
SUBMIT: dict[str, Any] = {
    "requestBody": {"required": True, "content": {form: {"schema": _FILE} for form in FILES}},
    "responses": {
        "202": _TAKEN | {"description": "It is to be scored; Location tells how that goes."},
        "200": _TAKEN | {"description": "It was sent before, and counts."},
        "429": {"description": "The team has used its submissions of the day; Retry-After says when the next begins."},
    },
}
