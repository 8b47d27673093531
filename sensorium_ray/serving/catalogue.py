"""The bundles of a folder as it is now: what is added, replaced or taken away counts without a restart."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from threading import Lock

from .. import storage
from ..bundle.manifest import bundle_paths, find_bundles
from ..errors import InputError
from .served import Served

_AGE = {False: 2.0, True: 20.0}
"""Seconds for which what was found in the folder is believed, by whether it is in a bucket."""

logger = logging.getLogger("ray.serve.sensorium")


class Catalogue(Mapping[str, Served]):
    """Models by name.

    Parameters
    ----------
    folder : of bundles, or one bundle, on a disk or s3://.

    Raises
    ------
    BundleError : there is none at first, or one is damaged. Later on, what is damaged is left out, and logged.
    """

    def __init__(self, folder: storage.StrPath) -> None:
        place = storage.locate(storage.absolute(folder))
        models = {name: Served.read(path) for name, path in find_bundles(place).items()}
        self.__setstate__((str(place), models))

    def __getitem__(self, name: str) -> Served:
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def __getstate__(self) -> tuple[str, dict[str, Served]]:
        """For another process, which goes on from here, and from then on reads the folder by itself."""
        return str(self._folder), {}

    def __setstate__(self, state: tuple[str, dict[str, Served]]) -> None:
        folder, self._models = state
        self._folder = storage.locate(folder)
        self._lock = Lock()
        self._read_at = time.monotonic() if self._models else -math.inf

    def _now(self) -> Mapping[str, Served]:
        with self._lock:
            if time.monotonic() - self._read_at > _AGE[storage.is_remote(self._folder)]:
                self._models = self._read()
                self._read_at = time.monotonic()
            return self._models

    def _read(self) -> dict[str, Served]:
        """What the folder holds; bundles whose manifests are as they were are not read again."""
        known = {str(model.path): model for model in self._models.values()}
        found: dict[str, Served] = {}
        for path in bundle_paths(self._folder):
            try:
                before = known.get(str(path))
                model = before if before is not None and before.is_as_it_was() else Served.read(path)
                found[model.manifest.name] = model
            except (InputError, OSError) as error:
                logger.warning("left out: %s", error)
        return found
