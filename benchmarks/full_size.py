"""Networks of full size for benchmarks of what is around them: 7,900 neurons, one mouse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from inference import FRAMES, NEURONS
from sensorium_ray.bundle.manifest import ONNX, CutEntry, Manifest, MouseEntry, checksums
from sensorium_ray.data.windows import Chunks

MOUSE = "mouse0"


def gains_bundle(folder: Path) -> Path:
    """A network that computes next to nothing: a gain a neuron times the mean grey level."""
    from onnx import helper

    nodes = [
        helper.make_node("ReduceMean", ["video", "pixels"], ["grey"], keepdims=0),
        helper.make_node("Unsqueeze", ["grey", "axis"], ["drive"]),
        helper.make_node("Gather", ["gains", "neurons"], ["chosen"], axis=0),
        helper.make_node("Mul", ["chosen", "drive"], ["responses"]),
    ]
    gains = np.random.default_rng(0).uniform(0.5, 1.5, (NEURONS, 1)).astype(np.float32)
    return _bundle(folder / "gains", nodes, {"gains": gains, "pixels": np.array([2, 3]), "axis": np.array([1])})


def linear_nonlinear_bundle(folder: Path) -> Path:
    """A filter a neuron over the pixels of a frame, and a softplus: 11 billion operations a clip of 300 frames."""
    from onnx import helper

    nodes = [
        helper.make_node("Reshape", ["video", "flat"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "filters"], ["drive"]),
        helper.make_node("Softplus", ["drive"], ["rates"]),
        helper.make_node("Transpose", ["rates"], ["neuron_by_neuron"], perm=[0, 2, 1]),
        helper.make_node("Gather", ["neuron_by_neuron", "neurons"], ["responses"], axis=1),
    ]
    filters = np.random.default_rng(0).normal(0, 1e-3, (36 * 64, NEURONS)).astype(np.float32)
    return _bundle(folder / "linear-nonlinear", nodes, {"flat": np.array([0, 0, -1]), "filters": filters})


def _bundle(path: Path, nodes: list[Any], constants: dict[str, np.ndarray]) -> Path:
    """The bundle of a graph from 'video' (b, t, 36, 64) and 'neurons' (n,) to 'responses' (b, n, t), written once.

    Clips go through it whole, as they do through the peers' networks.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    if path.exists():
        return path
    path.mkdir(parents=True)
    inputs = [
        helper.make_tensor_value_info("video", TensorProto.FLOAT, ["b", "t", 36, 64]),
        helper.make_tensor_value_info("neurons", TensorProto.INT64, ["n"]),
    ]
    outputs = [helper.make_tensor_value_info("responses", TensorProto.FLOAT, ["b", "n", "t"])]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, path.name, inputs, outputs, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path / ONNX)
    about: dict[str, Any] = {"architecture": path.name, "config": {}, "frame_shape": (36, 64), "provenance": {}}
    mice = (MouseEntry(name=MOUSE, unit_ids=tuple(range(NEURONS))),)
    cut = CutEntry.of(Chunks(FRAMES))
    Manifest(kind="model", name=path.name, mice=mice, cut=cut, files=checksums(path), **about).write(path)
    return path
