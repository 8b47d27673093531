"""Ensembles: weights learned from statistics, and a bundle that carries its members."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import LinearConstraint, minimize

from ..errors import BundleError
from ..metrics.statistics import CoMoments
from ..storage import atomic_path, require_new
from ..version import package_version
from .manifest import MEMBERS, Manifest, Member, bundle_checksum, checksums


def fit_weights(moments: Sequence[CoMoments]) -> np.ndarray:
    """Weights of the members that answer best together.

    Maximises the mean over neurons of the correlation between the recorded responses y and the weighted mean
    of the members' answers, w'c / sqrt(var(y) w'Cw) with C the members' covariance and c theirs with y, over
    weights that are not negative and sum to one.

    Parameters
    ----------
    moments : one a mouse; signal 0 is recorded, signals 1… are the members, in order.

    Returns
    -------
    (members,) float64.
    """
    with_recorded = np.concatenate([m.comoment[0, 1:] / max(m.count, 1) for m in moments], axis=1)
    between = np.concatenate([m.comoment[1:, 1:] / max(m.count, 1) for m in moments], axis=2)
    spread = np.concatenate([np.sqrt(m.comoment[0, 0] / max(m.count, 1)) for m in moments])
    usable = (spread > 0) & np.isfinite(with_recorded).all(axis=0) & np.isfinite(between).all(axis=(0, 1))
    with_recorded, between, spread = with_recorded[:, usable], between[:, :, usable], spread[usable]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        pulled = np.einsum("abn,b->an", between, weights)
        deviation = np.sqrt(np.maximum(weights @ pulled, 1e-24))
        correlation = weights @ with_recorded / (spread * deviation)
        gradient = with_recorded / (spread * deviation) - correlation * pulled / deviation**2
        return -float(correlation.mean()), -gradient.mean(axis=1)

    members = len(with_recorded)
    # Pure members are starts too, so that the result is never worse than the best of them.
    starts = [np.full(members, 1 / members), *np.eye(members)]
    found = [
        minimize(
            loss,
            start,
            jac=True,
            method="SLSQP",
            bounds=[(0, 1)] * members,
            constraints=LinearConstraint(np.ones(members), 1, 1),
        ).x
        for start in starts
    ]
    best = min((np.clip(weights, 0, None) for weights in (*found, *starts)), key=lambda weights: loss(weights)[0])
    return best / best.sum()


def write_ensemble(
    members: Mapping[str, Path], weights: Sequence[float], out: Path, provenance: dict[str, Any]
) -> Manifest:
    """Write an ensemble: a bundle with whole copies of its members, so that it can be moved as one.

    Raises
    ------
    BundleError : the members do not answer for the same neurons and frames.
    """
    require_new(out)
    manifests = {name: Manifest.read(path) for name, path in members.items()}
    first_name, first = next(iter(manifests.items()))
    for name, manifest in manifests.items():
        for what in ("mice", "frame_shape", "rate", "behavior_channels"):
            if getattr(manifest, what) != getattr(first, what):
                raise BundleError(
                    f"has other {what} than {first_name}", name, "ensemble models of the same frame store"
                )
    with atomic_path(out) as folder:
        for name, path in members.items():
            shutil.copytree(path, folder / MEMBERS / name)
        manifest = Manifest(
            kind="ensemble",
            name=out.name,
            architecture="ensemble",
            config={},
            mice=first.mice,
            frame_shape=first.frame_shape,
            rate=first.rate,
            behavior_channels=first.behavior_channels,
            receptive_field=max(m.receptive_field for m in manifests.values()),
            members=tuple(Member(name=n, weight=float(w)) for n, w in zip(members, weights, strict=True)),
            files=checksums(folder),
            provenance={
                **provenance,
                "version": package_version(),
                "members": {name: bundle_checksum(path) for name, path in members.items()},
            },
        )
        manifest.write(folder)
    return manifest
