"""The metrics against numbers of the public reference code, and against their definitions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from collected import statistics_of, trials, value
from hypothesis import given
from hypothesis import strategies as st

from sensorium_ray.benchmark import BENCHMARKS, EvalWindow
from sensorium_ray.metrics.definitions import METRICS, POOLINGS, RANKED_BY, fraction_of_ceiling, parts_of
from sensorium_ray.metrics.normalisation import time_precision
from sensorium_ray.metrics.trials import TrialStatistics, VideoGroup

REFERENCE = Path(__file__).parents[2] / ".." / "shared" / "data" / "metrics_reference"
MICE = ("mouse_a", "mouse_b")
NAN_NEURON = 9
"""Neuron of the reference set with one NaN in its predictions."""
FLOAT64_RUNS = "float64 runs of the same reference code"


@pytest.fixture(scope="module")
def vectors() -> dict[str, np.ndarray]:
    if not REFERENCE.is_dir():
        pytest.skip(f"the reference numbers are not at {REFERENCE}")
    with np.load(REFERENCE / "metrics_vectors.npz", allow_pickle=False) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def every_value(vectors: dict[str, np.ndarray]) -> dict:
    return json.loads((REFERENCE / "metrics_values.json").read_text())


@pytest.fixture(scope="module")
def values(every_value: dict) -> dict:
    return every_value[FLOAT64_RUNS]


def counted(vectors: dict[str, np.ndarray], mouse: str, window: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Recorded and predicted responses of the frames that count."""
    valid = vectors["valid_frames"].astype(int)
    if window == "50..298":
        valid = np.minimum(valid, 300) - 1  # the winner drops the last frame of shorter trials, too
    frames = [EvalWindow.parse(window).slice(int(count)) for count in valid]
    targets, predictions = (
        [trial[:, counts] for trial, counts in zip(vectors[f"{mouse}_{kind}"], frames, strict=True)]
        for kind in ("targets", "predictions")
    )
    return targets, predictions


def reference(vectors: dict[str, np.ndarray], mouse: str, window: str) -> TrialStatistics:
    return statistics_of(*counted(vectors, mouse, window), vectors["video_ids"].tolist())


def images_of(vectors: dict[str, np.ndarray], mouse: str) -> TrialStatistics:
    """The set of the 2022 metrics: repeated videos only, and the NaN of a prediction is 0."""
    targets, predictions = counted(vectors, mouse, "50..299")
    videos = vectors["video_ids"].tolist()
    repeated = [i for i, video in enumerate(videos) if videos.count(video) > 1]
    filled = [np.nan_to_num(predictions[i]) for i in repeated]
    return statistics_of([targets[i] for i in repeated], filled, [videos[i] for i in repeated])


def static_of(vectors: dict[str, np.ndarray]) -> TrialStatistics:
    """Sensorium 2022: an image is a clip of one frame."""
    targets, predictions = (vectors[f"static_{kind}"][:, :, None] for kind in ("responses", "predictions"))
    return statistics_of(list(targets), list(predictions), vectors["static_image_ids"].tolist())


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
    found = value(reference(vectors, mouse, window), "single_trial_correlation")
    expected = np.nan_to_num(vectors[f"{vector}_{mouse}"])
    assert np.abs(found - expected).max() < 1e-9


@pytest.mark.parametrize("mouse", MICE)
def test_means_are_the_references(vectors: dict[str, np.ndarray], values: dict, mouse: str) -> None:
    found = {
        window: value(reference(vectors, mouse, window), "single_trial_correlation")
        for window in ("50..end", "50..298", "50..299")
    }
    assert found["50..end"].mean() == pytest.approx(values[mouse]["s23_mean"], abs=1e-9)
    assert found["50..298"].mean() == pytest.approx(values[mouse]["winner_mean_nan0"], abs=1e-9)
    without_nan = np.delete(found["50..299"], NAN_NEURON).mean()
    assert without_nan == pytest.approx(values[mouse]["viv_challenge_correlation_nanmean"], abs=1e-9)


def test_pooling_over_neurons_is_the_starter_kits(vectors: dict[str, np.ndarray], values: dict) -> None:
    found = [value(reference(vectors, mouse, "50..end"), RANKED_BY) for mouse in MICE]
    means, neurons = (np.array(list(map(function, found))) for function in (np.mean, len))
    expected = values["s23_total_per_neuron_False"]
    assert POOLINGS["neurons"](means, neurons) == pytest.approx(expected, abs=1e-9)


def test_pooling_over_mice_is_the_winners(vectors: dict[str, np.ndarray], values: dict) -> None:
    found = [value(reference(vectors, mouse, "50..298"), RANKED_BY) for mouse in MICE]
    means, neurons = (np.array(list(map(function, found))) for function in (np.mean, len))
    expected = np.mean([values[mouse]["winner_mean_nan0"] for mouse in MICE])
    assert POOLINGS["neurons-then-mice"](means, neurons) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("mouse", MICE)
def test_both_sides_divided_by_the_std_of_each_time_point_are_the_servers(
    vectors: dict[str, np.ndarray], every_value: dict, mouse: str
) -> None:
    whole = vectors[f"{mouse}_targets"].astype(np.float64)
    for trial, valid in zip(whole, vectors["valid_frames"], strict=True):
        trial[:, valid:] = np.nan
    precision = time_precision(np.nanstd(whole, axis=0))[:, 50:]
    targets, predictions = (
        [trial * precision[:, : trial.shape[1]] for trial in each] for each in counted(vectors, mouse, "50..end")
    )
    found = value(statistics_of(targets, predictions, vectors["video_ids"].tolist()), RANKED_BY)
    expected = every_value["disagreement_table_nan_to_0"][mouse]["per_time_std_normalised_both_sides_50_end"]
    assert found.mean() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("mouse", MICE)
def test_correlation_to_average_is_the_references(vectors: dict[str, np.ndarray], values: dict, mouse: str) -> None:
    found = value(reference(vectors, mouse, "50..299"), "correlation_to_average")
    # The reference keeps each video's correlations in float32, even in its float64 run.
    expected = np.nan_to_num(vectors[f"viv_f64_correlation_to_average_{mouse}"])
    assert np.abs(found - expected).max() < 2e-7
    assert found[NAN_NEURON] == 0.0
    expected_mean = values[mouse]["viv_correlation_to_average_nanmean"]
    assert np.delete(found, NAN_NEURON).mean() == pytest.approx(expected_mean, abs=2e-7)


@pytest.mark.parametrize("mouse", MICE)
def test_normalised_correlation_is_the_references(vectors: dict[str, np.ndarray], values: dict, mouse: str) -> None:
    found = value(reference(vectors, mouse, "50..299"), "normalised_correlation")
    expected = vectors[f"viv_f64_normalised_correlation_{mouse}".replace("normalised", "normalized")]
    assert np.isnan(found).tolist() == np.isnan(expected).tolist()
    # The reference computes this in float32, even in its float64 run.
    assert np.nanmax(np.abs(found - expected)) < 1e-6
    assert np.nanmean(found) == pytest.approx(values[mouse]["viv_normalized_correlation_nanmean"], abs=1e-6)


@pytest.mark.parametrize("mouse", MICE)
def test_fev_and_feve_are_the_references(vectors: dict[str, np.ndarray], every_value: dict, mouse: str) -> None:
    statistics = images_of(vectors, mouse)
    assert np.allclose(value(statistics, "fev"), vectors[f"fev_{mouse}"], rtol=0, atol=1e-9, equal_nan=True)
    found = value(statistics, "feve")
    summary = next(v for k, v in every_value.items() if k.startswith("neuralpredictors.fev"))[mouse]
    assert np.flatnonzero(~np.isnan(found)).tolist() == summary["kept"]
    assert np.nanmean(found) == pytest.approx(summary["feve_kept_mean"], abs=1e-9)
    kept = ~np.isnan(found)
    assert np.allclose(found[kept], vectors[f"feve_{mouse}"][kept], rtol=0, atol=1e-9)


@pytest.mark.parametrize("mouse", MICE)
def test_correlation_to_average_over_frames_as_images_is_the_references(
    vectors: dict[str, np.ndarray], mouse: str
) -> None:
    found = value(images_of(vectors, mouse), "correlation_to_average_pooled")
    by_neuron_id = found[::-1]
    assert np.abs(by_neuron_id - vectors[f"metrics22_to_average_{mouse}"]).max() < 1e-9


def test_the_metrics_of_2022_are_the_references(vectors: dict[str, np.ndarray], every_value: dict) -> None:
    statistics = static_of(vectors)
    order = np.argsort(vectors["static_neuron_ids"])
    single, averaged = (value(statistics, f"{name}")[order] for name in (RANKED_BY, "correlation_to_average_pooled"))
    assert np.abs(single - vectors["static_single_sorted_ids"]).max() < 1e-9
    assert np.abs(averaged - vectors["static_to_average_sorted_ids"]).max() < 1e-9
    assert np.allclose(value(statistics, "fev"), vectors["static_fev"], rtol=0, atol=1e-9, equal_nan=True)
    kept = value(statistics, "feve")[order]
    assert np.allclose(kept[~np.isnan(kept)], vectors["static_feve_kept_sorted_ids"], rtol=0, atol=1e-9)
    summary = every_value["static2022 synthetic (20 images x 6 repeats x 40 neurons)"]
    assert np.nanmean(kept) == pytest.approx(summary["feve"], abs=1e-9)


def test_a_correlation_over_time_needs_more_than_one_frame() -> None:
    videos = [0, 0, 1, 1, 2]
    statistics = statistics_of(*trials(0, videos, frames=1), videos)
    unknown = {name for name, metric in METRICS.items() if metric.compute(statistics) is None}
    assert unknown == {"correlation_to_average", "normalised_correlation"}


@pytest.mark.parametrize("mouse", MICE)
def test_special_neurons_count_0(vectors: dict[str, np.ndarray], mouse: str) -> None:
    statistics = reference(vectors, mouse, "50..299")
    for name in ("single_trial_correlation", "correlation_to_average", "correlation_to_average_pooled"):
        assert value(statistics, name)[[3, 5, 7, NAN_NEURON]].tolist() == [0.0, 0.0, 0.0, 0.0]


VIDEOS = st.lists(st.integers(0, 2), min_size=4, max_size=9)
SEEDS = st.integers(0, 2**32 - 1)


def cut_repeats(each: list[np.ndarray], videos: list[int]) -> list[np.ndarray]:
    """(repeats, neurons, frames) of every video with repeats, cut to the shortest."""
    found = []
    for video in sorted(set(videos)):
        repeats = [trial for trial, shown in zip(each, videos, strict=True) if shown == video]
        if len(repeats) > 1:
            frames = min(repeat.shape[1] for repeat in repeats)
            found.append(np.stack([repeat[:, :frames] for repeat in repeats]))
    return found


@given(SEEDS, VIDEOS, st.integers(0, 9))
def test_correlation_to_average_is_its_definition(seed: int, videos: list[int], ragged: int) -> None:
    targets, predictions = trials(seed, videos, ragged=ragged)
    pairs = zip(cut_repeats(targets, videos), cut_repeats(predictions, videos), strict=True)
    expected = [
        [np.corrcoef(y, p)[0, 1] for y, p in zip(ys.mean(axis=0), ps.mean(axis=0), strict=True)] for ys, ps in pairs
    ]
    found = value(statistics_of(targets, predictions, videos), "correlation_to_average")
    assert found == pytest.approx(np.mean(expected, axis=0), abs=1e-6)


@given(SEEDS, VIDEOS, st.integers(0, 9))
def test_normalised_correlation_is_its_definition(seed: int, videos: list[int], ragged: int) -> None:
    targets, predictions = trials(seed, videos, ragged=ragged)
    expected = []
    for ys, ps in zip(cut_repeats(targets, videos), cut_repeats(predictions, videos), strict=True):
        repeats = len(ys)
        total, single = ys.sum(axis=0).var(axis=1, ddof=1), ys.var(axis=2, ddof=1).sum(axis=0)
        power = (total - single) / (repeats * (repeats - 1))
        covariance = [np.cov(y, p)[0, 1] for y, p in zip(ys.mean(axis=0), ps.mean(axis=0), strict=True)]
        with np.errstate(invalid="ignore"):
            scale = np.sqrt(ps.mean(axis=0).var(axis=1, ddof=1) * power) + 1e-8
        expected.append(np.where(power > 1e-4, covariance / scale, np.nan))
    found = value(statistics_of(targets, predictions, videos), "normalised_correlation")
    sums, numbers = np.nansum(expected, axis=0), np.sum(~np.isnan(expected), axis=0)
    assert found == pytest.approx(sums / np.where(numbers > 0, numbers, np.nan), rel=1e-6, nan_ok=True)


@given(SEEDS, VIDEOS, st.integers(0, 9))
def test_fev_and_feve_are_their_definitions(seed: int, videos: list[int], ragged: int) -> None:
    targets, predictions = trials(seed, videos, ragged=ragged)
    y, p = cut_repeats(targets, videos), cut_repeats(predictions, videos)
    noise = np.concatenate([ys.var(axis=0, ddof=1) for ys in y], axis=1).mean(axis=1)
    stacked = np.concatenate([ys.transpose(1, 0, 2).reshape(3, -1) for ys in y], axis=1)
    errors = [((ys - ps) ** 2).transpose(1, 0, 2).reshape(3, -1) for ys, ps in zip(y, p, strict=True)]
    total, error = stacked.var(axis=1, ddof=1), np.concatenate(errors, axis=1).mean(axis=1)
    fev = (total - noise) / total
    statistics = statistics_of(targets, predictions, videos)
    assert value(statistics, "fev") == pytest.approx(fev, abs=1e-9)
    feve = np.where(fev >= 0.15, 1 - (error - noise) / (total - noise), np.nan)
    assert value(statistics, "feve") == pytest.approx(feve, abs=1e-9, nan_ok=True)


def test_repeats_longer_than_what_may_be_cut_are_compared_all_the_same() -> None:
    """Of long trials only the last frames may be missing from another repeat: see `repeats.MAX_CUT`."""
    videos = [0, 0, 0, 1, 1]
    targets, predictions = trials(3, videos, frames=300, ragged=90)
    noise = np.concatenate([ys.var(axis=0, ddof=1) for ys in cut_repeats(targets, videos)], axis=1).mean(axis=1)
    total = np.concatenate([ys.transpose(1, 0, 2).reshape(3, -1) for ys in cut_repeats(targets, videos)], axis=1)
    for order in (range(5), range(4, -1, -1)):
        statistics = statistics_of(*([each[i] for i in order] for each in (targets, predictions, videos)))
        assert value(statistics, "fev") == pytest.approx(1 - noise / total.var(axis=1, ddof=1), abs=1e-9)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_a_repeat_that_is_far_too_short_is_averaged_but_not_compared(order: tuple[int, ...]) -> None:
    targets, predictions = trials(4, [0, 0, 0], frames=200)
    targets[1], predictions[1] = targets[1][:, :100], predictions[1][:, :100]
    statistics = statistics_of([targets[i] for i in order], [predictions[i] for i in order], [0, 0, 0])
    assert METRICS["fev"].compute(statistics) is None
    assert np.isnan(value(statistics, "normalised_correlation")).all()
    cut = statistics_of([target[:, :100] for target in targets], [p[:, :100] for p in predictions], [0, 0, 0])
    for name in ("correlation_to_average", "correlation_to_average_pooled"):
        assert value(statistics, name) == pytest.approx(value(cut, name), abs=1e-12)
    assert statistics.parts["averages"].total.moments.count == 100


@given(SEEDS, VIDEOS)
def test_poisson_loss_is_its_definition_and_a_negative_rate_is_0(seed: int, videos: list[int]) -> None:
    targets, predictions = trials(seed, videos, ragged=5)
    y, p = np.concatenate(targets, axis=1), np.maximum(np.concatenate(predictions, axis=1), 0)
    found = value(statistics_of(targets, predictions, videos), "poisson_loss")
    assert found == pytest.approx((p - y * np.log(p + 1e-8)).mean(axis=1), rel=1e-12)


def test_an_image_shown_once_is_pooled_but_explains_no_variance() -> None:
    responses, predictions = np.random.default_rng(0).gamma(1.0, 1.0, (2, 5, 3, 1))
    statistics = statistics_of(list(responses), list(predictions), [0, 1, 2, 3, 3])
    averaged = [np.concatenate([each[:3], each[3:].mean(axis=0)[None]])[:, :, 0] for each in (responses, predictions)]
    expected = [np.corrcoef(averaged[0][:, neuron], averaged[1][:, neuron])[0, 1] for neuron in range(3)]
    assert value(statistics, "correlation_to_average_pooled") == pytest.approx(expected, abs=1e-6)
    repeated = statistics_of(list(responses[3:]), list(predictions[3:]), [0, 0])
    assert value(statistics, "fev") == pytest.approx(value(repeated, "fev"))


def test_without_repeats_what_needs_them_is_unknown() -> None:
    statistics = statistics_of(*trials(0, [0, 1, 2]), [0, 1, 2])
    unknown = {name for name, metric in METRICS.items() if metric.compute(statistics) is None}
    assert unknown == {"correlation_to_average", "normalised_correlation", "fev", "feve"}


def test_a_constant_neuron_has_no_explainable_variance_and_is_left_out() -> None:
    targets, predictions = trials(5, [0, 0, 1, 1])
    for target in targets:
        target[1] = 0.1
    statistics = statistics_of(targets, predictions, [0, 0, 1, 1])
    for name in ("fev", "feve", "normalised_correlation"):
        assert np.isnan(value(statistics, name)).tolist()[1]
    assert np.isfinite(value(statistics, "poisson_loss")).all()


def test_a_nan_prediction_is_0_as_a_correlation_and_left_out_of_the_errors() -> None:
    targets, predictions = trials(6, [0, 0, 1, 1])
    clean = statistics_of(targets, predictions, [0, 0, 1, 1])
    predictions[2][1, 4] = np.nan
    statistics = statistics_of(targets, predictions, [0, 0, 1, 1])
    for name, metric in METRICS.items():
        found, before = value(statistics, name), value(clean, name)
        assert found[[0, 2]] == pytest.approx(before[[0, 2]], nan_ok=True), name
        if metric.part in ("trials", "averages") or name == "correlation_to_average":
            assert found[1] == 0.0
    assert np.isnan(value(statistics, "poisson_loss")[1])
    assert np.isnan(value(statistics, "feve")[1])
    assert value(statistics, "fev")[1] == value(clean, "fev")[1]


@pytest.mark.parametrize("rules", BENCHMARKS.values(), ids=lambda rules: rules.name)
def test_collecting_what_a_benchmark_needs_is_enough_for_its_metrics(rules) -> None:
    group = VideoGroup(3, parts_of(rules.metrics))
    for unit, (target, prediction) in enumerate(zip(*trials(7, [0, 0, 0]), strict=True)):
        group.add(target, prediction, unit)
    found = [METRICS[name].compute(group.statistics()) for name in rules.metrics]
    assert all(values is not None and values.shape == (3,) for values in found)


def test_the_first_metric_ranks_and_only_the_loss_is_better_when_low() -> None:
    assert next(iter(METRICS)) == RANKED_BY
    assert [name for name, metric in METRICS.items() if not metric.higher_is_better] == ["poisson_loss"]
    assert {name for name, metric in METRICS.items() if metric.resampled_by == "trial"} == {RANKED_BY, "poisson_loss"}


def test_the_fraction_is_unknown_without_a_positive_ceiling() -> None:
    assert fraction_of_ceiling(0.3, 0.6) == 0.5
    assert fraction_of_ceiling(0.3, None) is None
    assert fraction_of_ceiling(None, 0.6) is None
    assert fraction_of_ceiling(0.3, 0.0) is None
