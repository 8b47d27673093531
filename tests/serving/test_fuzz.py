"""Thousands of damaged requests: each gets an answer or a refusal, never a failure of ours."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from npz import pack

from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.serving import runs
from sensorium_ray.serving.answers import FORMS, JSON, NPZ
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.catalogue import Catalogue
from sensorium_ray.serving.laboratory import Laboratory
from sensorium_ray.serving.predictors import Predictors
from sensorium_ray.serving.protocol_v2 import HEADER_LENGTH

V1, V2 = "/v1/models/tiny/predict", "/v2/models/tiny/infer"
GRADIENTS, EXPERIMENTS = "/v1/models/tiny/gradients", "/v1/experiments"
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1e300,
    3e38,
    2**70,
    "",
    "x",
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    "\ud800",
    "\x00",
    "9" * 400,
]
"""What stands where something else is expected."""
NUMBERS = [
    "0",
    "-1",
    "7",
    "99999999999999999999",
    "1e400",
    "nan",
    "inf",
    "",
    "x",
    "0,1",
    "1,,2",
    "5..2",
    "..",
    "0..end",
    "²",
]
QUERY = ["mouse", "neurons", "unit_ids", "areas", "frames", "mean", "dtype", "rate", "resize", "fit", "timing"]


@pytest.fixture(scope="module")
def web(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """An endpoint that plans and makes no experiment, and whose gradients are 0."""
    models = Catalogue(bundles)
    predictors = Predictors(models)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Laboratory, "_make_next", lambda _: False)
        patch.setattr(Laboratory, "plan", lambda *_: None)
        patch.setattr(runs, "WAITING", 10_000)
        made = Laboratory(tmp_path_factory.mktemp("runs"), models, predictors)
        yield TestClient(make_app(models, predictors.predict, laboratory=made, differentiate=no_slope))


def no_slope(_: str, clips: Any, __: str, ___: Any, weights: np.ndarray) -> Future[tuple[np.ndarray, ...]]:
    told: Future[tuple[np.ndarray, ...]] = Future()
    told.set_result((weights, np.stack([clip.video for clip in clips])))
    return told


class Fuzzer:
    """Makes requests that are right, and damages them."""

    def __init__(self, seed: int, clip: Clip) -> None:
        self.random = np.random.default_rng(seed)
        self.arrays = {name: getattr(clip, name)[..., :3] for name in CLIP_ARRAYS}
        self.arrays["video"] = clip.video[:3]

    def request(self) -> dict[str, Any]:
        """Address, headers and content of one request."""
        kind = self.choose(["npz", "json", "form", "v2", "binary", "gradients", "experiment"])
        made: dict[str, Any] = getattr(self, f"_{kind}")()
        if self.random.random() < 0.6:
            made["content"] = self.damaged(made["content"])
        if self.random.random() < 0.3:
            header = self.choose(["content-type", "accept", HEADER_LENGTH, "content-encoding"])
            made["headers"] |= {header: self.word().encode()}
        if self.random.random() < 0.4:
            made["params"] = made["params"] | {self.choose(QUERY): self.word()}
        return made

    def choose(self, among: list[Any]) -> Any:
        return among[int(self.random.integers(len(among)))]

    def word(self) -> str:
        media = [
            *FORMS,
            "multipart/form-data; boundary=x",
            "*/*;q=x",
            "gzip",
            "deflate",
            "identity",
            "true",
            "crop",
            "float16",
        ]
        return str(self.choose(self.choose([NUMBERS, media])))

    def damaged(self, body: bytes) -> bytes:
        """Bytes changed, cut, doubled, or torn."""
        raw, place = bytearray(body), int(self.random.integers(len(body) + 1))
        match int(self.random.integers(4)):
            case 0:
                for where in self.random.integers(max(len(raw), 1), size=int(self.random.integers(1, 9))):
                    if raw:
                        raw[where] = int(self.random.integers(256))
            case 1:
                del raw[place:]
            case 2:
                raw[place:place] = self.random.bytes(int(self.random.integers(1, 40)))
            case 3:
                del raw[place : place + int(self.random.integers(1, 40))]
        return bytes(raw)

    def odd(self, tree: Any) -> Any:
        """A tree of JSON in which something else stands somewhere."""
        if self.random.random() < 0.25 or not isinstance(tree, dict | list) or not tree:
            return self.choose(ODD)
        if isinstance(tree, dict):
            key = self.choose(list(tree))
            return {**tree, key: self.odd(tree[key])}
        place = int(self.random.integers(len(tree)))
        return [*tree[:place], self.odd(tree[place]), *tree[place + 1 :]]

    def _text(self, tree: Any) -> bytes:
        for _ in range(int(self.random.integers(3))):
            tree = self.odd(tree)
        return json.dumps(tree).encode()

    def _npz(self) -> dict[str, Any]:
        arrays = dict(self.arrays)
        if self.random.random() < 0.5:
            shape = tuple(self.random.integers(0, 5, size=int(self.random.integers(4))))
            dtype = self.choose(["f2", "f8", "i8", "u1", "?", "c8", "U3", "M8[s]"])
            arrays[self.choose(list(arrays))] = np.zeros(shape).astype(dtype)
        return {"url": V1, "content": pack(arrays), "headers": {"content-type": NPZ}, "params": {"mouse": "mouse-a"}}

    def _json(self) -> dict[str, Any]:
        tree = {name: array.tolist() for name, array in self.arrays.items()} | {"mouse": "mouse-a"}
        return {"url": V1, "content": self._text(tree), "headers": {"content-type": JSON}, "params": {}}

    def _form(self) -> dict[str, Any]:
        buffer = io.BytesIO()
        np.save(buffer, self.arrays["video"])
        parts = {"video": buffer.getvalue(), "behavior": self._text([3, 1]), "pupil_center": b"1,2\n" * 3}
        lines = [
            b'--x\r\nContent-Disposition: form-data; name="%b"; filename="f"\r\n\r\n%b\r\n' % (name.encode(), content)
            for name, content in parts.items()
        ]
        headers = {"content-type": "multipart/form-data; boundary=x"}
        return {
            "url": V1,
            "content": b"".join([*lines, b"--x--\r\n"]),
            "headers": headers,
            "params": {"mouse": "mouse-a"},
        }

    def _v2(self) -> dict[str, Any]:
        inputs = [
            {"name": name, "shape": list(array.shape), "datatype": "FP32", "data": array.ravel().tolist()}
            for name, array in self.arrays.items()
        ]
        tree = {"inputs": inputs, "parameters": {"mouse": "mouse-a"}, "outputs": [{"name": "responses"}]}
        return {"url": V2, "content": self._text(tree), "headers": {"content-type": JSON}, "params": {}}

    def _binary(self) -> dict[str, Any]:
        inputs = [
            {"name": n, "shape": list(a.shape), "datatype": "FP32", "parameters": {"binary_data_size": a.nbytes}}
            for n, a in self.arrays.items()
        ]
        text = self._text({"inputs": inputs, "parameters": {"mouse": "mouse-a", "binary_data_output": True}})
        tail = b"".join(np.ascontiguousarray(array).tobytes() for array in self.arrays.values())
        return {"url": V2, "content": text + tail, "headers": {HEADER_LENGTH: str(len(text))}, "params": {}}

    def _gradients(self) -> dict[str, Any]:
        made = self._npz()
        if self.random.random() < 0.5:
            made["content"] = pack({**self.arrays, "weights": np.ones((self.choose([2, 3]), 3))})
        return made | {"url": GRADIENTS}

    def _experiment(self) -> dict[str, Any]:
        settings = {"directions": 4, "spatial_frequencies": [0.05], "contrast": 0.5}
        tree = {"experiment": "direction_tuning", "model": "tiny", "mouse": "mouse-a", "neurons": [0, 2]}
        content = self._text({**tree, "settings": settings})
        return {"url": EXPERIMENTS, "content": content, "headers": {"content-type": JSON}, "params": {}}


@pytest.mark.parametrize(
    ("seed", "many"), [(0, 1000), pytest.param(1, 10_000, marks=pytest.mark.slow)], ids=["thousand", "ten-thousand"]
)
@pytest.mark.filterwarnings("ignore")  # of numbers that are too large
def test_damaged_requests_never_make_it_fail(web: TestClient, clip: Clip, seed: int, many: int) -> None:
    fuzzer = Fuzzer(seed, clip)
    statuses: dict[int, int] = {}
    for number in range(many):
        request = fuzzer.request()
        answer = web.post(**request)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, f"request {number}: {request}"
        if answer.status_code >= 400:
            assert answer.json()["detail"], f"request {number}: {request}"
    assert min(statuses.get(200, 0), statuses.get(400, 0), statuses.get(422, 0)) > many // 30, statuses
