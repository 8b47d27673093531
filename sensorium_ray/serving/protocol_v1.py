"""Protocol v1, bytes to clip: this project's own, npz or JSON; `answers.py` writes what goes back.

Nothing here knows the web framework, so that it is tested without one. npz is read without unpickling.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection, Sequence
from http import HTTPStatus

import numpy as np

from ..data.clip import CLIP_ARRAYS
from ..errors import DataError
from .answers import JSON, NPZ
from .bodies import MEBIBYTE
from .problems import Refusal, bad_request
from .served import Served

FORM = "multipart/form-data"
BODY_LIMITS = {NPZ: 320 * MEBIBYTE, JSON: 64 * MEBIBYTE, FORM: 1024 * MEBIBYTE}
"""Largest body by media type, bytes: an hour of 36 x 64 pixels fits as an npz of uint8; JSON's is smaller, since its
numbers grow tenfold when they are read; a form's is larger, since it lies on the disk."""
UNPACKED_LIMIT = 320 * MEBIBYTE
"""Largest sum of the arrays of an npz body, bytes."""


def media_type_of(content_type: str, known: Collection[str] = tuple(BODY_LIMITS)) -> str:
    """Media type of a Content-Type header, without its parameters.

    Raises
    ------
    Refusal : 415, it is not one that is read here.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in known:
        return media_type
    what = f"is '{media_type}', which is not read here" if media_type else "is missing"
    raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, DataError(what, "content-type", f"send {', '.join(known)}"))


def read_request(media_type: str, body: bytes, mouse: str | None) -> tuple[dict[str, np.ndarray], str | None]:
    """Read the arrays of a request's body, and the mouse, which a JSON body may name instead of the query.

    Raises
    ------
    Refusal : 400, the body is not of its media type; 413, it grows too large when unpacked.
    DataError : the mouse is no name, or an array is none.
    """
    if media_type == NPZ:
        return unpack(body), mouse
    fields = _parse(body)
    named = mouse if fields.get("mouse") is None else fields["mouse"]
    if named is not None and not isinstance(named, str):
        raise DataError("is not a name", "mouse", "give the mouse's folder name as a string")
    if mouse is not None and named != mouse:
        raise DataError(f"is '{named}' in the body but '{mouse}' in the address", "mouse", "name it once")
    arrays = {name: _array(name, fields[name]) for name in CLIP_ARRAYS if name in fields}
    return arrays, named


def unpack(body: bytes, names: Sequence[str] = CLIP_ARRAYS) -> dict[str, np.ndarray]:
    """Some arrays of an npz, as far as it has them: those that make a clip.

    Raises
    ------
    Refusal : 400, it is no npz; 413, it grows too large when unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as directory:
            _check_directory(directory.infolist())
        with np.load(io.BytesIO(body), allow_pickle=False) as archive:
            found = {name: archive[name] for name in names if name in archive.files}
        return {name: array for name, array in found.items() if isinstance(array, np.ndarray)}
    except Refusal:
        raise
    except Exception as error:  # zipfile, zlib and numpy each raise their own for a damaged file
        raise bad_request(f"is not a readable npz ({error})") from error


def describe(model: Served) -> dict[str, object]:
    """What a model answers for, as `GET /v1/models` tells it."""
    manifest = model.manifest
    return {
        "name": manifest.name,
        "kind": manifest.kind,
        "architecture": manifest.architecture,
        "mice": [{"name": entry.name, "neurons": len(entry.unit_ids)} for entry in manifest.mice],
        "frame_shape": list(manifest.frame_shape),
        "rate": manifest.rate,
        "behavior_channels": manifest.behavior_channels,
        "inputs": manifest.inputs,
        "checksum": model.checksum,
    }


def describe_mouse(model: Served, mouse: str) -> dict[str, object]:
    """What a model knows of one of its mice; None where it came without.

    Raises
    ------
    BundleError : the bundle is damaged.
    """
    entry, anatomy = model.entry(mouse), model.anatomy(mouse)
    return {
        "name": mouse,
        "neurons": len(entry.unit_ids),
        "unit_ids": entry.unit_ids,
        "positions": None if anatomy.positions is None else anatomy.positions.tolist(),
        "areas": None if anatomy.areas is None else anatomy.areas.tolist(),
        "behavior_mean": entry.behavior_mean,
        "pupil_center_mean": entry.pupil_center_mean,
    }


def _check_directory(members: list[zipfile.ZipInfo]) -> None:
    """Refuse an npz before anything of it is unpacked; `zipfile` reads no more than the directory declares.

    Other compressions than numpy's own are refused, since their readers unpack whole blocks unasked.
    """
    if sum(member.file_size for member in members) > UNPACKED_LIMIT:
        what = f"holds arrays of more than {UNPACKED_LIMIT // MEBIBYTE} MiB"
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, DataError(what, "the body", "send a shorter clip"))
    if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
        raise bad_request("is an npz compressed in a way that numpy does not write")


def _parse(body: bytes) -> dict[str, object]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"is not readable JSON ({error})") from error
    if not isinstance(fields, dict):
        raise bad_request(f"is not a JSON object with {', '.join(CLIP_ARRAYS)}")
    return fields


def _array(name: str, value: object) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError as error:
        raise DataError("is not a rectangular array of numbers", name) from error
