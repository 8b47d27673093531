"""The models that are served, and how they are asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path

import numpy as np

from ..bundle.anatomy import Anatomy, read_anatomy
from ..bundle.manifest import MANIFEST, ONNX, WEIGHTS, Manifest, MouseEntry, bundle_checksum
from ..data.clip import Clip
from ..errors import DataError
from ..settings import named_or_only
from .problems import Refusal


@dataclass(frozen=True)
class Served:
    """A model that is served.

    Parameters
    ----------
    path : of its bundle, on a disk or s3://.
    checksum : that names it in results.
    stamp : of its manifest, which is another when the bundle is replaced.
    """

    path: Path
    manifest: Manifest
    checksum: str
    stamp: tuple[float, int]

    @classmethod
    def read(cls, bundle: Path) -> Served:
        """Read it from a bundle.

        Raises
        ------
        BundleError : there is none.
        """
        manifest = Manifest.read(bundle)
        return cls(bundle, manifest, bundle_checksum(bundle), _stamp(bundle))

    def is_as_it_was(self) -> bool:
        """Whether the bundle is the one that was read."""
        return _stamp(self.path) == self.stamp

    def entry(self, mouse: str) -> MouseEntry:
        """What the manifest says of one of its mice."""
        return next(entry for entry in self.manifest.mice if entry.name == mouse)

    def unit_ids(self, mouse: str) -> np.ndarray:
        """Unit ids of one of its mice, in the order of the answers: (neurons,) int64."""
        return self._unit_ids[mouse]

    @cached_property
    def _unit_ids(self) -> Mapping[str, np.ndarray]:
        found = {entry.name: np.asarray(entry.unit_ids, dtype=np.int64) for entry in self.manifest.mice}
        for known in found.values():
            known.setflags(write=False)
        return found

    @property
    def tells_gradients(self) -> bool:
        """Whether it came with what gradients are computed from, weights for torch."""
        files = self.manifest.files
        return all(file.removesuffix(ONNX) + WEIGHTS in files for file in files if file.endswith(ONNX))

    def anatomy(self, mouse: str) -> Anatomy:
        """Where the neurons of one of its mice lie, as far as it is known; read when it is first asked for.

        Raises
        ------
        BundleError : its file is damaged.
        """
        return self._anatomy[mouse]

    @cached_property
    def _anatomy(self) -> Mapping[str, Anatomy]:
        return read_anatomy(self.path, self.manifest)

    def mean(self, mouse: str, what: str) -> np.ndarray:
        """Mean of 'behavior' or 'pupil_center' of one of its mice in training: (channels,) float32, as recorded.

        Raises
        ------
        DataError : the model came without it.
        """
        mean = getattr(self.entry(mouse), f"{what}_mean")
        if mean is None:
            raise DataError(
                "is missing, and this model does not know the mouse's mean", what, "give (channels, frames)"
            )
        return np.asarray(mean, np.float32)

    def mouse(self, name: str | None) -> str:
        """The mouse that was asked for; a model of one mouse answers for that one.

        Raises
        ------
        DataError : it was not said.
        Refusal : 404, the model has no such mouse.
        """
        known = [entry.name for entry in self.manifest.mice]
        name = named_or_only("mouse", name, known)
        if name not in known:
            what = f"'{name}' is none of model '{self.manifest.name}'"
            raise Refusal(HTTPStatus.NOT_FOUND, DataError(what, "mouse", f"known are {', '.join(known)}"))
        return name


Models = Mapping[str, Served]
"""By name."""
Predict = Callable[[str, Clip, str, np.ndarray | None], AsyncIterator[np.ndarray]]
"""(model, clip, mouse, indices of its neurons or None for all) to responses as they come, (neurons, some) float32."""


def find(models: Models, name: str) -> Served:
    """One of the models.

    Raises
    ------
    Refusal : 404, there is none of that name.
    """
    model = models.get(name)  # asked once, since models come and go
    if model is None:
        error = DataError(f"there is none of the name '{name}' here", "model", f"known are {', '.join(models)}")
        raise Refusal(HTTPStatus.NOT_FOUND, error)
    return model


def _stamp(bundle: Path) -> tuple[float, int]:
    status = (bundle / MANIFEST).stat()
    return status.st_mtime, status.st_size
