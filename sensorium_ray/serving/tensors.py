"""Tensors of the Open Inference Protocol: values in JSON, or little-endian behind it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from .problems import bad_request

BYTES = "BYTES"
"""Datatype of texts; in binary each is preceded by its length, a little-endian uint32."""
_DATATYPES = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
"""What numpy calls each of the protocol's datatypes."""
_MOST_AXES = 3
_MOST_BYTES_OF_TEXTS = 65536  # a mouse's name is the only text that is taken


class Tensor(BaseModel):
    """An input, as the JSON tells it."""

    model_config = ConfigDict(strict=True)

    name: str
    shape: list[int] = Field(max_length=_MOST_AXES)
    datatype: str = Field(json_schema_extra={"enum": [*_DATATYPES, BYTES]})
    parameters: dict[str, Any] = Field(default={}, description="binary_data_size: bytes of it behind the JSON.")
    data: list[Any] | None = Field(default=None, description="Row by row, flat or nested.")


def read_tensors(entries: Sequence[Tensor], tail: bytes) -> dict[str, np.ndarray]:
    """Every input as an array, texts as an object array of str.

    Parameters
    ----------
    tail : the bytes of the binary ones.

    Raises
    ------
    Refusal : 400, the values are not those of the datatype and shape, or the bytes do not add up.
    """
    tensors: dict[str, np.ndarray] = {}
    for entry in entries:
        if entry.name in tensors:
            raise bad_request("is given twice", entry.name)
        size = entry.parameters.get("binary_data_size")
        if size is None:
            tensors[entry.name] = _from_json(entry)
            continue
        if not (isinstance(size, int) and 0 <= size <= len(tail)):
            raise bad_request(f"claims {size} binary bytes, of which {len(tail)} are left", entry.name)
        tensors[entry.name] = _from_binary(entry, tail[:size])
        tail = tail[size:]
    if tail:
        raise bad_request(f"has {len(tail)} bytes behind its last binary input")
    return tensors


def _from_json(entry: Tensor) -> np.ndarray:
    if entry.data is None:
        raise bad_request("has neither data nor binary_data_size", entry.name)
    try:
        if entry.datatype == BYTES:
            return np.array([str(value) for value in entry.data], object).reshape(entry.shape)
        return np.asarray(entry.data, _dtype(entry)).reshape(entry.shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise bad_request(f"has data that are not {entry.datatype} of shape {entry.shape}", entry.name) from error


def _from_binary(entry: Tensor, raw: bytes) -> np.ndarray:
    try:
        if entry.datatype == BYTES:
            return np.array(_texts(raw), object).reshape(entry.shape)
        return np.frombuffer(raw, _dtype(entry)).reshape(entry.shape)
    except (ValueError, struct.error) as error:
        raise bad_request(
            f"has {len(raw)} bytes, which are not {entry.datatype} of shape {entry.shape}", entry.name
        ) from error


def _texts(raw: bytes) -> list[str]:
    if len(raw) > _MOST_BYTES_OF_TEXTS:
        raise ValueError(len(raw))
    texts, place = [], 0
    while place < len(raw):
        (length,) = struct.unpack_from("<I", raw, place)
        place += 4 + length
        if place > len(raw):
            raise ValueError(length)
        texts.append(raw[place - length : place].decode())
    return texts


def _dtype(entry: Tensor) -> np.dtype[Any]:
    if entry.datatype not in _DATATYPES:
        raise bad_request(f"has datatype '{entry.datatype}'", entry.name, f"known are {', '.join(_DATATYPES)}")
    return np.dtype(_DATATYPES[entry.datatype])
