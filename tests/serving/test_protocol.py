from __future__ import annotations

import io
import json
import zipfile
from http import HTTPStatus

import numpy as np
import pytest
from npz import pack

from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.errors import DataError
from sensorium_ray.serving import protocol_v1
from sensorium_ray.serving.answers import JSON, NPZ
from sensorium_ray.serving.problems import Refusal
from sensorium_ray.serving.protocol_v1 import read_request


def arrays_of(clip: Clip) -> dict[str, np.ndarray]:
    return {name: getattr(clip, name) for name in CLIP_ARRAYS}


def json_of(clip: Clip, **changes: object) -> bytes:
    return json.dumps({name: array.tolist() for name, array in arrays_of(clip).items()} | changes).encode()


@pytest.mark.parametrize("given", ["application/x-npz", "Application/X-NPZ; charset=binary"])
def test_media_type_is_read_without_its_parameters(given: str) -> None:
    assert protocol_v1.media_type_of(given) == NPZ


@pytest.mark.parametrize("given", ["", "text/csv", "application/x-pickle"])
def test_other_media_types_are_refused(given: str) -> None:
    with pytest.raises(Refusal, match="send application/x-npz, application/json, multipart/form-data") as refusal:
        protocol_v1.media_type_of(given)
    assert refusal.value.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE


def test_npz_and_json_carry_the_same_clip(clip: Clip) -> None:
    from_npz, mouse = read_request(NPZ, pack(arrays_of(clip)), "mouse-a")
    from_json, named = read_request(JSON, json_of(clip, mouse="mouse-a"), None)
    _, also_named = read_request(JSON, json_of(clip, mouse=None), "mouse-a")
    assert mouse == named == also_named == "mouse-a"
    for name in CLIP_ARRAYS:
        np.testing.assert_array_equal(from_npz[name], getattr(clip, name), strict=True)
        np.testing.assert_array_equal(np.float32(from_json[name]), getattr(clip, name), strict=True)


def pickled(clip: Clip) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays_of(clip) | {"video": np.array([{}], dtype=object)})
    return buffer.getvalue()


def compressed_with(method: int, clip: Clip) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, array in arrays_of(clip).items():
            with archive.open(f"{name}.npy", "w") as member:
                np.save(member, array)
    return buffer.getvalue()


def test_deflated_npz_is_read(clip: Clip) -> None:
    found, _ = read_request(NPZ, compressed_with(zipfile.ZIP_DEFLATED, clip), "m")
    np.testing.assert_array_equal(found["video"], clip.video)


def test_bodies_that_are_no_npz_are_refused(clip: Clip) -> None:
    whole = pack(arrays_of(clip))
    claims_too_much = whole.replace(b"'shape': (50, 4, 6), }", b"'shape': (5**40,4,6),}")
    for body in (b"", b"nonsense", whole[:-40], pickled(clip), compressed_with(zipfile.ZIP_BZIP2, clip)):
        with pytest.raises(Refusal, match="npz") as refusal:
            read_request(NPZ, body, "m")
        assert refusal.value.status == HTTPStatus.BAD_REQUEST
    assert claims_too_much != whole
    with pytest.raises(Refusal, match="not a readable npz"):
        read_request(NPZ, claims_too_much, "m")


def test_a_pickle_is_named_as_the_reason(clip: Clip) -> None:
    with pytest.raises(Refusal, match="allow_pickle=False"):
        read_request(NPZ, pickled(clip), "m")


def test_an_npz_that_grows_too_large_is_refused_before_it_is_unpacked(
    clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = compressed_with(zipfile.ZIP_DEFLATED, Clip(np.zeros((200, 64, 64)), *np.zeros((2, 2, 200))))
    monkeypatch.setattr(protocol_v1, "UNPACKED_LIMIT", 2 * 1024**2)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    assert len(body) < 10_000
    with pytest.raises(Refusal, match="more than 2 MiB") as refusal:
        read_request(NPZ, body, "m")
    assert refusal.value.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"[" * 100_000, b"\xff"])
def test_bodies_that_are_no_json_object_are_refused(body: bytes) -> None:
    with pytest.raises(Refusal, match="JSON") as refusal:
        read_request(JSON, body, "m")
    assert refusal.value.status == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"video": [[1, 2], [3]]}, "video: is not a rectangular array"),
        ({"mouse": 3}, "mouse: is not a name"),
        ({"mouse": "mouse-b"}, "mouse: is 'mouse-b' in the body but 'mouse-a' in the address"),
    ],
)
def test_json_at_fault_gets_its_sentence(clip: Clip, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_request(JSON, json_of(clip, **changes), "mouse-a")


def test_a_member_that_is_no_array_counts_as_missing(clip: Clip) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("video.npy", b"not an array")
    assert read_request(NPZ, buffer.getvalue(), "m") == ({}, "m")
