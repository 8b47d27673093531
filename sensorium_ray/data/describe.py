"""What a folder of mice or a frame store holds, in a few numbers a mouse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..progress import track
from .moments import Moments
from .raw import RawMouse, find_mice
from .store import FrameStore, MouseData, TrialInfo, video_id


@dataclass(frozen=True, slots=True)
class TierSummary:
    """Trials of one tier; `frames` and `repeats` are the least and the most, per trial and per video."""

    tier: str
    trials: int
    frames: tuple[int, int]
    videos: int
    repeats: tuple[int, int]


@dataclass(frozen=True, slots=True)
class MouseSummary:
    """One mouse; the responses' mean and standard deviation are medians over neurons, of the train tier.

    They are None where there is no trial of that tier.
    """

    name: str
    neurons: int
    frame_shape: tuple[int, int]
    response_mean: float | None
    response_std: float | None
    tiers: list[TierSummary]


def describe(path: Path) -> list[MouseSummary]:
    """Summarise the mice of a frame store, or of a raw folder, which reads and so checks every trial.

    Raises
    ------
    DataError : there is neither, or a file is at fault.
    """
    path = Path(path)
    if (path / "store.json").is_file() or any(path.glob("*/source.json")):
        store = FrameStore.open(path)
        return [_of_stored(store[name]) for name in store.mice]
    return [_of_raw(mouse) for mouse in find_mice(path)]


def _of_stored(mouse: MouseData) -> MouseSummary:
    statistics = mouse.statistics
    return MouseSummary(
        mouse.name,
        mouse.neurons,
        mouse.frame_shape,
        float(np.median(statistics.response_mean)),
        float(np.median(statistics.response_std)),
        _tiers(mouse.trials),
    )


def _of_raw(mouse: RawMouse) -> MouseSummary:
    infos: list[TrialInfo] = []
    pooled: Moments | None = None
    for trial in track(mouse.trials, len(mouse.trials), f"read {mouse.name}"):
        read = mouse.read(trial)
        tier = str(mouse.tiers[trial])
        infos.append(TrialInfo(trial, tier, len(read.video), video_id(read.video), ""))
        if tier == "train":
            moments = Moments.of(read.responses.T)
            pooled = moments if pooled is None else pooled.merge(moments)
    return MouseSummary(
        mouse.name,
        mouse.neurons,
        read.video.shape[1:],
        None if pooled is None else float(np.median(pooled.mean)),
        None if pooled is None else float(np.median(pooled.std)),
        _tiers(infos),
    )


def _tiers(trials: Iterable[TrialInfo]) -> list[TierSummary]:
    by_tier = {tier: [info for info in trials if info.tier == tier] for tier in TIERS}
    return [_tier(tier, infos) for tier, infos in by_tier.items() if infos]


def _tier(tier: str, trials: list[TrialInfo]) -> TierSummary:
    frames = [info.frames for info in trials]
    repeats = Counter(info.video for info in trials).values()
    return TierSummary(tier, len(trials), (min(frames), max(frames)), len(repeats), (min(repeats), max(repeats)))
