"""What a client was answered: labelled arrays, made of an Arrow stream as its bytes come.

Bytes go in and frames come out, so that the client that waits and the one that does not read in the same way.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx
import numpy as np
import pyarrow as pa
import xarray as xr

from .messages import Messages

_ATTRIBUTES = ("units", "model", "checksum", "mouse", "rate")


class ForeignError(Exception):
    """What answered is no endpoint of this project."""


class Frames(NamedTuple):
    """Responses to some frames.

    Parameters
    ----------
    times : (frames,) float64, seconds.
    rows : (frames, neurons) float32 or float16.
    """

    times: np.ndarray
    rows: np.ndarray


class Answer:
    """An answer that is being received."""

    def __init__(self) -> None:
        self._messages = Messages()
        self._schema: pa.Schema | None = None
        self._unit_ids = np.empty(0, np.int64)
        self._attributes: dict[str, object] = {}
        self._untold: list[str] = []
        self._any = False

    def take(self, chunk: bytes) -> list[Frames]:
        """Frames that are whole with the next bytes. What was done to the clip is told as warnings of who asked.

        Raises
        ------
        ForeignError : the bytes are no answer.
        """
        frames = []
        try:
            for message in self._messages.take(chunk):
                if self._schema is None:
                    self._begin(pa.ipc.read_schema(message))
                else:
                    frames.append(_frames(pa.ipc.read_record_batch(message, self._schema)))
        except Exception as error:  # pyarrow, flatbuffers and json each raise their own
            raise ForeignError from error
        while self._untold:
            warnings.warn(self._untold.pop(0), stacklevel=4)  # above this: the client's connection, its method
        self._any = self._any or bool(frames)
        return frames

    def finish(self) -> None:
        """Make sure that all has come.

        Raises
        ------
        httpx.RemoteProtocolError : it has not.
        ForeignError : it has, and there was no frame.
        """
        if not self._messages.ended:
            raise httpx.RemoteProtocolError("the answer has no end")
        if not self._any:
            raise ForeignError

    def labelled(self, frames: Frames) -> xr.DataArray:
        """Responses (neuron, time) to frames, with unit ids, seconds, and what made them."""
        coordinates = {"unit_id": ("neuron", self._unit_ids), "time": ("time", frames.times, {"units": "s"})}
        labelled = xr.DataArray(frames.rows.T, coordinates, ("neuron", "time"), "responses", self._attributes)
        return labelled.set_xindex("unit_id")

    def _begin(self, schema: pa.Schema) -> None:
        about = json.loads(schema.metadata[b"sensorium"])
        self._unit_ids = np.asarray(about["unit_ids"], np.int64)
        self._attributes = attributes(about)
        self._untold = list(about["warnings"])
        self._schema = schema


def attributes(about: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a labelled answer, of what the endpoint says that made it."""
    # Warnings as a text, since a netCDF file takes no list of them.
    return {name: about[name] for name in _ATTRIBUTES} | {"warnings": "\n".join(about["warnings"])}


def joined(parts: list[Frames]) -> Frames:
    """Frames of all parts, in arrays of their own; the list is emptied meanwhile, so that little is held twice."""
    times = np.concatenate([part.times for part in parts])
    rows = np.empty((len(times), parts[0].rows.shape[1]), parts[0].rows.dtype)
    end = len(rows)
    while parts:
        part = parts.pop().rows
        rows[end - len(part) : end] = part
        end -= len(part)
    return Frames(times, rows)


def _frames(batch: pa.RecordBatch) -> Frames:
    batch.validate()
    responses = batch["responses"]
    rows = responses.flatten().to_numpy().reshape(len(batch), responses.type.list_size)
    return Frames(batch["time"].to_numpy(), rows)
