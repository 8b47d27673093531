"""Whoever asks a real endpoint, and however, gets what the batch job predicted for the same clip."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import tritonclient.http as triton
from npz import pack
from serving.browsing import CHROMIUM, Bench, chromium
from serving.endpoints import Running, serving
from tiny_store import Tiny

from sensorium_ray.benchmark import EvalWindow
from sensorium_ray.client.clients import SensoriumClient
from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.data.store import FrameStore
from sensorium_ray.scoring.job import score
from sensorium_ray.serving.answers import NPY, NPZ

MOUSE = "mouse-b"
MODEL = "both"


@pytest.fixture(scope="module")
def trial(tiny: Tiny) -> int:
    return FrameStore.open(tiny.store)[MOUSE].select("live_test_main")[0].trial


@pytest.fixture(scope="module")
def clip(tiny: Tiny, trial: int) -> Clip:
    return FrameStore.open(tiny.store)[MOUSE].clip(trial)


@pytest.fixture(scope="module")
def expected(tiny: Tiny, trial: int, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> np.ndarray:
    """What the batch job predicted, (neurons, frames)."""
    out = tmp_path_factory.mktemp("batch") / "out"
    score(tiny.ensemble, tiny.store, out, truth=tiny.truth, window=EvalWindow(10, 50), keep="float32")
    kept = pq.read_table(out / "predictions" / MODEL / MOUSE / "live_test_main")
    rows = kept.filter(pc.equal(kept["trial"], trial)).sort_by("neuron")
    return np.array(rows["prediction"].to_pylist(), np.float32)


@pytest.fixture(scope="module")
def running(tiny: Tiny) -> Iterator[Running]:
    with serving(tiny.ensemble) as (found, _):
        yield found


def agree(answer: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-5)


def test_tritonclient(running: Running, clip: Clip, expected: np.ndarray) -> None:
    inputs = [triton.InferInput(name, getattr(clip, name).shape, "FP32") for name in CLIP_ARRAYS]
    for entry, name in zip(inputs, CLIP_ARRAYS, strict=True):
        entry.set_data_from_numpy(getattr(clip, name))
    client = triton.InferenceServerClient(running.url.removeprefix("http://"))
    agree(client.infer(MODEL, inputs, parameters={"mouse": MOUSE}).as_numpy("responses"), expected)


def test_curl(running: Running, clip: Clip, expected: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "clip.npz").write_bytes(pack({name: getattr(clip, name) for name in CLIP_ARRAYS}))
    asked = ["-H", f"Content-Type: {NPZ}", "-H", f"Accept: {NPY}", "--data-binary", f"@{tmp_path / 'clip.npz'}"]
    url = f"{running.url}/v1/models/{MODEL}/predict?mouse={MOUSE}"
    answer = subprocess.run(["curl", "--silent", "--fail", *asked, url], check=True, capture_output=True).stdout
    agree(np.load(io.BytesIO(answer), allow_pickle=False), expected)


def test_the_python_client(running: Running, clip: Clip, expected: np.ndarray) -> None:
    with SensoriumClient(running.url) as client:
        agree(client.predict(MODEL, clip, MOUSE).values, expected)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: make chromium")
def test_the_page(running: Running, clip: Clip, expected: np.ndarray) -> None:
    with chromium() as browser:
        bench = Bench(browser.new_page(), running.url)
        bench.choose(MODEL, MOUSE)
        bench.drop("clip.npz", pack({name: getattr(clip, name) for name in CLIP_ARRAYS}))
        bench.page.wait_for_selector("#own-states:not([hidden])")
        bench.predict()
        agree(bench.array("Responses, npy"), expected)
        assert bench.faults == []
