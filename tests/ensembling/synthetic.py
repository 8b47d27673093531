"""Members whose answers are made up, their statistics by fold and mouse, and the raw signals to check them with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sensorium_ray.ensembling.crossvalidation import Fold
from sensorium_ray.ensembling.members import Gram, MemberMoments

Signals = np.ndarray
"""(signals, neurons, frames), recorded first."""


def noisy_members(noise: Sequence[float], *, seed: int = 0, neurons: int = 6, frames: int = 80) -> Signals:
    """Recorded responses, and members that are the truth with more or less noise."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(neurons, frames)) * rng.uniform(0.5, 20, (neurons, 1))
    recorded = truth + truth.std() * rng.normal(size=truth.shape)
    members = [truth + truth.std() * level * rng.normal(size=truth.shape) for level in noise]
    return np.stack([recorded, *members]) + rng.uniform(0, 5, (len(noise) + 1, neurons, 1))


def gram_of(*mice: Signals) -> Gram:
    return Gram.of([MemberMoments.of(list(signals)) for signals in mice])


def folds_of(raw: list[dict[str, Signals]]) -> list[Fold]:
    return [{mouse: MemberMoments.of(list(signals)) for mouse, signals in fold.items()} for fold in raw]


def correlations(recorded: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Pearson's correlation of every neuron, from the raw signals."""
    deviations = [values - values.mean(axis=1, keepdims=True) for values in (recorded, predicted)]
    products = [(a * b).sum(axis=1) for a, b in ((deviations[0], deviations[1]), *((d, d) for d in deviations))]
    return products[0] / np.sqrt(products[1] * products[2])


def mixed(signals: Signals, weights: np.ndarray) -> np.ndarray:
    """Weighted mean of the members, (neurons, frames); weights (members,) or (members, neurons)."""
    return np.einsum(
        "mn,mnt->nt", np.broadcast_to(weights.reshape(len(weights), -1), signals[1:].shape[:2]), signals[1:]
    )
