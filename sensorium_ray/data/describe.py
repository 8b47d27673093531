"""What mice, published or in a frame store, hold: a few numbers each, and what a picture of them shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import storage
from ..benchmark import Benchmark
from ..progress import track
from .moments import Moments
from .raw import RawMouse, RawTrial, find_mice
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
    """One mouse.

    Parameters
    ----------
    benchmark : whose rules it is of.
    dtype : of video and responses in the frame store; of a raw mouse None.
    rounding : what float16 costs, see `MouseData.rounding`.
    absent : fields that the release lacks and that are read as zeros.
    response_mean, response_std : medians over neurons, of the train tier; None where no trial is of that tier.
    """

    name: str
    benchmark: str
    neurons: int
    frame_shape: tuple[int, int]
    dtype: str | None
    rounding: dict[str, float] | None
    absent: tuple[str, ...]
    response_mean: float | None
    response_std: float | None
    tiers: list[TierSummary]


@dataclass(frozen=True, slots=True)
class SurveyedMouse:
    """A mouse's summary, and more than fits in it.

    Parameters
    ----------
    response_means : (neurons,) over the frames of the train tier; None where no trial is of that tier.
    trials : all of them, ordered.
    read : gives a trial by its index.
    """

    summary: MouseSummary
    benchmark: Benchmark
    response_means: np.ndarray | None
    trials: list[TrialInfo]
    read: Callable[[int], RawTrial]


def describe(path: storage.StrPath) -> list[MouseSummary]:
    """Summarise the mice of a frame store, or published ones, of which every trial is read and so checked.

    Parameters
    ----------
    path : a frame store, on disk or s3://; or a mouse (a folder or a zip), or a folder of mice.

    Raises
    ------
    DataError : there is neither, or a file is at fault.
    """
    return [mouse.summary for mouse in survey(path)]


def survey(path: storage.StrPath) -> list[SurveyedMouse]:
    """The same as `describe`, with what a picture needs.

    Raises
    ------
    DataError : as `describe`.
    """
    place = storage.locate(path)
    if _is_store(place):
        store = FrameStore.open(path)
        return [_of_stored(store[name], store.benchmark) for name in store.mice]
    return [_of_raw(mouse) for mouse in find_mice(path)]


def _is_store(place: Path) -> bool:
    """Whether it is a frame store, be it unfinished; there is nothing else on s3://."""
    finished = storage.is_remote(place) or storage.is_file(place / "store.json")
    return finished or any(storage.is_file(place / name / "source.json") for name in storage.names(place))


def _of_stored(mouse: MouseData, benchmark: Benchmark) -> SurveyedMouse:
    def read(trial: int) -> RawTrial:
        clip = mouse.clip(trial)
        return RawTrial(clip.video, mouse.responses(trial), clip.behavior, clip.pupil_center)

    means, stds = mouse.statistics.response_mean, mouse.statistics.response_std
    summary = MouseSummary(
        mouse.name,
        benchmark.name,
        mouse.neurons,
        mouse.frame_shape,
        str(mouse.dtype),
        mouse.rounding,
        mouse.absent,
        float(np.median(means)),
        float(np.median(stds)),
        _tiers(mouse.trials, benchmark),
    )
    return SurveyedMouse(summary, benchmark, means, mouse.trials, read)


def _of_raw(mouse: RawMouse) -> SurveyedMouse:
    trials: list[TrialInfo] = []
    pooled: Moments | None = None
    for trial in track(mouse.trials, len(mouse.trials), f"read {mouse.name}"):
        read = mouse.read(trial)
        tier = str(mouse.tiers[trial])
        trials.append(TrialInfo(trial, tier, len(read.video), video_id(read.video), ""))
        if tier == "train":
            moments = Moments.of(read.responses.T)
            pooled = moments if pooled is None else pooled.merge(moments)
    summary = MouseSummary(
        mouse.name,
        mouse.benchmark.name,
        mouse.neurons,
        read.video.shape[1:],
        None,
        None,
        mouse.absent,
        None if pooled is None else float(np.median(pooled.mean)),
        None if pooled is None else float(np.median(pooled.std)),
        _tiers(trials, mouse.benchmark),
    )
    return SurveyedMouse(summary, mouse.benchmark, None if pooled is None else pooled.mean, trials, mouse.read)


def _tiers(trials: list[TrialInfo], benchmark: Benchmark) -> list[TierSummary]:
    by_tier = {tier: [info for info in trials if info.tier == tier] for tier in benchmark.tiers}
    return [_tier(tier, infos) for tier, infos in by_tier.items() if infos]


def _tier(tier: str, trials: list[TrialInfo]) -> TierSummary:
    frames = [info.frames for info in trials]
    repeats = Counter(info.video for info in trials).values()
    return TierSummary(tier, len(trials), (min(frames), max(frames)), len(repeats), (min(repeats), max(repeats)))
