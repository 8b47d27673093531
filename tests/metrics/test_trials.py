"""Statistics of trials merge in any order and partition, travel as plain arrays, and refuse what does not fit."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import numpy as np
import pytest
from collected import statistics_of, trials, value
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_ray.errors import DataError
from sensorium_ray.metrics.definitions import METRICS
from sensorium_ray.metrics.parts import BLOCKS
from sensorium_ray.metrics.trials import TrialStatistics, VideoGroup
from sensorium_ray.storage import read_npz, write_npz

SEEDS = st.integers(0, 2**32 - 1)
VIDEOS = st.lists(st.integers(0, 3), min_size=5, max_size=10)  # of four videos at least one is repeated
UNITLESS = [name for name in METRICS if name not in ("poisson_loss", "normalised_correlation")]
"""Metrics that do not depend on the unit of response; the normalised one has a threshold in it."""


def of_each_video(seed: int, videos: list[int], ragged: int = 0) -> list[TrialStatistics]:
    targets, predictions = trials(seed, videos, ragged=ragged)
    groups: dict[int, VideoGroup] = {}
    for unit, (target, prediction, video) in enumerate(zip(targets, predictions, videos, strict=True)):
        groups.setdefault(video, VideoGroup(3)).add(target, prediction, unit)
    return [group.statistics() for group in groups.values()]


def same_scores(a: TrialStatistics, b: TrialStatistics, tolerance: float = 1e-9) -> bool:
    return a.trials == b.trials and all(
        value(a, name) == pytest.approx(value(b, name), abs=tolerance, nan_ok=True) for name in METRICS
    )


@settings(max_examples=50)
@given(SEEDS, VIDEOS, st.integers(0, 5), st.randoms(use_true_random=False), st.integers(0, 4))
def test_any_order_and_grouping_of_merges_scores_the_same(
    seed: int, videos: list[int], ragged: int, shuffler: object, split: int
) -> None:
    parts = of_each_video(seed, videos, ragged)
    in_order = reduce(TrialStatistics.merge, parts)
    shuffler.shuffle(parts)  # type: ignore[attr-defined]
    halves = [reduce(TrialStatistics.merge, half) for half in (parts[:split], parts[split:]) if half]
    grouped = reduce(TrialStatistics.merge, halves)
    assert same_scores(in_order, grouped)
    assert sorted(grouped.parts["trials"].blocks) == list(range(len(videos)))


@settings(max_examples=50)
@given(SEEDS, VIDEOS, st.integers(0, 5))
def test_the_order_of_trials_does_not_matter(seed: int, videos: list[int], ragged: int) -> None:
    targets, predictions = trials(seed, videos, ragged=ragged)
    order = np.random.default_rng(seed).permutation(len(videos))
    shuffled = statistics_of(*([each[i] for i in order] for each in (targets, predictions, videos)))
    assert same_scores(shuffled, statistics_of(targets, predictions, videos))


@settings(max_examples=30)
@given(SEEDS, VIDEOS)
def test_permuted_neurons_have_permuted_scores(seed: int, videos: list[int]) -> None:
    targets, predictions = trials(seed, videos)
    order = [2, 0, 1]
    permuted = statistics_of([y[order] for y in targets], [p[order] for p in predictions], videos)
    plain = statistics_of(targets, predictions, videos)
    for name in METRICS:
        assert value(permuted, name) == pytest.approx(value(plain, name)[order], abs=1e-12, nan_ok=True)


@settings(max_examples=50)
@given(SEEDS, VIDEOS, st.floats(0.1, 1e3), st.floats(0.1, 1e3), st.floats(-10, 10))
def test_correlations_ignore_the_scale_and_offset_of_either_side(
    seed: int, videos: list[int], of_responses: float, of_predictions: float, offset: float
) -> None:
    targets, predictions = trials(seed, videos)
    changed = statistics_of(
        [y * of_responses for y in targets], [p * of_predictions + offset for p in predictions], videos
    )
    plain = statistics_of(targets, predictions, videos)
    for name in ("single_trial_correlation", "correlation_to_average", "correlation_to_average_pooled", "fev"):
        assert value(changed, name) == pytest.approx(value(plain, name), abs=1e-6)


@settings(max_examples=30)
@given(SEEDS, VIDEOS, st.floats(0.01, 1e3))
def test_the_unit_of_responses_does_not_matter(seed: int, videos: list[int], scale: float) -> None:
    targets, predictions = trials(seed, videos)
    scaled = statistics_of([y * scale for y in targets], [p * scale for p in predictions], videos)
    plain = statistics_of(targets, predictions, videos)
    for name in UNITLESS:
        assert value(scaled, name) == pytest.approx(value(plain, name), abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("frames", [1, 2, 30])
def test_statistics_come_back_exactly_from_their_arrays(tmp_path: Path, kind: type, frames: int) -> None:
    videos = [0, 1, 1, 2, 2, 2]
    targets, predictions = ([a.astype(kind) for a in each] for each in trials(1, videos, frames=frames))
    statistics = statistics_of(targets, predictions, videos)
    write_npz(tmp_path / "statistics.npz", statistics.arrays())
    found = TrialStatistics.of_arrays(read_npz(tmp_path / "statistics.npz"))
    before, after = statistics.arrays(), found.arrays()
    assert before.keys() == after.keys()
    for name, array in before.items():
        assert array.dtype == after[name].dtype != object
        assert np.array_equal(array, after[name], equal_nan=True), name
    whole = [one.parts["trials"].total.moments.comoment for one in (statistics, found)]
    assert np.array_equal(*whole)
    merged = [one.merge(one).arrays() for one in (statistics, found)]
    assert all(np.array_equal(array, merged[1][name], equal_nan=True) for name, array in merged[0].items())


def test_a_videos_number_is_the_lowest_of_its_trials_in_any_order() -> None:
    (target, *_), (prediction, *_) = trials(0, [0])
    group = VideoGroup(3)
    for unit in (130, 7, 2):
        group.add(target, prediction, unit)
    found = group.statistics().parts
    assert sorted(found["trials"].blocks) == [2, 7]
    assert [list(found[name].blocks) for name in ("averages", "videos", "images")] == [[2], [2], [2]]


def test_memory_does_not_grow_with_the_trials() -> None:
    def size(number: int) -> int:
        group = VideoGroup(2)
        responses = np.random.default_rng(0).gamma(1.0, 1.0, (2, 3))
        for unit in range(number):
            group.add(responses, responses, unit)
        return sum(array.nbytes for array in group.statistics().arrays().values())

    assert size(BLOCKS) == size(3 * BLOCKS)


def test_ten_trials_of_a_mouse_are_a_small_message() -> None:
    group = VideoGroup(8000)
    trial = np.ones((8000, 2), np.float32)
    for unit in range(10):
        group.add(trial, trial, unit)
    assert sum(array.nbytes for array in group.statistics().arrays().values()) < 3.5e6


def test_what_was_added_may_be_overwritten() -> None:
    videos = [0, 0, 1]
    targets, predictions = trials(2, videos)
    expected = statistics_of(targets, predictions, videos)
    groups, buffer = {0: VideoGroup(3), 1: VideoGroup(3)}, np.empty((2, *targets[0].shape))
    for unit, video in enumerate(videos):
        buffer[:] = targets[unit], predictions[unit]
        groups[video].add(*buffer, unit)
    buffer[:] = 0
    assert same_scores(groups[0].statistics().merge(groups[1].statistics()), expected, tolerance=0)


def test_shapes_that_disagree_are_refused() -> None:
    group = VideoGroup(3)
    for responses, prediction in [
        (np.zeros((3, 5)), np.zeros((3, 4))),
        (np.zeros((3, 5)), np.zeros((2, 5))),
        (np.zeros((4, 5)), np.zeros((4, 5))),
        (np.zeros(3), np.zeros(3)),
    ]:
        with pytest.raises(DataError, match=r"trial 7: responses are .* and predictions .* of 3 neurons"):
            group.add(responses, prediction, 7)
    with pytest.raises(DataError, match="no frame counts"):
        group.add(np.zeros((3, 0)), np.zeros((3, 0)), 7)
    with pytest.raises(DataError, match="no trial was added"):
        group.statistics()


def test_statistics_of_different_mice_do_not_merge() -> None:
    three, four = (statistics_of(*trials(0, [0], neurons=neurons), [0]) for neurons in (3, 4))
    with pytest.raises(DataError, match="3 and 4 neurons do not merge"):
        three.merge(four)


def test_arrays_of_something_else_are_refused() -> None:
    arrays = statistics_of(*trials(0, [0, 0]), [0, 0]).arrays()
    del arrays["trials/total/mean"]
    with pytest.raises(DataError, match="not statistics of trials"):
        TrialStatistics.of_arrays(arrays)
