"""Answers of protocol v1, written in the form that the client accepts.

Every form says which model answered, by its checksum, for which mouse and neurons, and when each frame was. The forms
of tables have a row a frame; their schema's metadata say the rest, as JSON under 'sensorium'.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError
from .problems import Refusal
from .served import Served

JSON = "application/json"
NPZ = "application/x-npz"
NPY = "application/x-npy"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
UNITS = "deconvolved calcium, arbitrary units"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says about some neurons of a mouse.

    Parameters
    ----------
    unit_ids : (neurons,) int64.
    times : (frames,) float64, seconds from the clip's first frame to each one that is answered.
    responses : (neurons, frames) float32, or float16 if asked for, deconvolved calcium, arbitrary units.
    warnings : what was done to the clip beyond what was asked for.
    """

    model: Served
    mouse: str
    unit_ids: np.ndarray
    times: np.ndarray
    responses: np.ndarray
    warnings: tuple[str, ...] = ()

    def about(self) -> dict[str, object]:
        """What made it, as plain values."""
        return {
            "model": self.model.manifest.name,
            "checksum": self.model.checksum,
            "mouse": self.mouse,
            "rate": self.model.manifest.rate,
            "units": UNITS,
            "warnings": list(self.warnings),
        }


def accepted(accept: str) -> str:
    """Media type of the answer: of those that are written here, the one that an Accept header likes best.

    Raises
    ------
    Refusal : 406, it accepts none of them.
    """
    wishes = dict(_wish(part) for part in accept.split(",") if part.strip())
    if not wishes:
        return JSON
    liking = {kind: _liking(kind, wishes) for kind in FORMS}
    best = max(liking, key=lambda kind: liking[kind])
    if not liking[best]:
        error = DataError(f"is '{accept}', of which nothing is written here", "accept", f"known are {', '.join(FORMS)}")
        raise Refusal(HTTPStatus.NOT_ACCEPTABLE, error)
    return best


def write(answer: Answer, media_type: str) -> bytes:
    """Body of an answer, in one of `FORMS`."""
    return FORMS[media_type](answer)


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Bytes of an npz of named arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _json(answer: Answer) -> bytes:
    arrays = {name: getattr(answer, name).tolist() for name in ("unit_ids", "times", "responses")}
    return json.dumps(answer.about() | arrays, allow_nan=False).encode()


def _npy(answer: Answer) -> bytes:
    """The responses alone."""
    buffer = io.BytesIO()
    np.save(buffer, answer.responses, allow_pickle=False)
    return buffer.getvalue()


def _npz(answer: Answer) -> bytes:
    about = np.array(json.dumps(answer.about()))
    return pack({"responses": answer.responses, "unit_ids": answer.unit_ids, "times": answer.times, "about": about})


def _arrow(answer: Answer) -> bytes:
    table, buffer = _table(answer), pa.BufferOutputStream()
    with pa.ipc.new_stream(buffer, table.schema) as stream:
        stream.write_table(table)
    return bytes(buffer.getvalue())


def _parquet(answer: Answer) -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(_table(answer), buffer)
    return bytes(buffer.getvalue())


def _table(answer: Answer) -> pa.Table:
    """A row a frame: time, and responses of all neurons in the order of 'unit_ids' in the metadata."""
    rows = np.ascontiguousarray(answer.responses.T)
    columns = {
        "time": pa.array(answer.times),
        "responses": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1]),
    }
    about = answer.about() | {"unit_ids": answer.unit_ids.tolist()}
    return pa.table(columns).replace_schema_metadata({"sensorium": json.dumps(about)})


def _wish(part: str) -> tuple[str, float]:
    """Pattern and liking of one part of an Accept header; what is no number counts as 1."""
    pattern, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return pattern, min(max(float(value), 0.0), 1.0)
            except ValueError:
                break
    return pattern, 1.0


def _liking(kind: str, wishes: Mapping[str, float]) -> float:
    """What the most specific pattern that fits says (RFC 9110, 12.5.1)."""
    patterns = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    return next((wishes[pattern] for pattern in patterns if pattern in wishes), 0.0)


FORMS: dict[str, Callable[[Answer], Any]] = {JSON: _json, NPZ: _npz, NPY: _npy, ARROW: _arrow, PARQUET: _parquet}
"""By media type; where a client likes several alike, the first is taken."""
