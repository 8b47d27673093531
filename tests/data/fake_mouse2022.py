"""Small mouse folders of the 2022 layout, written by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fake_mouse import save

MOUSE_2022 = "static00001-1-1-GrayImageNet-0123456789abcdef0123456789abcdef"
NEURONS = 5
AREAS = ["V1", "V1", "LM", "AL", "V1"]
IMAGE_SHAPE = (144, 256)
TIERS = ["train"] * 6 + ["validation"] * 2 + ["none"] + ["test"] * 4 + ["final_test"] * 2
REPEATS = {10: 9, 12: 11}
"""Trials that show another trial's image again."""
WITHHELD = ("test", "final_test")
FIELDS = ("images", "responses", "behavior", "pupil_center")


def write_mouse_2022(parent: Path, name: str = MOUSE_2022, seed: int = 0) -> Path:
    """Write a mouse as the two of the competition are: responses withheld, trial indices hashed; return its folder."""
    folder = parent / name
    random = np.random.default_rng(seed)
    images = np.arange(len(TIERS)) + 5000
    arrays = {trial: _trial(random, tier) for trial, tier in enumerate(TIERS) if tier != "none"}
    for trial, original in REPEATS.items():
        arrays[trial]["images"] = arrays[original]["images"]
        images[trial] = images[original]
    for trial, fields in arrays.items():
        for field, array in fields.items():
            save(folder / "data" / field / f"{trial}.npy", array)
    meta = folder / "meta"
    save(meta / "trials" / "tiers.npy", np.array(TIERS))
    save(meta / "trials" / "frame_image_id.npy", images)
    save(meta / "trials" / "frame_image_class.npy", np.full(len(TIERS), "imagenet"))
    save(
        meta / "trials" / "trial_idx.npy", np.array([f"{hash_:032x}" for hash_ in random.integers(0, 9**9, len(TIERS))])
    )
    save(meta / "neurons" / "unit_ids.npy", np.arange(NEURONS) * 3 + 1)
    save(meta / "neurons" / "cell_motor_coordinates.npy", random.integers(-900, 900, (NEURONS, 3)))
    save(meta / "neurons" / "area.npy", np.array(AREAS))
    save(meta / "neurons" / "layer.npy", np.full(NEURONS, "L2/3"))
    for name_, number in (("animal_ids", 1), ("sessions", 1), ("scan_idx", 1)):
        save(meta / "neurons" / f"{name_}.npy", np.full(NEURONS, number))
    _write_statistics(meta / "statistics", [arrays[trial] for trial, tier in enumerate(TIERS) if tier == "train"])
    return folder


def _trial(random: np.random.Generator, tier: str) -> dict[str, np.ndarray]:
    responses = random.gamma(0.2, 10.0, NEURONS)
    return {
        "images": random.integers(0, 256, (1, *IMAGE_SHAPE)).astype(np.float64),
        "responses": np.zeros_like(responses) if tier in WITHHELD else responses,
        "behavior": random.normal([50, 0, 3], [10, 1, 2]),
        "pupil_center": random.normal(150, 5, 2),
    }


def _write_statistics(folder: Path, trials: list[dict[str, np.ndarray]]) -> None:
    kinds = {"mean": np.mean, "median": np.median, "std": np.std, "min": np.min, "max": np.max}
    for field in FIELDS:
        stacked = np.stack([arrays[field] for arrays in trials])
        axis = None if field == "images" else 0
        for kind, reduce in kinds.items():
            for condition in ("all", "stimulus_Frame"):
                save(folder / field / condition / f"{kind}.npy", reduce(stacked, axis=axis))
