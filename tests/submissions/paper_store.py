"""A frame store that exists on paper: trials and neurons, as much as a check asks for, and no data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sensorium_ray.benchmark import SENSORIUM_2022, SENSORIUM_2023, Benchmark, EvalWindow
from sensorium_ray.data.store import TrialInfo
from sensorium_ray.submissions.files import SCHEMA

MOUSE = "dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20"
OTHER = "dynamic29623-4-9-Video-9b4f6a1a067fe51e15306b9628efea20"
PLUS = "static27204-5-13-GrayImageNet-94c6ff995dac583098847cfecd43e7b6"
PLAIN = "static26872-17-20-GrayImageNet-94c6ff995dac583098847cfecd43e7b6"


@dataclass
class PaperMouse:
    name: str
    unit_ids: np.ndarray
    trials: list[TrialInfo]

    @property
    def neurons(self) -> int:
        return len(self.unit_ids)

    has_trial_ids = False

    def select(self, *tiers: str) -> list[TrialInfo]:
        return [info for info in self.trials if info.tier in tiers]


@dataclass
class PaperStore:
    benchmark: Benchmark
    of: dict[str, PaperMouse] = field(default_factory=dict)

    @property
    def mice(self) -> list[str]:
        return sorted(self.of)

    def __getitem__(self, mouse: str) -> PaperMouse:
        return self.of[mouse]


def store_of_2023() -> PaperStore:
    """Two mice; tiers are strewn over the indices as in the published ones, and one trial is a frame short."""
    tiers = {
        "live_test_main": {2: 300, 9: 300, 17: 299, 20: 300},
        "final_test_main": {4: 300, 11: 300, 23: 239, 30: 300},
        "live_test_bonus": {6: 300, 26: 300},
        "final_test_bonus": {8: 300, 28: 300},
        "oracle": {0: 300, 1: 300, 12: 300},
    }
    trials = [
        TrialInfo(trial, tier, frames, f"video {trial}", "")
        for tier, lengths in tiers.items()
        for trial, frames in lengths.items()
    ]
    mice = [
        PaperMouse(MOUSE, np.array([3, 1, 7, 5]), trials),
        PaperMouse(OTHER, np.array([2, 4, 6, 8, 10, 12]), trials),
    ]
    return PaperStore(SENSORIUM_2023, {mouse.name: mouse for mouse in mice})


def store_of_2022() -> PaperStore:
    """A mouse of each track; images are shown twice."""
    trials = [
        TrialInfo(trial, tier, 1, f"image {tier} {trial % 3}", "")
        for tier, first in (("test", 10), ("final_test", 16), ("validation", 0))
        for trial in range(first, first + 6)
    ]
    mice = [PaperMouse(PLAIN, np.array([5, 2, 9]), trials), PaperMouse(PLUS, np.array([1, 4, 3, 8]), trials)]
    return PaperStore(SENSORIUM_2022, {mouse.name: mouse for mouse in mice})


def rows_of(store: PaperStore, tier: str, window: EvalWindow) -> list[dict[str, Any]]:
    """Rows of a faultless file of 2023."""
    return [
        {
            "mouse": mouse,
            "trial_indices": info.trial,
            "prediction": np.ones((store[mouse].neurons, info.frames))[:, window.slice(info.frames)].tolist(),
            "neuron_ids": store[mouse].unit_ids.tolist(),
        }
        for mouse in store.mice
        for info in sorted(store[mouse].select(tier), key=lambda info: info.trial)
    ]


def write_rows(path: Path, rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA, compression: str = "brotli") -> Path:
    """Write rows as a file of 2023."""
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, compression=compression)
    return path
