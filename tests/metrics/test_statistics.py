from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_ray.errors import DataError
from sensorium_ray.metrics.statistics import CoMoments

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(lambda lengths: sum(lengths) > 3)
SEEDS = st.integers(0, 2**32 - 1)


def signals_of(seed: int, frames: int, scale: float = 1.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    shared = random.gamma(0.3, scale, (1, 4, frames))
    return shared + random.gamma(0.3, scale, (2, 4, frames)) + 100 * scale


def close(a: CoMoments, b: CoMoments) -> bool:
    return (
        a.count == b.count
        and np.allclose(a.mean, b.mean, rtol=1e-12)
        and np.allclose(a.comoment, b.comoment, rtol=1e-9, atol=1e-9)
    )


@given(SEEDS, LENGTHS)
def test_any_partition_gives_the_statistics_of_the_whole(seed: int, lengths: list[int]) -> None:
    signals = signals_of(seed, sum(lengths))
    pieces = np.split(signals, np.cumsum(lengths)[:-1], axis=2)
    merged = reduce(CoMoments.merge, map(CoMoments.of, pieces))
    assert close(merged, CoMoments.of(signals))


@given(SEEDS, LENGTHS, st.randoms(use_true_random=False))
def test_any_order_and_grouping_of_merges_agrees(seed: int, lengths: list[int], shuffler: object) -> None:
    parts = [CoMoments.of(signals_of(seed + i, length)) for i, length in enumerate(lengths)]
    in_order = reduce(CoMoments.merge, parts)
    shuffler.shuffle(parts)  # type: ignore[attr-defined]
    half = len(parts) // 2
    empty = CoMoments.of(np.zeros((2, 4, 0)))
    tree = reduce(CoMoments.merge, parts[:half], empty).merge(reduce(CoMoments.merge, parts[half:], empty))
    assert close(in_order, tree)


@given(SEEDS, st.floats(0.1, 1e4), st.floats(-1e3, 1e3))
def test_correlation_ignores_scale_and_offset(seed: int, scale: float, offset: float) -> None:
    signals = signals_of(seed, 40)
    changed = np.stack([signals[0], signals[1] * scale + offset])
    expected = CoMoments.of(signals).correlation(0, 1)
    assert np.allclose(CoMoments.of(changed).correlation(0, 1), expected, atol=1e-6)


@given(SEEDS)
def test_permuting_frames_of_both_signals_changes_nothing(seed: int) -> None:
    signals = signals_of(seed, 40)
    order = np.random.default_rng(seed).permutation(40)
    permuted = CoMoments.of(signals[:, :, order]).correlation(0, 1)
    assert np.allclose(permuted, CoMoments.of(signals).correlation(0, 1), atol=1e-12)


def test_correlation_is_pearsons() -> None:
    signals = signals_of(1, 500)
    expected = [np.corrcoef(signals[:, neuron])[0, 1] for neuron in range(4)]
    assert np.allclose(CoMoments.of(signals).correlation(0, 1), expected, atol=1e-7)


@settings(max_examples=30)
@given(st.floats(0.0625, 65536, width=32), st.integers(1, 5))
def test_a_constant_signal_is_exactly_0(constant: float, pieces: int) -> None:
    varying = np.random.default_rng(0).gamma(0.3, 100.0, (1, 50))
    both = np.stack([np.full((1, 50), constant, np.float32), varying])
    merged = reduce(CoMoments.merge, [CoMoments.of(both)] * pieces)
    assert merged.correlation(0, 1) == 0.0
    assert merged.correlation(0, 0) == 0.0


def test_a_nan_zeroes_its_neuron_only_and_survives_merging() -> None:
    signals = signals_of(2, 30)
    signals[1, 2, 5] = np.nan
    merged = CoMoments.of(signals).merge(CoMoments.of(signals_of(3, 30)))
    correlation = merged.correlation(0, 1)
    assert correlation[2] == 0.0
    assert (correlation[[0, 1, 3]] > 0).all()
    assert np.isnan(merged.correlation(0, 1, nan=np.nan)[2])


def test_no_frame_is_no_score() -> None:
    with pytest.raises(DataError, match="no frame was counted"):
        CoMoments.of(np.zeros((2, 3, 0))).correlation(0, 1)


@pytest.mark.parametrize("signals", [2, 5])
def test_many_neurons_and_signals_are_worked_on_in_blocks(signals: int) -> None:
    values = np.random.default_rng(0).gamma(0.3, 1.0, (signals, 3000, 40)).astype(np.float32)
    found = CoMoments.of(values)
    deviations = values - values.mean(axis=2, keepdims=True, dtype=np.float64)
    assert np.allclose(found.comoment, np.einsum("ant,bnt->abn", deviations, deviations), rtol=1e-12, atol=1e-10)
    assert np.allclose(found.mean, values.mean(axis=2, dtype=np.float64), rtol=1e-14)


def test_a_large_offset_costs_no_digits() -> None:
    signals = signals_of(6, 200).astype(np.float64)
    assert np.allclose(
        CoMoments.of(signals + 1e6).correlation(0, 1), CoMoments.of(signals).correlation(0, 1), atol=1e-8
    )


@given(SEEDS, st.integers(2, 6))
def test_resampling_is_merging_as_often_as_drawn(seed: int, parts: int) -> None:
    pieces = [CoMoments.of(signals_of(seed + i, 5 + i)) for i in range(parts)]
    draws = np.random.default_rng(seed).multinomial(parts, np.full(parts, 1 / parts), size=3)
    found = CoMoments.resampled(pieces, draws.astype(float)).correlation(0, 1)
    for replicate, times in enumerate(draws):
        repeated = [piece for piece, often in zip(pieces, times, strict=True) for _ in range(often)]
        expected = reduce(CoMoments.merge, repeated).correlation(0, 1)
        assert np.allclose(found[replicate], expected, atol=1e-9)
