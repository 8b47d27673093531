"""What is judged on a video was not chosen on it, and the figures are those of the raw signals."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import Signals, correlations, folds_of, mixed, noisy_members

from sensorium_ray.ensembling.comparison import Comparison
from sensorium_ray.ensembling.crossvalidation import (
    MAX_FOLDS,
    PERS,
    Fit,
    Fold,
    Judged,
    Seen,
    Weights,
    fitting,
    growth,
    judge,
    score,
    split_videos,
)
from sensorium_ray.ensembling.gain import gain, replicates
from sensorium_ray.ensembling.weights import correlation, greedy, methods, single, uniform
from sensorium_ray.errors import DataError

EVERY = [(method, per) for method in methods(0) for per in PERS]


def recordings(noise: Sequence[float], folds: int = 3, **options: int) -> list[dict[str, Signals]]:
    """Raw signals by fold and mouse; the second mouse has not seen the first fold's videos."""
    made = [
        {mouse: noisy_members(noise, seed=10 * fold + mouse, neurons=3 + mouse, **options) for mouse in range(2)}
        for fold in range(folds)
    ]
    named = [{f"mouse{mouse}": signals for mouse, signals in fold.items()} for fold in made]
    del named[0]["mouse1"]
    return named


def judged_by(fit: Fit, folds: list[Fold]) -> Judged:
    return judge({"": fit}, folds)[""]


def raw_score(raw: list[dict[str, Signals]], weights: list[Weights]) -> float:
    """Each fold weighted by its own weights, concatenated in time, correlated, mean over all mice's neurons."""
    found = []
    for mouse in ("mouse0", "mouse1"):
        seen = [number for number, fold in enumerate(raw) if mouse in fold]
        recorded = np.concatenate([raw[number][mouse][0] for number in seen], axis=1)
        predicted = [mixed(raw[number][mouse], weights[number][mouse]) for number in seen]
        found.append(correlations(recorded, np.concatenate(predicted, axis=1)))
    return float(np.concatenate(found).mean())


@given(videos=st.dictionaries(st.text("abc"), st.sets(st.integers(0, 20), min_size=2), min_size=1))
def test_videos_are_split_evenly_and_each_mouse_keeps_some_to_choose_on(videos: dict[str, set[int]]) -> None:
    named = {mouse: [f"v{video}" for video in sorted(seen)] * 2 for mouse, seen in videos.items()}
    try:
        folds = split_videos(named)
    except DataError:
        assert len(videos) > 2  # only where others' videos have filled the folds unluckily
        return
    assert set(folds) == {video for seen in named.values() for video in seen}
    assert set(folds.values()) == set(range(max(folds.values()) + 1))
    assert max(folds.values()) < MAX_FOLDS
    for seen in named.values():
        assert len({folds[video] for video in seen}) > 1
    first = next(iter(named.values()))
    assert len({folds[video] for video in first}) == min(MAX_FOLDS, len(set(first)))


def test_mice_that_saw_other_movies_fill_all_folds_too() -> None:
    shown = {mouse: [f"{mouse}{number}" for number in range(6)] for mouse in ("a", "f")} | {"b": ["a0", "a1", "a5"]}
    folds = split_videos(shown)
    for mouse, fewest in (("a", 6), ("f", 6), ("b", 3)):
        assert len({folds[video] for video in shown[mouse]}) == fewest


def test_one_oracle_video_is_not_enough() -> None:
    with pytest.raises(DataError, match="mouse1: has oracle videos in one group only"):
        split_videos({"mouse0": ["v0", "v1"], "mouse1": ["v0", "v0"]})


@pytest.mark.parametrize(("method", "per"), EVERY)
def test_scores_are_those_of_concatenated_predictions_on_left_out_videos(method: str, per: str) -> None:
    raw = recordings([0.5, 0.9, 1.5])
    folds = folds_of(raw)
    fit = fitting(methods(0)[method], per)
    weights = [fit(Seen([*folds[:number], *folds[number + 1 :]])) for number in range(3)]
    assert score(judged_by(fit, folds)) == pytest.approx(raw_score(raw, weights), abs=1e-8)
    shape = (3,) if per != "neuron" else (3, 4)
    assert weights[0]["mouse1"].shape == shape


@pytest.mark.parametrize("per", PERS)
@pytest.mark.parametrize("method", ["greedy", "nnls", "correlation"])
def test_a_member_that_knows_one_video_by_heart_is_not_trusted_with_it(method: str, per: str) -> None:
    raw = recordings([0.5, 0.5], frames=1500)
    for number, fold in enumerate(raw):
        for recorded, _, by_heart in fold.values():
            noise = np.random.default_rng(99 - number).normal(size=recorded.shape) * recorded.std(axis=1, keepdims=True)
            by_heart[:] = recorded if number == 1 else noise
    folds = folds_of(raw)
    fit = fitting(methods(0)[method], per)
    assert fit(Seen(folds))["mouse1"][1].mean() > 0.2
    judged = judged_by(fit, folds)[1]
    honest = judged_by(fitting(lambda gram: np.array([1.0, 0]), "all"), folds)[1]
    for mouse, moments in judged.items():
        assert (moments.correlation(0, 1) < honest[mouse].correlation(0, 1) + 0.02).all()


def test_judging_gives_a_fit_all_folds_but_the_judged() -> None:
    folds = folds_of(recordings([0.5, 0.9]))
    given_folds: list[Sequence[Fold]] = []

    def fit(seen: Seen) -> Weights:
        given_folds.append(seen.folds)
        return dict.fromkeys(["mouse0", "mouse1"], np.array([0.5, 0.5]))

    judged_by(fit, folds)
    for left_out, others in zip(folds, given_folds, strict=True):
        assert [id(fold) for fold in others] == [id(fold) for fold in folds if fold is not left_out]


def test_weights_of_neurons_are_those_of_their_mouse_alone_given_the_shared_ones() -> None:
    folds = folds_of(recordings([0.5, 0.9, 1.5]))
    both = fitting(uniform, "neuron")(Seen(folds))
    alone = fitting(uniform, "neuron")(Seen([{"mouse0": fold["mouse0"]} for fold in folds]))
    np.testing.assert_array_equal(both["mouse0"], alone["mouse0"])


def test_a_silent_neuron_gets_the_shared_weights() -> None:
    raw = recordings([0.5, 0.9])
    for fold in raw:
        fold["mouse0"][0, 1] = 7.0
    weights = fitting(uniform, "neuron")(Seen(folds_of(raw)))
    np.testing.assert_allclose(weights["mouse0"][:, 1], 0.5)
    assert (weights["mouse0"][:, 0] != 0.5).any()


def test_growth_begins_with_the_best_member_and_ends_with_all() -> None:
    folds = folds_of(recordings([0.9, 0.5, 1.5, 0.6]))
    order, curve = growth(folds)
    assert sorted(order) == [0, 1, 2, 3]
    assert curve[0] == pytest.approx((score(judged_by(fitting(single, "all"), folds)),) * 2, abs=1e-12)
    assert curve[-1][0] == pytest.approx(score(judged_by(fitting(uniform, "all"), folds)), abs=1e-12)
    assert curve[-1][1] == pytest.approx(score(judged_by(fitting(greedy, "all"), folds)), abs=1e-12)


def test_a_replicate_is_the_score_of_the_videos_that_were_drawn() -> None:
    raw = recordings([0.5, 0.9])
    judged = judged_by(fitting(uniform, "all"), folds_of(raw))
    found = replicates(judged, np.array([[1, 1, 1], [0, 2, 1], [3, 0, 0]]))
    weights = [dict.fromkeys(fold, np.array([0.5, 0.5])) for fold in raw]
    assert found[0] == pytest.approx(score(judged), abs=1e-12)
    assert found[1] == pytest.approx(raw_score([raw[1], raw[1], raw[2]], weights[1:2] * 3), abs=1e-7)
    only = raw[0]["mouse0"]
    assert found[2] == pytest.approx(correlations(only[0], mixed(only, np.array([0.5, 0.5]))).mean(), abs=1e-7)


def test_the_gain_of_averaging_two_noisy_members_is_beyond_doubt_and_of_nothing_is_0() -> None:
    folds = folds_of(recordings([1.0, 1.0], folds=5, frames=1000))
    baseline, together = (judged_by(fitting(method, "all"), folds) for method in (single, correlation))
    found = gain(together, baseline, seed=0)
    assert 0.02 < found.low < found.value < found.high
    assert found.value == pytest.approx(score(together) - score(baseline))
    assert gain(together, baseline, seed=0) == found
    nothing = gain(baseline, baseline, seed=0)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)


def test_best_is_what_scores_best_of_all_that_were_judged() -> None:
    compared = Comparison(folds_of(recordings([0.5, 0.9, 2.5])), "mouse", seed=0)
    assert set(compared.scores) == {(method, per) for method in methods(0) for per in ("all", "mouse")}
    assert compared.scores[compared.best()] == max(compared.scores.values())
