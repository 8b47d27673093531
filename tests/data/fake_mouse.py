"""Small mouse folders in the published layout, written by hand."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

MOUSE = "dynamic00001-1-1-Video-0123456789abcdef0123456789abcdef"
NEURONS = 5
FRAME_SHAPE = (4, 6)
FRAMES = 20
"""Valid frames of most trials."""
PADDED = 24
"""Frames of a file, NaN tail included."""
SHORT = 3
"""A trial that is one frame shorter than the others."""
TIERS = (
    ["train"] * 6
    + ["oracle"] * 4
    + ["none"]
    + ["live_test_main"] * 2
    + ["live_test_bonus", "final_test_main", "final_test_bonus"]
)
REPEATS = {7: 6, 9: 8, 12: 11}
"""Trials that show another trial's video again."""
WITHHELD = ("live_test_main", "live_test_bonus", "final_test_main", "final_test_bonus")


def write_mouse(parent: Path, name: str = MOUSE, seed: int = 0, more: int = 0) -> Path:
    """Write one mouse, with `more` additional training trials at the end; returns its folder."""
    folder = parent / name
    random = np.random.default_rng(seed)
    tiers = TIERS + ["train"] * more
    arrays = {trial: _trial(random, trial, tier) for trial, tier in enumerate(tiers) if tier != "none"}
    for trial, original in REPEATS.items():
        arrays[trial]["videos"][:] = arrays[original]["videos"]
    for trial, fields in arrays.items():
        for field, array in fields.items():
            save(folder / "data" / field / f"{trial}.npy", array)
    save(folder / "meta" / "trials" / "tiers.npy", np.array(tiers))
    save(folder / "meta" / "neurons" / "unit_ids.npy", np.arange(NEURONS) * 3 + 1)
    save(folder / "meta" / "neurons" / "cell_motor_coordinates.npy", random.normal(0, 100, (NEURONS, 3)))
    _write_statistics(folder, [arrays[trial] for trial, tier in enumerate(tiers) if tier == "train"])
    return folder


def pack(folder: Path, archive: Path, top: str = "") -> Path:
    """Zip a folder's content as published, at the zip's top or below a folder named `top`."""
    with ZipFile(archive, "w", ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, Path(top) / path.relative_to(folder))
    return archive


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def _trial(random: np.random.Generator, trial: int, tier: str) -> dict[str, np.ndarray]:
    responses = random.gamma(0.2, 10.0, (NEURONS, PADDED))
    arrays = {
        "videos": random.integers(0, 256, (*FRAME_SHAPE, PADDED)).astype(np.float64),
        "responses": np.zeros_like(responses) if tier in WITHHELD else responses,
        "behavior": random.gamma(2.0, 10.0, (2, PADDED)),
        "pupil_center": random.normal(150, 5, (2, PADDED)),
    }
    for array in arrays.values():
        array[..., FRAMES - (trial == SHORT) :] = np.nan
    return arrays


def _write_statistics(folder: Path, trials: list[dict[str, np.ndarray]]) -> None:
    kinds = {"mean": np.mean, "median": np.median, "std": np.std, "min": np.min, "max": np.max}
    for field in trials[0]:
        stacked = np.stack([arrays[field] for arrays in trials])
        for kind, reduce in kinds.items():
            save(folder / "meta" / "statistics" / field / "all" / f"{kind}.npy", reduce(stacked, axis=0))
