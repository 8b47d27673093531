"""JSON schemas of what is asked and answered, by the names under which OpenAPI refers to them."""

from __future__ import annotations

from typing import Any

from ..benchmark import STAGES
from .protocol_v2 import Header

Schema = dict[str, Any]

_PLACE = "#/components/schemas/{model}"


def ref(name: str) -> Schema:
    """Refer to one of `SCHEMAS`."""
    return {"$ref": _PLACE.format(model=name)}


def _told(schema: Schema, description: str) -> Schema:
    return schema | {"description": description}


def _if_known(schema: Schema, description: str) -> Schema:
    return schema | {"type": [schema["type"], "null"], "description": f"{description}; null: it is not known."}


def _if_any(schema: Schema, description: str) -> Schema:
    return schema | {"type": [schema["type"], "null"], "description": f"{description}."}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(*, without: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """An object; it may come without some of its fields."""
    required = [name for name in properties if name not in without]
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _inference_request() -> dict[str, Schema]:
    """The request of protocol v2 as the models say that read it, each part by its name."""
    whole = Header.model_json_schema(ref_template=_PLACE)
    return {**whole.pop("$defs"), "InferenceRequest": whole}


FILE: Schema = {"type": "string", "format": "binary"}
_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_REAL: Schema = {"type": "number"}
_YES: Schema = {"type": "boolean"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_SCORES: Schema = {"type": "object", "additionalProperties": {"type": "object"}}
_NUMBERS = _list(_REAL)
_ROWS = _list(_NUMBERS)
_STATE: Schema = {"anyOf": [_NUMBERS, _ROWS]}
_WHOSE = "Whose neurons answer, unless the address says it."

SCHEMAS: dict[str, Schema] = {
    "Problem": _object(
        without=("field", "mend", "request_id"),
        type=_TEXT,
        title=_TEXT,
        status=_WHOLE,
        detail=_told(_TEXT, "What is wrong, where, and how to mend it."),
        error=_told(_TEXT, "The same."),
        field=_told(_TEXT, "Where it is wrong."),
        mend=_told(_TEXT, "How to mend it."),
        request_id=_told(_TEXT, "By which the endpoint's log tells of a failure."),
    ),
    "Models": _object(models=_list(ref("Model"))),
    "Model": _object(
        name=_TEXT,
        kind={"enum": ["model", "ensemble"]},
        architecture=_TEXT,
        mice=_list(_object(name=_TEXT, neurons=_told(_WHOLE, "How many."))),
        frame_shape=_told(_list(_WHOLE), "Height and width, pixels."),
        rate=_told(_REAL, "Frames per second."),
        behavior_channels=_told(_WHOLE, "Of behavior."),
        inputs=_told(
            {"enum": ["recorded", "normalised"]}, "Units of what it takes: those of the data, or normalised beforehand."
        ),
        checksum=_told(_TEXT, "That names it in results."),
    ),
    "Mouse": _object(
        name=_TEXT,
        neurons=_told(_WHOLE, "How many."),
        unit_ids=_told(_list(_WHOLE), "In the order of the answers."),
        positions=_if_known(_ROWS, "(neurons, 3), micrometres in the cortex"),
        areas=_if_known(_list(_TEXT), "(neurons,), such as V1"),
        behavior_mean=_if_known(_NUMBERS, "(channels,), in training, as recorded"),
        pupil_center_mean=_if_known(_NUMBERS, "(2,), likewise"),
    ),
    "Clip": _object(
        without=("behavior", "pupil_center", "mouse"),
        video=_told(_list(_ROWS), "(frames, height, width), grey levels 0..255; of any size."),
        behavior=_told(_STATE, "(channels, frames), or (channels,) for all of them; else the mouse's mean."),
        pupil_center=_told(_STATE, "(2, frames), or (2,) for all of them; else the mouse's mean."),
        mouse={"type": ["string", "null"], "description": _WHOSE},
    )
    | {"additionalProperties": True},
    "Form": _object(
        without=("behavior", "pupil_center", "mouse"),
        video=_told(FILE, "mp4, webm, avi, gif, mov, mkv, npy or npz."),
        behavior=_told(FILE, "npy, JSON, or CSV with a row a frame; one row for all frames. A file or text."),
        pupil_center=_told(FILE, "Likewise."),
        mouse=_told(_TEXT, _WHOSE),
    ),
    "Responses": _object(
        model=_TEXT,
        checksum=_told(_TEXT, "Of the model."),
        mouse=_TEXT,
        rate=_told(_REAL, "Frames per second."),
        units=_told(_TEXT, "Of the responses."),
        warnings=_told(_list(_TEXT), "What was done to the clip beyond what was asked for."),
        unit_ids=_told(_list(_WHOLE), "(neurons,)"),
        times=_told(_NUMBERS, "(frames,), seconds from the clip's first frame."),
        responses=_told(_ROWS, "(neurons, frames)"),
    ),
    "Live": _object(live=_YES),
    "Ready": _object(ready=_YES),
    "Server": _object(name=_TEXT, version=_TEXT, extensions=_list(_TEXT)),
    "ModelReady": _object(name=_TEXT, ready=_YES),
    "Metadata": _object(
        name=_TEXT,
        versions=_list(_TEXT),
        platform=_TEXT,
        inputs=_list(ref("TensorMetadata")),
        outputs=_list(ref("TensorMetadata")),
    ),
    "TensorMetadata": _object(
        without=("optional",),
        name=_TEXT,
        datatype=_TEXT,
        shape=_told(_list(_WHOLE), "-1: any number."),
        optional=_YES,
    ),
    **_inference_request(),
    "InferenceAnswer": _object(
        without=("id",),
        model_name=_TEXT,
        model_version=_TEXT,
        id=_told(_TEXT, "The request's."),
        parameters=_object(mouse=_TEXT, checksum=_told(_TEXT, "Of the model.")),
        outputs=_list(ref("Output")),
    ),
    "Output": _object(
        name=_TEXT,
        datatype=_TEXT,
        shape=_list(_WHOLE),
        data=_told(_NUMBERS, "Row by row."),
    ),
    "Submissions": _object(submissions=_told(_list(ref("Submission")), "In the order in which they came.")),
    "Submission": _object(
        id=_TEXT,
        team=_TEXT,
        note=_told(_TEXT, "The team's own words."),
        received=_MOMENT,
        file=_TEXT,
        sha256=_TEXT,
        state={"enum": ["received", "checking", "scoring", "done", "refused", "failed"]},
        receipt={"anyOf": [ref("Receipt"), {"type": "null"}], "description": "Where it was checked to the end."},
        fault=_told(_TEXT, "Why it was not checked to the end; else empty."),
    ),
    "Receipt": _object(
        team=_TEXT,
        received=_MOMENT,
        number=_if_known(_WHOLE, "Of the team's submissions, from 1"),
        faults=_told(_list(_TEXT), "For which it was refused, and does not count."),
        warnings=_list(_TEXT),
        scores=_told(_SCORES, "Of the live stage: track, metric, then value, low and high."),
        withheld=_told(_list(_TEXT), "Tracks whose final stage was scored."),
        left_today=_told(_WHOLE, "Submissions that the team may still make."),
        left=_WHOLE,
    ),
    "Standings": _object(
        title=_TEXT,
        stage={"enum": list(STAGES)},
        opened=_if_known(_MOMENT, "When the final standings were opened"),
        standings={"type": "object", "additionalProperties": _list(ref("Standing")), "description": "By track."},
    ),
    "Standing": _object(
        rank=_WHOLE,
        team=_TEXT,
        number=_told(_WHOLE, "Of the team's submission that counts here."),
        submissions=_told(_WHOLE, "How many count."),
        received=_MOMENT,
        scores=_told(_SCORES, "Metric, then value, low and high."),
    ),
    "Experiments": _object(experiments=_list(ref("ExperimentKind"))),
    "ExperimentKind": _object(
        name=_TEXT,
        summary=_told(_TEXT, "What it finds out."),
        settings=_list(_object(name=_TEXT, usual=_told({}, "Its value unless given."), about=_TEXT)),
    ),
    "Experiment": _object(
        without=("model", "against", "mouse", "neurons", "settings"),
        experiment=_told(_TEXT, "One of those that GET tells."),
        model=_if_any(_TEXT, "Where there is only one, it may be left out"),
        against=_if_any(_TEXT, "Another model, for experiments that compare two"),
        mouse=_if_any(_TEXT, "Likewise"),
        neurons=_if_any(_list(_WHOLE), "Indices of some neurons; else all"),
        settings=_told({"type": "object"}, "Those that are to be others than usual."),
    ),
    "Runs": _object(runs=_told(_list(ref("Run")), "In the order in which they were asked for.")),
    "Run": _object(
        id=_TEXT,
        owner=_if_known(_TEXT, "Name of the key that asked"),
        experiment=_TEXT,
        settings=_told({"type": "object"}, "As they were given."),
        model=_TEXT,
        against=_if_any(_TEXT, "The other model, if there is one"),
        mouse=_TEXT,
        neurons=_if_any(_list(_WHOLE), "Indices; null: all"),
        asked=_MOMENT,
        ended=_told(_TEXT, "When it ended; empty until then."),
        state={"enum": ["waiting", "running", "finished", "failed"]},
        done=_told(_WHOLE, "Clips or steps that are done."),
        total=_told(_WHOLE, "Of so many; 0 until it is known."),
        fault=_told(_TEXT, "Why it failed; else empty."),
    ),
    "Opened": _object(opened=_MOMENT, waiting=_told(_WHOLE, "Submissions that are still scored.")),
}
"""Of JSON bodies and of forms."""
