"""Protocol v2, bytes to clip and responses to bytes: the Open Inference Protocol with its binary tensor extension.

https://github.com/kserve/open-inference-protocol. A body is a JSON header, which may be followed by the values of the
tensors that it calls binary, little-endian, one behind the other. Nothing here knows the web framework.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..data.clip import CLIP_ARRAYS, Clip, clip_of
from ..errors import DataError
from ..version import package_version
from .bodies import MEBIBYTE
from .problems import bad_request
from .served import Served
from .tensors import BYTES, Tensor, read_tensors

ANSWER_LIMIT = 1024 * MEBIBYTE
"""Of the responses, bytes; ten minutes of a mouse of 8,000 neurons are 576 MB."""

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Name of the HTTP header that says where the JSON ends and binary tensors begin."""
VERSION = "1"
"""Of every model: a bundle that changes is another bundle, with another checksum."""
_OUTPUTS = ("responses", "unit_ids")


class Wanted(BaseModel):
    """An output that is asked for."""

    model_config = ConfigDict(strict=True)

    name: str = Field(json_schema_extra={"enum": list(_OUTPUTS)})
    parameters: dict[str, Any] = Field(default={}, description="binary_data: whether it is to be behind the JSON.")


class Header(BaseModel):
    """The JSON part of a request."""

    model_config = ConfigDict(strict=True)

    id: str | None = None
    parameters: dict[str, Any] = Field(default={}, description="mouse; binary_data_output: whether outputs are binary.")
    inputs: list[Tensor]
    outputs: list[Wanted] = []


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that was read.

    Parameters
    ----------
    id : the client's, given back with the answer; None: it gave none.
    mouse : whose neurons answer; None: it was not said.
    neurons : (n,) int64, indices into the mouse's neurons; None: all.
    outputs : names that are asked for, and whether in binary.
    """

    id: str | None
    clip: Clip
    mouse: str | None
    neurons: np.ndarray | None
    outputs: dict[str, bool]

    def shape(self, model: Served, mouse: str) -> tuple[int, int]:
        """Neurons and frames of the answer, which is whole in memory.

        Raises
        ------
        DataError : it is too large for that.
        """
        neurons = len(model.unit_ids(mouse) if self.neurons is None else self.neurons)
        if 4 * neurons * self.clip.frames > ANSWER_LIMIT:
            mend = "choose neurons, send a shorter clip, or ask /v1, which answers as it predicts"
            raise DataError(f"has more than {ANSWER_LIMIT // MEBIBYTE} MiB", "the answer", mend)
        return neurons, self.clip.frames


def server() -> dict[str, object]:
    """Metadata of the server."""
    return {"name": "sensorium-ray", "version": package_version(), "extensions": ["binary_tensor_data"]}


def metadata(model: Served) -> dict[str, object]:
    """Metadata of a model: the tensors that it takes and gives; -1 is any number of frames or neurons."""
    manifest = model.manifest
    inputs = [
        ("video", "FP32", [-1, *manifest.frame_shape]),
        ("behavior", "FP32", [manifest.behavior_channels, -1]),
        ("pupil_center", "FP32", [2, -1]),
        ("mouse", BYTES, [1]),
        ("neurons", "INT64", [-1]),
    ]
    optional = {"mouse", "neurons"} if len(manifest.mice) == 1 else {"neurons"}
    outputs = [("responses", "FP32", [-1, -1]), ("unit_ids", "INT64", [-1])]
    return {
        "name": manifest.name,
        "versions": [VERSION],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": name, "datatype": kind, "shape": shape, "optional": name in optional}
            for name, kind, shape in inputs
        ],
        "outputs": [{"name": name, "datatype": kind, "shape": shape} for name, kind, shape in outputs],
    }


def read_inference(body: bytes, header_length: str | None) -> Inference:
    """Read the body of a request.

    Parameters
    ----------
    header_length : value of `HEADER_LENGTH`; None: all of the body is JSON.

    Raises
    ------
    Refusal : 400, the body is not as the protocol says.
    DataError : the tensors do not make a clip.
    """
    length = _header_length(header_length, len(body))
    header = _parse(body[:length])
    tensors = read_tensors(header.inputs, body[length:])
    unknown = sorted(set(tensors) - {*CLIP_ARRAYS, "mouse", "neurons"})
    if unknown:
        raise bad_request(
            "is no input of this model", unknown[0], f"known are {', '.join(CLIP_ARRAYS)}, mouse, neurons"
        )
    mouse = tensors.pop("mouse", None)
    neurons = tensors.pop("neurons", None)
    return Inference(
        header.id,
        clip_of(tensors),
        _text(header.parameters.get("mouse") if mouse is None else mouse),
        None if neurons is None else _indices(neurons),
        _outputs(header),
    )


def write_inference(model: Served, mouse: str, inference: Inference, responses: np.ndarray) -> tuple[bytes, int | None]:
    """Body of an answer, and the length of its JSON if tensors follow it.

    Parameters
    ----------
    responses : (neurons, frames) float32, deconvolved calcium, arbitrary units.
    """
    unit_ids = model.unit_ids(mouse)
    arrays = {
        "responses": responses,
        "unit_ids": unit_ids if inference.neurons is None else unit_ids[inference.neurons],
    }
    outputs, tail = [], []
    for name, binary in inference.outputs.items():
        array = arrays[name]
        datatype = "FP32" if array.dtype == np.float32 else "INT64"
        entry: dict[str, object] = {"name": name, "datatype": datatype, "shape": list(array.shape)}
        if binary:
            tail.append(np.ascontiguousarray(array).tobytes())
            entry["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            entry["data"] = array.ravel().tolist()
        outputs.append(entry)
    about: dict[str, object] = {"model_name": model.manifest.name, "model_version": VERSION, "outputs": outputs}
    about |= {"parameters": {"mouse": mouse, "checksum": model.checksum}}
    about |= {} if inference.id is None else {"id": inference.id}
    header = json.dumps(about, allow_nan=False).encode()
    return b"".join([header, *tail]), len(header) if tail else None


def _header_length(given: str | None, body: int) -> int:
    if given is None:
        return body
    if not (given.isascii() and given.isdecimal() and len(given) < 19 and int(given) <= body):
        raise bad_request(f"is '{given}' for a body of {body} bytes", HEADER_LENGTH)
    return int(given)


def _parse(text: bytes) -> Header:
    try:
        return Header.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise bad_request(
            f"is no request of protocol v2 ({first['msg']})", ".".join(map(str, first["loc"])) or "the body"
        ) from error


def _text(value: object) -> str | None:
    """A text that a parameter, or a tensor of one value, holds; None: there is no parameter."""
    found: object = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    if isinstance(found, str):
        return found
    if value is None:
        return None
    raise DataError("is not one text", "mouse", f"give datatype {BYTES} and shape [1]")


def _indices(tensor: np.ndarray) -> np.ndarray:
    if tensor.ndim != 1 or tensor.dtype.kind not in "iu":
        raise DataError("are not whole numbers on one axis", "neurons", "give datatype INT64 and shape [n]")
    return tensor.astype(np.int64)


def _outputs(header: Header) -> dict[str, bool]:
    """Names that are asked for, all unless some are named, and whether in binary."""
    usual = header.parameters.get("binary_data_output") is True
    wanted = header.outputs or [Wanted(name=name) for name in _OUTPUTS]
    for output in wanted:
        if output.name not in _OUTPUTS:
            raise bad_request("is no output of this model", output.name, f"known are {', '.join(_OUTPUTS)}")
    return {output.name: output.parameters.get("binary_data", usual) is True for output in wanted}
