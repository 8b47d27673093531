"""Where a bundle's neurons lie in the cortex.

It has a file of its own, since the manifest is read whenever models are listed: the positions of ten mice of 8,000
neurons would make it six times as large and ten times as slow to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..errors import BundleError, DataError
from ..storage import read_npz, write_npz
from .manifest import Manifest

NEURONS = "neurons.npz"
"""File of a bundle: '<mouse>/positions' and '<mouse>/areas', in the order of its answers, as far as they are known."""

_AGAIN = "copy or export the bundle again"


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """Where a mouse's neurons lie.

    Parameters
    ----------
    positions : (neurons, 3) float32, micrometres; None where the model came without them.
    areas : (neurons,) unicode, such as 'V1' and 'LM'; None where the mouse came without them.
    """

    positions: np.ndarray | None = None
    areas: np.ndarray | None = None


def write_anatomy(bundle: Path, mice: Mapping[str, Anatomy]) -> None:
    """Write what is known, by mouse, into a bundle that is being made."""
    named = {
        f"{mouse}/{part.name}": getattr(known, part.name) for mouse, known in mice.items() for part in fields(known)
    }
    write_npz(bundle / NEURONS, {name: array for name, array in named.items() if array is not None})


def read_anatomy(bundle: Path, manifest: Manifest) -> dict[str, Anatomy]:
    """What a bundle on a disk or s3:// knows, by mouse; older ones know nothing.

    Raises
    ------
    BundleError : its file is missing, damaged, or not of the manifest's neurons; or the bucket refuses.
    """
    if NEURONS not in manifest.files:
        return {mouse.name: Anatomy() for mouse in manifest.mice}
    path = bundle / NEURONS
    try:
        manifest.verify_file(bundle, NEURONS)
        arrays = read_npz(path)
    except DataError as error:
        raise BundleError(error.what, error.where, error.mend or _AGAIN) from error
    return {
        mouse.name: Anatomy(
            _checked(path, arrays.get(f"{mouse.name}/positions"), (len(mouse.unit_ids), 3), "f"),
            _checked(path, arrays.get(f"{mouse.name}/areas"), (len(mouse.unit_ids),), "U"),
        )
        for mouse in manifest.mice
    }


def _checked(path: Path, array: np.ndarray | None, shape: tuple[int, ...], kind: str) -> np.ndarray | None:
    """The array, if it is of that shape and kind, and finite."""
    if array is None:
        return None
    if array.shape != shape or array.dtype.kind != kind:
        what = f"holds {array.dtype} {array.shape}, of the manifest's neurons it is {shape}"
        raise BundleError(what, str(path), _AGAIN)
    if kind == "f" and not np.isfinite(array).all():
        raise BundleError("holds positions that are not finite", str(path), _AGAIN)
    return array
