"""A tiny store with its truth, and bundles whose answers can be worked out by hand."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sensorium_ray.benchmark import SENSORIUM_2023
from sensorium_ray.bundle.manifest import MEMBERS, ONNX, Manifest, Member, MouseEntry, checksums
from sensorium_ray.data.store import (
    FORMAT,
    TrialInfo,
    mouse_checksum,
    row_dtype,
    store_checksum,
    trial_file,
    write_trials,
)
from sensorium_ray.storage import remove, sha256, write_json, write_npy, write_npz

MICE = {"mouse-a": np.array([3, 1, 7, 5]), "mouse-b": np.array([2, 4, 6, 8, 10, 12])}
FRAME_SHAPE = (4, 6)
FRAMES = 60
TIERS = {
    "oracle": [("o1", "movie"), ("o1", "movie"), ("o2", "movie")],
    "live_test_main": [("m1", "movie"), ("m1", "movie"), ("m2", "movie"), ("m2", "movie")],
    "final_test_main": [("m3", "movie"), ("m3", "movie")],
    "live_test_bonus": [("b1", "random_dots"), ("b1", "random_dots")],
    "final_test_bonus": [("b2", "images"), ("b2", "images"), ("b3", "pink_noise"), ("b3", "pink_noise")],
}
"""Video and family of the trials of each tier."""


@dataclass(frozen=True)
class Tiny:
    """What the tests share."""

    store: Path
    truth: Path
    good: Path
    bad: Path
    ensemble: Path


def write_tiny(folder: Path) -> Tiny:
    """Write all of it into a new folder."""
    random = np.random.default_rng(0)
    true = random.uniform(0.5, 2.0, (2, sum(map(len, MICE.values()))))
    good = _write_model(folder / "good", true + random.normal(0, 0.3, true.shape))
    bad = _write_model(folder / "bad", random.uniform(0.5, 2.0, true.shape)[:, ::-1] * [[1], [-1]])
    ensemble = _write_ensemble(folder / "both", {good: 0.75, bad: 0.25})
    for number, mouse in enumerate(MICE):
        first = number * len(MICE["mouse-a"])
        _write_mouse(folder, mouse, true[:, first : first + len(MICE[mouse])], seed=number)
    _finish_store(folder / "store")
    write_json(folder / "truth" / "truth.json", {"format": 1})
    return Tiny(folder / "store", folder, good, bad, ensemble)


def answer(gains: np.ndarray, video: np.ndarray, behavior: np.ndarray) -> np.ndarray:
    """Brightness times one gain plus running speed times another, (neurons, frames) float32."""
    brightness = video.mean(axis=(1, 2))
    return (gains[0][:, None] * brightness + gains[1][:, None] * behavior[1]).astype(np.float32)


def _write_mouse(folder: Path, name: str, gains: np.ndarray, seed: int) -> None:
    random = np.random.default_rng(seed)
    truth, store = folder / "truth" / name, folder / "store" / name
    videos = {video: random.uniform(0, 255, (FRAMES, *FRAME_SHAPE)) for tier in TIERS.values() for video, _ in tier}
    trials, families = [], []
    for tier, shown in TIERS.items():
        for video, family in shown:
            trial = len(trials)
            rows = np.zeros(FRAMES, row_dtype(FRAME_SHAPE, gains.shape[1]))
            rows["video"], rows["behavior"] = videos[video], random.gamma(2.0, 10.0, (FRAMES, 2))
            rates = answer(gains, rows["video"], rows["behavior"].T)
            recorded = rates + random.normal(0, 15, rates.shape)
            write_npy(truth / "rates" / f"{trial}.npy", rates)
            if tier == "oracle":
                rows["responses"] = recorded.T
            else:
                write_npy(truth / "responses" / f"{trial}.npy", recorded)
            write_npy(trial_file(store, trial), rows)
            trials.append(TrialInfo(trial, tier, FRAMES, video, sha256(trial_file(store, trial))))
            families.append(family)
    _write_truth_trials(truth / "trials.csv", trials, families)
    write_npz(store / "neurons.npz", {"unit_ids": MICE[name], "coordinates": np.zeros((len(MICE[name]), 3))})
    write_trials(store / "trials.csv", trials)
    described = {"frame_shape": FRAME_SHAPE, "behavior_channels": 2, "dtype": "float32", "rounding": None, "absent": []}
    files = {file: sha256(store / file) for file in ("neurons.npz", "trials.csv")}
    write_json(store / "mouse.json", {**described, "files": files})
    write_json(store / "checksum.json", mouse_checksum(MICE[name], trials))


def _write_truth_trials(path: Path, trials: list[TrialInfo], families: list[str]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "tier", "family", "video"])
        for info, family in zip(trials, families, strict=True):
            writer.writerow([info.trial, info.tier, family, info.video])


def _finish_store(store: Path) -> None:
    mice = {}
    for name in MICE:
        file = store / name / "checksum.json"
        mice[name] = file.read_text().strip().strip('"')
        remove(file)
    entries = {"format": FORMAT, "benchmark": SENSORIUM_2023.name, "mice": mice, "checksum": store_checksum(mice)}
    write_json(store / "store.json", entries)


def write_slow(path: Path) -> Path:
    """A model that takes a good part of a second for every clip."""
    gains = np.random.default_rng(1).uniform(0.5, 2.0, (2, sum(map(len, MICE.values()))))
    return _write_model(path, gains, toil=3)


def _write_model(path: Path, gains: np.ndarray, toil: int = 0) -> Path:
    path.mkdir()
    onnx.save(_graph(gains.astype(np.float32), toil), path / ONNX)
    _write_manifest(path, "model")
    return path


def _write_ensemble(path: Path, members: dict[Path, float]) -> Path:
    for member in members:
        target = path / MEMBERS / member.name
        target.mkdir(parents=True)
        for file in member.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
    weights = tuple(Member(name=member.name, weight=weight) for member, weight in members.items())
    _write_manifest(path, "ensemble", weights)
    return path


def _write_manifest(path: Path, kind: str, members: tuple[Member, ...] = ()) -> None:
    entries = tuple(MouseEntry(name=name, unit_ids=tuple(ids.tolist())) for name, ids in MICE.items())
    Manifest(
        kind=kind,  # type: ignore[arg-type]
        name=path.name,
        architecture="gains",
        config={},
        mice=entries,
        frame_shape=FRAME_SHAPE,
        members=members,
        files=checksums(path),
        provenance={},
    ).write(path)


def _graph(gains: np.ndarray, toil: int) -> onnx.ModelProto:
    """`answer` as ONNX, with the inputs of every bundle; and `toil` products of large matrices that add nothing."""
    constants = {
        "brightness_gain": gains[0],
        "speed_gain": gains[1],
        "one": np.array([1]),
        "speed_row": np.array(1),
    }
    nodes = [
        helper.make_node("ReduceMean", ["video"], ["brightness"], axes=[2, 3], keepdims=0),
        helper.make_node("Gather", ["behavior", "speed_row"], ["speed"], axis=1),
    ]
    for name in ("brightness", "speed"):
        nodes += [
            helper.make_node("Unsqueeze", [name, "one"], [f"{name}_3d"]),
            helper.make_node("Gather", [f"{name}_gain", "neurons"], [f"{name}_chosen"]),
            helper.make_node("Unsqueeze", [f"{name}_chosen", "one"], [f"{name}_column"]),
            helper.make_node("Mul", [f"{name}_3d", f"{name}_column"], [f"{name}_part"]),
        ]
    nodes.append(helper.make_node("Add", ["brightness_part", "speed_part"], ["toil_0"]))
    for step in range(toil):
        nodes += _toil(step)
        constants |= {"large": np.full((1000, 1000), 1e-9, np.float32), "nothing": np.float32(0) * gains[:1, :1]}
    nodes.append(helper.make_node("Identity", [f"toil_{toil}"], ["responses"]))
    single, whole = TensorProto.FLOAT, TensorProto.INT64
    inputs = [
        helper.make_tensor_value_info("video", single, ["batch", "frames", *FRAME_SHAPE]),
        helper.make_tensor_value_info("behavior", single, ["batch", 2, "frames"]),
        helper.make_tensor_value_info("pupil_center", single, ["batch", 2, "frames"]),
        helper.make_tensor_value_info("mouse", whole, ["batch"]),
        helper.make_tensor_value_info("neurons", whole, ["neurons"]),
    ]
    outputs = [helper.make_tensor_value_info("responses", single, ["batch", "chosen", "frames"])]
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "gains", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _toil(step: int) -> list[onnx.NodeProto]:
    """Work that depends on the input, so that it cannot be done beforehand."""
    before, after = f"toil_{step}", f"toil_{step + 1}"
    sizes = [("ReduceMean", [before], f"mean_{step}"), ("Mul", ["large", f"mean_{step}"], f"scaled_{step}")]
    product = f"product_{step}"
    products = [("MatMul", [f"scaled_{step}", "large"], product), ("ReduceMean", [product], f"end_{step}")]
    last = [("Mul", [f"end_{step}", "nothing"], f"zero_{step}"), ("Add", [before, f"zero_{step}"], after)]
    nodes = []
    for kind, inputs, output in (*sizes, *products, *last):
        options = {"keepdims": 0} if kind == "ReduceMean" else {}
        nodes.append(helper.make_node(kind, inputs, [output], **options))
    return nodes
