"""Statistics of a list of trials, collected video by video as the scoring job does it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from sensorium_ray.metrics.definitions import METRICS
from sensorium_ray.metrics.trials import TrialStatistics, VideoGroup


def statistics_of(
    targets: Sequence[np.ndarray], predictions: Sequence[np.ndarray], videos: Sequence[int]
) -> TrialStatistics:
    groups: dict[int, VideoGroup] = {}
    for unit, (target, prediction, video) in enumerate(zip(targets, predictions, videos, strict=True)):
        groups.setdefault(video, VideoGroup(len(target))).add(target, prediction, unit)
    return reduce(TrialStatistics.merge, [group.statistics() for group in groups.values()])


def value(statistics: TrialStatistics, name: str) -> np.ndarray:
    found = METRICS[name].compute(statistics)
    assert found is not None
    return found


def trials(
    seed: int, videos: Sequence[int], *, neurons: int = 3, frames: int = 30, ragged: int = 0
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Recorded and predicted responses of noisy repeats; up to `ragged` frames are missing from a trial."""
    random = np.random.default_rng(seed)
    drives = {video: random.gamma(0.5, 1.0, (neurons, frames)) for video in sorted(set(videos))}
    lengths = frames - random.integers(0, ragged + 1, len(videos))
    targets, predictions = [], []
    for video, length in zip(videos, lengths, strict=True):
        drive = drives[video][:, :length]
        targets.append(drive + random.gamma(0.5, 1.0, drive.shape))
        predictions.append(drive + random.normal(0, 0.3, drive.shape))
    return targets, predictions
