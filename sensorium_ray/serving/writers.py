"""Answers of protocol v1 in every form, written as the responses come.

A writer takes one block of frames after another, so that an answer of any length is never whole in memory; JSON alone
keeps it, since it lists neuron by neuron, and is short. The forms of tables have a row a frame; their schema's metadata
say the rest, as JSON under 'sensorium'.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..client.messages import ARROW
from ..errors import DataError
from ..storage import npy_header
from .answers import JSON, NPY, NPZ, PARQUET, Answer

MOST_NUMBERS = 10_000_000
"""In an answer as JSON; in memory each is some 60 bytes, and a clip of 8,000 neurons has 2.4 million."""

Pieces = list[bytes | memoryview]


class Writer(Protocol):
    """Writes an answer, block by block, in order."""

    def write(self, block: np.ndarray) -> Pieces:
        """Bytes that follow when these responses are known: (neurons, some frames), of the answer's dtype."""

    def end(self) -> Pieces:
        """Bytes that follow when all are known."""


class _Sink(io.RawIOBase):
    """A file that keeps what is written until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: Pieces = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        self._pieces.append(view)
        return len(view)

    def take(self) -> Pieces:
        taken, self._pieces = self._pieces, []
        return taken


class _Npy:
    """The responses alone, (neurons, frames): neuron by neuron where they come at once, else frame by frame."""

    def __init__(self, answer: Answer) -> None:
        self._shape = answer.shape
        self._began = False

    def write(self, block: np.ndarray) -> Pieces:
        whole = block.shape == self._shape
        head = b"" if self._began else npy_header(block.dtype, self._shape, fortran_order=not whole)
        self._began = True
        return [head, np.ascontiguousarray(block if whole else block.T).data.cast("B")]

    def end(self) -> Pieces:
        return []


class _Npz:
    """Responses, unit_ids, times, and the rest as JSON under 'about'."""

    def __init__(self, answer: Answer) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w")
        about = np.array(json.dumps(answer.about()))
        for name, array in {"unit_ids": answer.unit_ids, "times": answer.times, "about": about}.items():
            with self._zip.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        self._responses = self._zip.open("responses.npy", "w", force_zip64=True)
        self._npy = _Npy(answer)

    def write(self, block: np.ndarray) -> Pieces:
        for piece in self._npy.write(block):
            self._responses.write(piece)
        return self._sink.take()

    def end(self) -> Pieces:
        self._responses.close()
        self._zip.close()
        return self._sink.take()


class _Table:
    """A row a frame: time, and responses of all neurons in the order of 'unit_ids' in the metadata."""

    _open: Callable[[_Sink, pa.Schema], pa.ipc.RecordBatchStreamWriter | pq.ParquetWriter]

    def __init__(self, answer: Answer) -> None:
        self._times = answer.times
        self._done = 0
        self._sink = _Sink()
        neurons = len(answer.unit_ids)
        about = json.dumps(answer.about() | {"unit_ids": answer.unit_ids.tolist()})
        responses = pa.list_(pa.from_numpy_dtype(answer.dtype), neurons)
        self._schema = pa.schema({"time": pa.float64(), "responses": responses}, {"sensorium": about})
        self._stream = self._open(self._sink, self._schema)

    def write(self, block: np.ndarray) -> Pieces:
        neurons, frames = block.shape
        rows = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(block.T).ravel()), neurons)
        times = pa.array(self._times[self._done : self._done + frames])
        self._done += frames
        self._stream.write_batch(pa.record_batch([times, rows], schema=self._schema))
        return self._sink.take()

    def end(self) -> Pieces:
        self._stream.close()
        return self._sink.take()


class _Arrow(_Table):
    _open = staticmethod(pa.ipc.new_stream)


class _Parquet(_Table):
    _open = staticmethod(pq.ParquetWriter)


class _Json:
    """One object; `responses` has a list a neuron."""

    def __init__(self, answer: Answer) -> None:
        if math.prod(answer.shape) > MOST_NUMBERS:
            what = f"has {math.prod(answer.shape)} numbers, too many for JSON"
            mend = f"accept one of {', '.join(form for form in WRITERS if form != JSON)}, or choose neurons or frames"
            raise DataError(what, "the answer", mend)
        self._answer = answer
        self._blocks: list[np.ndarray] = []

    def write(self, block: np.ndarray) -> Pieces:
        self._blocks.append(block)
        return []

    def end(self) -> Pieces:
        arrays = {name: getattr(self._answer, name).tolist() for name in ("unit_ids", "times")}
        arrays["responses"] = np.concatenate(self._blocks, axis=1).tolist()
        return [json.dumps(self._answer.about() | arrays, allow_nan=False).encode()]


WRITERS: dict[str, Callable[[Answer], Writer]] = {JSON: _Json, NPZ: _Npz, NPY: _Npy, ARROW: _Arrow, PARQUET: _Parquet}
"""By media type."""
