from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from collected import statistics_of, trials, value
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_ray.metrics.bootstrap import bootstrap, interval
from sensorium_ray.metrics.definitions import METRICS
from sensorium_ray.metrics.trials import TrialStatistics, VideoGroup

RANKED, LOSS = "single_trial_correlation", "poisson_loss"


def independent_trials(seed: int, number: int, neurons: int) -> TrialStatistics:
    """Trials whose gain varies, so that frames of one trial are not independent of each other."""
    random = np.random.default_rng(seed)
    group = VideoGroup(neurons, ("trials", "loss"))
    for unit in range(number):
        shared = random.normal(random.normal(0, 0.5), 1.0, (neurons, 8))
        group.add(shared + random.normal(0, 1, shared.shape), shared + random.normal(0, 1, shared.shape), unit)
    return group.statistics()


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    truth = value(independent_trials(0, 6000, 40), RANKED).mean()
    found = bootstrap(independent_trials(1, 40, 600), [RANKED])[RANKED]
    covered = np.mean((found.low <= truth) & (truth <= found.high))
    assert 0.88 < covered < 0.98


def test_the_interval_of_the_mean_over_neurons_is_narrower() -> None:
    statistics = independent_trials(2, 40, 300)
    found = bootstrap(statistics, [RANKED])[RANKED]
    low, high = interval(found.means)
    assert low < value(statistics, RANKED).mean() < high
    assert high - low < 0.3 * np.mean(found.high - found.low)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_a_replicate_is_the_score_of_the_trials_that_were_drawn(seed: int) -> None:
    videos = [0, 0, 1, 1, 1, 2, 2]
    targets, predictions = trials(seed, videos)
    statistics = statistics_of(targets, predictions, videos)
    found = bootstrap(statistics, list(METRICS), replicates=3, seed=seed)
    random = np.random.default_rng(seed)
    by_trial = random.multinomial(7, np.full(7, 1 / 7), size=3)
    by_video = np.random.default_rng(seed).multinomial(3, np.full(3, 1 / 3), size=3)
    for name, metric in METRICS.items():
        for replicate in range(3):
            if metric.resampled_by == "trial":
                drawn = [i for i, often in enumerate(by_trial[replicate]) for _ in range(often)]
                pieces = [statistics_of([targets[i]], [predictions[i]], [0]) for i in drawn]
            else:
                drawn = [video for video, often in enumerate(by_video[replicate]) for _ in range(often)]
                of = [[i for i, shown in enumerate(videos) if shown == video] for video in drawn]
                pieces = [statistics_of([targets[i] for i in o], [predictions[i] for i in o], [0] * len(o)) for o in of]
            expected = value(reduce(TrialStatistics.merge, pieces), name)
            mean = np.nanmean(expected) if not np.isnan(expected).all() else np.nan
            assert found[name].means[replicate] == pytest.approx(mean, abs=1e-4, rel=1e-4, nan_ok=True), name


def test_trials_that_are_all_equal_leave_nothing_to_vary() -> None:
    target, prediction = (each[0] for each in trials(0, [0]))
    videos = [0, 0, 1, 1, 2, 2]
    statistics = statistics_of([target] * 6, [prediction] * 6, videos)
    for name, found in bootstrap(statistics, list(METRICS)).items():
        expected = value(statistics, name)
        assert found.low == pytest.approx(expected, abs=1e-5, nan_ok=True), name
        assert found.high == pytest.approx(expected, abs=1e-5, nan_ok=True), name
        assert interval(found.means) == pytest.approx([np.nanmean(expected)] * 2, abs=1e-5)


def test_the_seed_decides_and_bundles_share_their_draws() -> None:
    statistics = independent_trials(3, 20, 5)
    first, again, other = (bootstrap(statistics, [RANKED, LOSS], seed=seed)[RANKED] for seed in (1, 1, 2))
    assert np.array_equal(first.means, again.means)
    assert np.array_equal(first.low, again.low)
    assert not np.array_equal(first.means, other.means)
    alone = bootstrap(statistics, [RANKED], seed=1)[RANKED]
    assert np.array_equal(alone.means, first.means)


def test_a_constant_neuron_is_0_in_every_replicate() -> None:
    targets, predictions = trials(1, [0, 1, 2, 3])
    for target, prediction in zip(targets, predictions, strict=True):
        target[1], prediction[1] = 0.1, 0.3
    found = bootstrap(statistics_of(targets, predictions, [0, 1, 2, 3]), [RANKED])[RANKED]
    assert found.low[1] == found.high[1] == 0.0


def test_a_neuron_that_does_not_count_is_left_out_of_the_means() -> None:
    targets, predictions = trials(2, [0, 0, 1, 1, 2, 2])
    predictions[3][1, 4] = np.nan
    found = bootstrap(statistics_of(targets, predictions, [0, 0, 1, 1, 2, 2]), [LOSS])[LOSS]
    assert np.isfinite(found.means).all()
    assert np.isfinite(found.low[[0, 2]]).all()


def test_one_video_has_no_interval_and_what_cannot_be_computed_is_absent() -> None:
    repeated = bootstrap(statistics_of(*trials(3, [0, 0]), [0, 0]), list(METRICS))
    assert np.isnan(repeated["correlation_to_average"].means).all()
    assert np.isnan(repeated["fev"].low).all()
    assert np.isnan(interval(repeated["fev"].means)).all()
    assert np.isfinite(repeated[RANKED].means).all()
    once = bootstrap(statistics_of(*trials(3, [0, 1]), [0, 1]), list(METRICS))
    assert set(once) == {RANKED, LOSS, "correlation_to_average_pooled"}


def test_more_trials_than_blocks_are_drawn_in_blocks() -> None:
    statistics = independent_trials(4, 300, 50)
    wide = bootstrap(independent_trials(4, 100, 50), [RANKED])[RANKED]
    narrow = bootstrap(statistics, [RANKED])[RANKED]
    assert len(statistics.parts["trials"].blocks) == 128
    assert 0.4 < np.mean(narrow.high - narrow.low) / np.mean(wide.high - wide.low) < 0.75  # 1/sqrt(3) is 0.58


def test_percentiles_leave_out_nan() -> None:
    means = np.random.default_rng(0).normal(0, 1, 101)
    expected = np.percentile(means, [2.5, 97.5])
    assert interval(np.concatenate([means, [np.nan, np.nan]])) == pytest.approx(expected)
