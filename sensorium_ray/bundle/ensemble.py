"""Ensembles: a bundle that carries its members and their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BundleError
from ..storage import atomic_folder, copy_folder, require_new, write_npz
from ..version import package_version
from .anatomy import NEURONS, read_anatomy, write_anatomy
from .fetching import on_disk
from .manifest import MANIFEST, MEMBER_WEIGHTS, MEMBERS, Manifest, Member, bundle_checksum, checksums


def write_ensemble(
    members: Mapping[str, Path],
    weights: Sequence[float] | Mapping[str, np.ndarray],
    out: Path,
    provenance: dict[str, Any],
) -> Manifest:
    """Write an ensemble: a bundle with whole copies of its members, so that it can be moved as one.

    A member that has no weight anywhere is left out, since nobody need run it; the provenance names it.

    Parameters
    ----------
    members : bundles by name.
    weights : of each member; or by mouse, (members,) or (members, neurons).

    Raises
    ------
    BundleError : the members do not answer for the same neurons and frames, or one is damaged.
    """
    require_new(out)
    manifests = {name: Manifest.read(path) for name, path in members.items()}
    first_name, first = next(iter(manifests.items()))
    for name, manifest in manifests.items():
        for what in ("neurons", "frame_shape", "rate", "behavior_channels", "inputs"):
            if getattr(manifest, what) != getattr(first, what):
                raise BundleError(
                    f"has other {what} than {first_name}", name, "ensemble models of the same frame store"
                )
    shares = _shares(weights)
    used = {name: float(share) for name, share in zip(members, shares, strict=True) if share > 0}
    with atomic_folder(out, last=MANIFEST) as folder:
        for name in used:
            with on_disk(members[name]) as member:
                copy_folder(member, folder / MEMBERS / name, last=MANIFEST)
        # The neurons are the same ones, so that the first member that knows where they lie will do.
        knowing = next((name for name, manifest in manifests.items() if NEURONS in manifest.files), None)
        if knowing is not None:
            write_anatomy(folder, read_anatomy(members[knowing], manifests[knowing]))
        if isinstance(weights, Mapping):
            write_npz(folder / MEMBER_WEIGHTS, {mouse: found[shares > 0] for mouse, found in weights.items()})
        manifest = Manifest(
            kind="ensemble",
            name=out.name,
            architecture="ensemble",
            config={},
            mice=first.mice,
            frame_shape=first.frame_shape,
            rate=first.rate,
            behavior_channels=first.behavior_channels,
            inputs=first.inputs,
            receptive_field=max(manifests[name].receptive_field for name in used),
            members=tuple(Member(name=name, weight=share) for name, share in used.items()),
            files=checksums(folder),
            provenance={
                **provenance,
                "version": package_version(),
                "members": {name: bundle_checksum(members[name]) for name in used},
                "left_out": [name for name in members if name not in used],
            },
        )
        manifest.write(folder)
    return manifest


def _shares(weights: Sequence[float] | Mapping[str, np.ndarray]) -> np.ndarray:
    """(members,) weight of each member, mean over mice and their neurons."""
    if not isinstance(weights, Mapping):
        return np.asarray(weights, np.float64)
    return np.mean([found.reshape(len(found), -1).mean(axis=1) for found in weights.values()], axis=0)
