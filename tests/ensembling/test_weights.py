"""Weights: what each method promises, checked on the raw signals that the statistics were made of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls as solve_nnls
from synthetic import Signals, correlations, gram_of, mixed, noisy_members

from sensorium_ray.ensembling.members import MemberMoments
from sensorium_ray.ensembling.weights import (
    ROUNDS,
    bagged,
    correlation,
    forward_order,
    greedy,
    methods,
    nnls,
    per_neuron,
    single,
    uniform,
)
from sensorium_ray.errors import DataError
from sensorium_ray.metrics.statistics import CoMoments

SEEDS = st.integers(0, 10_000)
NOISE = st.lists(st.floats(0.2, 3), min_size=2, max_size=5)


def mean_correlation(signals: Signals, weights: np.ndarray) -> float:
    return float(correlations(signals[0], mixed(signals, weights)).mean())


@given(seed=SEEDS, noise=NOISE)
@pytest.mark.parametrize("method", methods(0).values(), ids=methods(0))
def test_weights_are_those_of_a_mean(method, seed: int, noise: list[float]) -> None:
    weights = method(gram_of(noisy_members(noise, seed=seed)))
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1, abs=1e-12)


@given(seed=SEEDS, noise=NOISE, per_neuron=st.booleans())
def test_scores_from_statistics_are_those_of_the_raw_signals(seed: int, noise: list[float], per_neuron: bool) -> None:
    signals = noisy_members(noise, seed=seed)
    parts = [MemberMoments.of(list(part)) for part in np.split(signals, [7, 30], axis=2)]
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(noise)), 6 if per_neuron else None).T
    combined = MemberMoments.merged(parts).combined(weights)
    expected = CoMoments.of(np.stack([signals[0], mixed(signals, weights)]))
    np.testing.assert_allclose(
        combined.correlation(0, 1, epsilon=0), correlations(signals[0], mixed(signals, weights)), atol=1e-12
    )
    np.testing.assert_allclose(combined.comoment, expected.comoment, rtol=1e-10)
    np.testing.assert_allclose(combined.mean, expected.mean, rtol=1e-12)
    if not per_neuron:
        assert gram_of(signals).correlation(weights) == pytest.approx(mean_correlation(signals, weights), abs=1e-12)


def test_statistics_have_one_of_each_pair_of_signals() -> None:
    signals = noisy_members([0.3, 1, 2])
    whole = CoMoments.of(signals)
    half = MemberMoments.of(list(signals.astype(np.float32)))
    assert half.comoment.shape == (4 * 5 // 2, 6)
    np.testing.assert_allclose(half.comoment, whole.comoment[np.triu_indices(4)], rtol=1e-4)


@given(seed=SEEDS, noise=NOISE)
def test_correlation_is_never_worse_than_any_member_or_the_mean_or_nnls(seed: int, noise: list[float]) -> None:
    signals = noisy_members(noise, seed=seed)
    gram = gram_of(signals)
    reached = mean_correlation(signals, correlation(gram))
    for weights in (*np.eye(len(noise)), uniform(gram), nnls(gram)):
        assert reached >= mean_correlation(signals, weights) - 1e-9


@given(seed=SEEDS, noise=NOISE)
def test_greedy_is_never_worse_than_the_best_member(seed: int, noise: list[float]) -> None:
    signals = noisy_members(noise, seed=seed)
    best = max(mean_correlation(signals, member) for member in np.eye(len(noise)))
    assert mean_correlation(signals, greedy(gram_of(signals))) >= best - 1e-12


def greedy_by_hand(signals: Signals) -> np.ndarray:
    """The algorithm as the paper has it, on predictions."""
    members = range(len(signals) - 1)

    def score_of(picks: list[int]) -> float:
        return float(correlations(signals[0], signals[1:][picks].mean(axis=0)).mean())

    by_score = sorted(members, key=lambda member: -score_of([member]))
    path = [by_score[:size] for size in range(1, len(by_score) + 1)]
    picks = max(path, key=score_of)
    for _ in range(ROUNDS):
        picks = max(([*picks, member] for member in members), key=score_of)
        path.append(picks)
    return np.bincount(max(path, key=score_of), minlength=len(members)) / len(max(path, key=score_of))


@pytest.mark.parametrize("seed", range(5))
def test_greedy_is_the_algorithm_of_the_paper(seed: int) -> None:
    signals = noisy_members([0.5, 0.6, 0.9, 2.0], seed=seed)
    np.testing.assert_allclose(greedy(gram_of(signals)), greedy_by_hand(signals), atol=1e-12)


def test_greedy_takes_the_best_member_first() -> None:
    signals = noisy_members([1.5, 0.3, 0.8], seed=1, frames=2000)
    gram = gram_of(signals)
    assert forward_order(gram)[0] == int(np.argmax(single(gram))) == 1
    assert sorted(forward_order(gram)) == [0, 1, 2]


@given(seed=SEEDS, noise=NOISE)
def test_nnls_is_least_squares_on_the_raw_signals(seed: int, noise: list[float]) -> None:
    mice = [noisy_members(noise, seed=seed + mouse, neurons=3 + mouse) for mouse in range(2)]
    columns = []
    for signals in mice:
        centred = signals - signals.mean(axis=2, keepdims=True)
        # Divided by the frames, too, since both mice have as many.
        columns.append((centred / signals[0].std(axis=1)[:, None]).reshape(len(signals), -1))
    recorded, *members = np.concatenate(columns, axis=1)
    expected = solve_nnls(np.stack(members, axis=1), recorded)[0]
    np.testing.assert_allclose(nnls(gram_of(*mice)), expected / expected.sum(), atol=1e-9)


def test_bagging_depends_on_its_seed_alone() -> None:
    gram = gram_of(noisy_members([0.5, 0.7, 0.9, 1.1, 1.3]))
    np.testing.assert_array_equal(bagged(gram, 3), bagged(gram, 3))
    assert (bagged(gram, 3) != bagged(gram, 4)).any()


@pytest.mark.parametrize("method", ["greedy", "nnls", "correlation"])
def test_a_member_that_is_the_truth_gets_all_the_weight(method: str) -> None:
    rng = np.random.default_rng(0)
    recorded = rng.normal(size=(8, 500))
    members = [rng.normal(size=recorded.shape), recorded + rng.normal(size=recorded.shape), 3 * recorded + 2]
    weights = methods(0)[method](gram_of(np.stack([recorded, *members])))
    np.testing.assert_allclose(weights, [0, 0, 1], atol=1e-4)


@pytest.mark.parametrize("method", ["greedy", "bagged", "nnls", "correlation"])
def test_members_that_know_nothing_hardly_hurt_on_other_frames(method: str) -> None:
    signals = noisy_members([0.5, 0.6, 0.7, 0.8], neurons=30, frames=6000)
    useless = np.random.default_rng(1).normal(size=(4, *signals.shape[1:])) * signals[0].std()
    fit = methods(0)[method]

    def judged(members: Signals) -> float:
        seen, unseen = np.split(members, 2, axis=2)
        return mean_correlation(unseen, fit(gram_of(seen)))

    assert judged(np.concatenate([signals, useless])) > 0.97 * judged(signals)


@pytest.mark.parametrize("method", ["uniform", "greedy", "nnls", "correlation"])
def test_equal_members_are_worth_one(method: str) -> None:
    signals = noisy_members([0.5, 0.8])
    twice = np.concatenate([signals, signals[1:]])
    fit = methods(0)[method]
    weights, alone = fit(gram_of(twice)), fit(gram_of(signals))
    assert mean_correlation(twice, weights) == pytest.approx(mean_correlation(signals, alone), abs=1e-3)


@pytest.mark.parametrize("method", methods(0))
def test_silent_neurons_and_nan_do_not_matter(method: str) -> None:
    signals = noisy_members([0.5, 0.8, 1.2])
    spoilt = np.concatenate([signals, np.full((4, 1, 80), 3.3), signals[:, :1]], axis=1)
    spoilt[2, -1, 5] = np.nan
    fit = methods(0)[method]
    np.testing.assert_allclose(fit(gram_of(spoilt)), fit(gram_of(signals)), atol=1e-9)


def test_members_that_all_predict_nan_are_refused() -> None:
    signals = noisy_members([0.5, 0.8])
    signals[1] = np.nan
    with pytest.raises(DataError, match="no neuron has recorded responses that vary and finite predictions"):
        gram_of(signals)


def ridge_by_hand(signals: Signals, anchor: np.ndarray, ridge: float) -> np.ndarray:
    """Weights of every neuron by Lawson and Hanson's solver: a ridge is more rows of the least squares."""
    centred = signals - signals.mean(axis=2, keepdims=True)
    centred /= signals[0].std(axis=1)[:, None] * np.sqrt(signals.shape[2])
    recorded = np.einsum("nt,mnt->mn", centred[0], centred[1:])
    between = np.einsum("ant,bnt->nab", centred[1:], centred[1:])
    gain = (anchor @ recorded).sum() / np.einsum("a,nab,b->", anchor, between, anchor)
    found = []
    for c, matrix in zip(recorded.T, between, strict=True):
        stiffness = ridge * np.trace(matrix) / len(anchor)
        root = np.linalg.cholesky(matrix + stiffness * np.eye(len(anchor)))
        w, _ = solve_nnls(root.T, np.linalg.solve(root, c + stiffness * gain * anchor))
        found.append(w / w.sum() if w.any() else anchor)  # a neuron that no member helps keeps the shared ones
    return np.stack(found, axis=1)


@settings(max_examples=15)
@given(seed=SEEDS, ridge=st.sampled_from([3.0, 0.3, 0.01]))
def test_weights_of_each_neuron_are_ridge_regression_towards_the_shared_ones(seed: int, ridge: float) -> None:
    signals = noisy_members([0.5, 0.8, 1.2], seed=seed, frames=200)
    gram = gram_of(signals)
    anchor = nnls(gram)
    *_, found = per_neuron(gram, anchor, [10.0, ridge])
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-9)
    np.testing.assert_allclose(found, ridge_by_hand(signals, anchor, ridge), atol=5e-3)


def test_a_stiff_ridge_leaves_the_shared_weights_and_a_soft_one_fits_the_neuron() -> None:
    rng = np.random.default_rng(0)
    recorded = rng.normal(size=(2, 4000))
    noise = rng.normal(size=(2, 2, 4000))
    # The first member knows neuron 0, the second neuron 1.
    members = [recorded * [[1], [0]] + noise[0], recorded * [[0], [1]] + noise[1]]
    gram = gram_of(np.stack([recorded, *members]))
    anchor = np.array([0.5, 0.5])
    stiff, soft = per_neuron(gram, anchor, [1e6, 1e-4])
    np.testing.assert_allclose(stiff, 0.5, atol=1e-3)
    np.testing.assert_allclose(soft, np.eye(2), atol=0.05)
