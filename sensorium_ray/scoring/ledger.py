"""The ledger of a scoring job: what every bundle came to on every shard, so that nothing is lost or counted twice.

A shard's statistics are a file that is whole or not there, named by the bundle and the shard. Whoever works on
the shard again, after a worker, a node or the driver died, writes the same file again; adding up is done from the
files, each read once. Several machines need the ledger on a disk that they share, or on s3://.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import storage
from ..errors import DataError
from ..metrics.trials import TrialStatistics
from .plan import Shard

_STATISTICS, _TRACE = "statistics/", "trace/"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one bundle came to on one shard.

    Parameters
    ----------
    statistics : of the shard's trials.
    trace : arrays of its first trial, for pictures; none where the shard is not traced.
    """

    statistics: TrialStatistics
    trace: dict[str, np.ndarray]


class Ledger:
    """Entries below a folder, by the bundle's key and the shard's name.

    Parameters
    ----------
    path : folder on disk or s3://.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, facts: dict[str, Any]) -> None:
        """Start, or go on with what was begun with the same `facts`.

        Raises
        ------
        DataError : it was begun with others.
        """
        file = self.path / "facts.json"
        if not storage.is_file(file):
            storage.write_json(file, facts)
            return
        begun = storage.read_json(file)
        changed = [name for name in facts if not isinstance(begun, dict) or begun.get(name) != facts[name]]
        if changed:
            what = f"holds an unfinished scoring with another {' and '.join(changed)}"
            raise DataError(what, str(self.path.parent), "name another output or remove it first")

    def missing(self, shards: Sequence[Shard], keys: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Keys whose entry a shard lacks, by the shard's name; a shard that lacks none is left out.

        Parameters
        ----------
        keys : that each shard should have, by its name.
        """
        folders = {shard.name.rpartition("/")[0] for shard in shards}
        there = {
            (key, f"{folder}/{name.removesuffix('.npz')}")
            for key in {key for wanted in keys.values() for key in wanted}
            for folder in folders
            for name in storage.names(self.path / key / folder)
            if name.endswith(".npz")
        }
        lacking = {shard.name: [key for key in keys[shard.name] if (key, shard.name) not in there] for shard in shards}
        return {name: missing for name, missing in lacking.items() if missing}

    def write(self, key: str, shard: str, entry: Entry) -> None:
        """Keep an entry."""
        arrays = {_STATISTICS + name: array for name, array in entry.statistics.arrays().items()}
        arrays |= {_TRACE + name: array for name, array in entry.trace.items()}
        storage.write_npz(self._file(key, shard), arrays)

    def read(self, key: str, shard: str) -> Entry:
        """Read an entry.

        Raises
        ------
        DataError : it is not there, although it was written: the machines do not share the folder.
        """
        file = self._file(key, shard)
        try:
            arrays = storage.read_npz(file)
        except DataError as error:
            mend = "name an output on a disk that all machines share, or on s3://"
            raise DataError("is gone or damaged, though it was finished", str(file), mend) from error
        statistics = {name.removeprefix(_STATISTICS): array for name, array in arrays.items()}
        trace = {name.removeprefix(_TRACE): array for name, array in arrays.items() if name.startswith(_TRACE)}
        return Entry(TrialStatistics.of_arrays(statistics), trace)

    def close(self) -> None:
        """Remove all entries."""
        storage.remove(self.path)

    def _file(self, key: str, shard: str) -> Path:
        return self.path / key / f"{shard}.npz"
