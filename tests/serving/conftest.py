"""A small bundle whose answers depend on everything that a request carries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sensorium_ray.bundle.anatomy import Anatomy, write_anatomy
from sensorium_ray.bundle.ensemble import write_ensemble
from sensorium_ray.bundle.manifest import ONNX, Manifest, MouseEntry, checksums
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.data.clip import Clip

HEIGHT, WIDTH = 4, 6
MICE = {"mouse-a": (5, 7, 9), "mouse-b": (2, 3)}
AREAS = ["V1", "LM", "V1"]
"""Of the neurons of the first mouse; of the second's nobody knows where they lie."""
MEMBERS = ("factorised3d", "linear_nonlinear")
POSITIONS = [[-1058, -707, 200], [-443, -93, 425], [0, 8, 300]]


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one bundle, 'tiny', for two mice."""
    folder = tmp_path_factory.mktemp("bundles")
    means = {"behavior_mean": (3, 1), "pupil_center_mean": (10, 20)}
    write_bundle(
        folder / "tiny",
        MouseEntry(name="mouse-a", unit_ids=MICE["mouse-a"], **means),
        MouseEntry(name="mouse-b", unit_ids=MICE["mouse-b"]),
        **{"mouse-a": Anatomy(np.array(POSITIONS, np.float32), np.array(AREAS))},
    )
    return folder


def write_bundle(bundle: Path, *mice: MouseEntry, **anatomy: Anatomy) -> None:
    """A gain a neuron, times mean grey level + mean behaviour + mean pupil centre."""
    bundle.mkdir()
    onnx.save(_graph(sum(len(mouse.unit_ids) for mouse in mice)), bundle / ONNX)
    write_anatomy(bundle, anatomy)
    Manifest(
        kind="model",
        name=bundle.name,
        architecture="gains",
        config={},
        mice=mice,
        frame_shape=(HEIGHT, WIDTH),
        files=checksums(bundle),
        provenance={},
    ).write(bundle)


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of real networks, 'both'."""
    folder = tmp_path_factory.mktemp("ensembles") / "both"
    write_ensemble({name: PRETRAINED / name for name in MEMBERS}, [0.25, 0.75], folder, {})
    return folder


@pytest.fixture(scope="session")
def clip() -> Clip:
    """Fifty frames of noise."""
    return noise(50)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the endpoint logs, though Ray, once it is started, keeps its loggers' records from all others."""
    logger = logging.getLogger("ray.serve.sensorium")
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, logger.name):
        yield caplog
    logger.removeHandler(caplog.handler)


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., Clip]:
    """The maker of clips: frames, height, width."""
    return noise


def noise(frames: int, height: int = HEIGHT, width: int = WIDTH) -> Clip:
    """Noise with noisy behaviour."""
    random = np.random.default_rng(0)
    return Clip(
        random.uniform(0, 255, (frames, height, width)).astype(np.float32),
        random.uniform(0, 40, (2, frames)).astype(np.float32),
        random.uniform(0, 40, (2, frames)).astype(np.float32),
    )


def _graph(neurons: int) -> onnx.ModelProto:
    constants = {
        "gains": np.linspace(0.1, 1.7, neurons, dtype=np.float32)[:, None],
        "pixels": np.array([2, 3]),
        "channels": np.array([1]),
    }
    nodes = [
        helper.make_node("ReduceMean", ["video", "pixels"], ["grey"], keepdims=0),
        helper.make_node("ReduceMean", ["behavior", "channels"], ["state"], keepdims=0),
        helper.make_node("ReduceMean", ["pupil_center", "channels"], ["gaze"], keepdims=0),
        helper.make_node("Sum", ["grey", "state", "gaze"], ["drive"]),
        helper.make_node("Unsqueeze", ["drive", "channels"], ["drives"]),
        helper.make_node("Gather", ["gains", "neurons"], ["chosen"], axis=0),
        helper.make_node("Mul", ["chosen", "drives"], ["responses"]),
    ]
    real, whole = TensorProto.FLOAT, TensorProto.INT64
    inputs = [
        helper.make_tensor_value_info("video", real, ["b", "t", HEIGHT, WIDTH]),
        helper.make_tensor_value_info("behavior", real, ["b", 2, "t"]),
        helper.make_tensor_value_info("pupil_center", real, ["b", 2, "t"]),
        helper.make_tensor_value_info("mouse", whole, ["b"]),
        helper.make_tensor_value_info("neurons", whole, ["n"]),
    ]
    outputs = [helper.make_tensor_value_info("responses", real, ["b", "n", "t"])]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "gains", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
