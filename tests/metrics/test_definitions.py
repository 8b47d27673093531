"""The metrics against numbers of the public reference code, and their properties."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_ray.benchmark import EvalWindow
from sensorium_ray.metrics.definitions import (
    POOLINGS,
    TrialStatistics,
    VideoGroup,
    correlation_to_average,
    fraction_of_ceiling,
    single_trial_correlation,
)

REFERENCE = Path(__file__).parents[2] / ".." / "shared" / "data" / "metrics_reference"
MICE = ("mouse_a", "mouse_b")
NAN_NEURON = 9
"""Neuron of the reference set with one NaN in its predictions."""


@pytest.fixture(scope="module")
def vectors() -> dict[str, np.ndarray]:
    if not REFERENCE.is_dir():
        pytest.skip(f"the reference numbers are not at {REFERENCE}")
    with np.load(REFERENCE / "metrics_vectors.npz", allow_pickle=False) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def values(vectors: dict[str, np.ndarray]) -> dict:
    runs = json.loads((REFERENCE / "metrics_values.json").read_text())
    return runs["float64 runs of the same reference code"]


def statistics_of(targets: list[np.ndarray], predictions: list[np.ndarray], videos: list[int]) -> TrialStatistics:
    groups: dict[int, VideoGroup] = {}
    for target, prediction, video in zip(targets, predictions, videos, strict=True):
        groups.setdefault(video, VideoGroup(len(target))).add(target, prediction)
    first, *others = (group.statistics() for group in groups.values())
    for other in others:
        first = first.merge(other)
    return first


def reference(vectors: dict[str, np.ndarray], mouse: str, window: str) -> TrialStatistics:
    valid = vectors["valid_frames"].astype(int)
    if window == "50..298":
        valid = np.minimum(valid, 300) - 1  # the winner drops the last frame of shorter trials, too
    frames = [EvalWindow.parse(window).slice(int(count)) for count in valid]
    targets, predictions = (
        [trial[:, counts] for trial, counts in zip(vectors[f"{mouse}_{kind}"], frames, strict=True)]
        for kind in ("targets", "predictions")
    )
    return statistics_of(targets, predictions, vectors["video_ids"].tolist())


@pytest.mark.parametrize("mouse", MICE)
@pytest.mark.parametrize(
    ("window", "vector"),
    [
        ("50..end", "s23_corr_f64"),
        ("50..298", "winner_corr_f64"),
        ("50..299", "viv_f64_challenge_correlation"),
    ],
)
def test_single_trial_correlation_is_the_references(
    vectors: dict[str, np.ndarray], mouse: str, window: str, vector: str
) -> None:
    found = single_trial_correlation(reference(vectors, mouse, window))
    expected = np.nan_to_num(vectors[f"{vector}_{mouse}"])
    assert np.abs(found - expected).max() < 1e-9


@pytest.mark.parametrize("mouse", MICE)
def test_means_are_the_references(vectors: dict[str, np.ndarray], values: dict, mouse: str) -> None:
    found = {
        window: single_trial_correlation(reference(vectors, mouse, window))
        for window in ("50..end", "50..298", "50..299")
    }
    assert found["50..end"].mean() == pytest.approx(values[mouse]["s23_mean"], abs=1e-9)
    assert found["50..298"].mean() == pytest.approx(values[mouse]["winner_mean_nan0"], abs=1e-9)
    without_nan = np.delete(found["50..299"], NAN_NEURON).mean()
    assert without_nan == pytest.approx(values[mouse]["viv_challenge_correlation_nanmean"], abs=1e-9)


def test_pooling_over_neurons_is_the_starter_kits(vectors: dict[str, np.ndarray], values: dict) -> None:
    found = [single_trial_correlation(reference(vectors, mouse, "50..end")) for mouse in MICE]
    means, neurons = (np.array(list(map(function, found))) for function in (np.mean, len))
    expected = values["s23_total_per_neuron_False"]
    assert POOLINGS["neurons"](means, neurons) == pytest.approx(expected, abs=1e-9)


def test_pooling_over_mice_is_the_winners(vectors: dict[str, np.ndarray], values: dict) -> None:
    found = [single_trial_correlation(reference(vectors, mouse, "50..298")) for mouse in MICE]
    means, neurons = (np.array(list(map(function, found))) for function in (np.mean, len))
    expected = np.mean([values[mouse]["winner_mean_nan0"] for mouse in MICE])
    assert POOLINGS["neurons-then-mice"](means, neurons) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("mouse", MICE)
def test_correlation_to_average_is_the_references(vectors: dict[str, np.ndarray], values: dict, mouse: str) -> None:
    found = correlation_to_average(reference(vectors, mouse, "50..299"))
    assert found is not None
    # The reference keeps each video's correlations in float32, even in its float64 run.
    expected = np.nan_to_num(vectors[f"viv_f64_correlation_to_average_{mouse}"])
    assert np.abs(found - expected).max() < 2e-7
    assert found[NAN_NEURON] == 0.0
    expected_mean = values[mouse]["viv_correlation_to_average_nanmean"]
    assert np.delete(found, NAN_NEURON).mean() == pytest.approx(expected_mean, abs=2e-7)


@pytest.mark.parametrize("mouse", MICE)
def test_special_neurons_count_0(vectors: dict[str, np.ndarray], mouse: str) -> None:
    statistics = reference(vectors, mouse, "50..299")
    for metric in (single_trial_correlation, correlation_to_average):
        found = metric(statistics)
        assert found is not None
        assert found[[3, 5, 7, NAN_NEURON]].tolist() == [0.0, 0.0, 0.0, 0.0]


def trials(seed: int, videos: list[int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    random = np.random.default_rng(seed)
    drives = {video: random.gamma(0.5, 1.0, (3, 30)) for video in set(videos)}
    targets = [drives[video] + random.gamma(0.5, 1.0, (3, 30)) for video in videos]
    predictions = [drives[video] + random.normal(0, 0.3, (3, 30)) for video in videos]
    return targets, predictions


VIDEOS = st.lists(st.integers(0, 2), min_size=4, max_size=9)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), VIDEOS, st.floats(0.1, 1e3))
def test_the_order_of_trials_and_the_unit_of_responses_do_not_matter(
    seed: int, videos: list[int], scale: float
) -> None:
    targets, predictions = trials(seed, videos)
    plain = statistics_of(targets, predictions, videos)
    order = np.random.default_rng(seed).permutation(len(videos))
    shuffled = statistics_of(
        [targets[i] * scale for i in order], [predictions[i] for i in order], [videos[i] for i in order]
    )
    assert shuffled.trials == plain.trials == len(videos)
    for metric in (single_trial_correlation, correlation_to_average):
        assert metric(shuffled) == pytest.approx(metric(plain), abs=1e-6)


@given(st.integers(0, 2**32 - 1), VIDEOS)
def test_correlation_to_average_is_its_definition(seed: int, videos: list[int]) -> None:
    targets, predictions = trials(seed, videos)
    repeated = [video for video in set(videos) if videos.count(video) > 1]
    expected = np.zeros(3)
    for video in repeated:
        means = [np.mean([a[i] for i, v in enumerate(videos) if v == video], axis=0) for a in (targets, predictions)]
        expected += [np.corrcoef(y, p)[0, 1] for y, p in zip(*means, strict=True)]
    found = correlation_to_average(statistics_of(targets, predictions, videos))
    assert found == pytest.approx(expected / len(repeated), abs=1e-6)


def test_without_repeats_there_is_no_correlation_to_average() -> None:
    targets, predictions = trials(0, [0, 1, 2])
    assert correlation_to_average(statistics_of(targets, predictions, [0, 1, 2])) is None


def test_the_fraction_is_unknown_without_a_positive_ceiling() -> None:
    assert fraction_of_ceiling(0.3, 0.6) == 0.5
    assert fraction_of_ceiling(0.3, None) is None
    assert fraction_of_ceiling(None, 0.6) is None
    assert fraction_of_ceiling(0.3, 0.0) is None
