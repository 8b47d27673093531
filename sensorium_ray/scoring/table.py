"""The score table: one row a neuron x metric x bundle, the ranking made of it, and its Parquet file."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError
from ..metrics.definitions import DEFAULT_POOLING, METRICS, NAN_POLICY, POOLINGS, RANKED_BY, fraction_of_ceiling
from ..storage import atomic_path
from ..version import package_version

CEILING = "ceiling"
"""Name under which the true expected responses are scored, as if they were a bundle."""

WHOLE = "all"
"""Family of the rows of a track's whole, and mouse of what is pooled over mice."""

_METADATA_KEY = b"sensorium_ray"
_NAMES = ("bundle", "mouse", "track", "stage", "family", "metric")


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a score can be repeated from.

    Parameters
    ----------
    window : name of the frames that counted, such as '50..299'.
    data : checksum of the frame store.
    bundles : checksum of each bundle by its name.
    truth : checksum of the truth, None where there was none.
    version : of this package.
    nan_policy, pooling : what counts for NaN and constant neurons; how neurons and mice were pooled.
    """

    window: str
    data: str
    bundles: dict[str, str]
    truth: str | None
    version: str = field(default_factory=package_version)
    nan_policy: str = NAN_POLICY
    pooling: str = DEFAULT_POOLING


@dataclass(frozen=True, slots=True)
class Cell:
    """Where scores belong: one bundle on one family of one track and stage of one mouse."""

    bundle: str
    mouse: str
    track: str
    stage: str
    family: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """One line of a ranking; None where a metric or its ceiling is unknown."""

    bundle: str
    neurons: int
    single_trial_correlation: float
    correlation_to_average: float | None
    fraction_of_ceiling: float | None


class ScoreTable:
    """Scores of any number of bundles.

    Parameters
    ----------
    table : columns bundle, mouse, neuron (index in the mouse), unit_id, track, stage, family, metric and
        value (float64). Rows of family 'all' are a track's whole: trials concatenated, no mean over families.
    provenance : what the scores can be repeated from.
    """

    def __init__(self, table: pa.Table, provenance: Provenance) -> None:
        self.table = table
        self.provenance = provenance

    @classmethod
    def of(
        cls,
        scores: dict[Cell, dict[str, np.ndarray]],
        unit_ids: dict[str, np.ndarray],
        provenance: Provenance,
    ) -> ScoreTable:
        """Table of `scores[cell][metric]`, (neurons,) float64, and `unit_ids[mouse]`, (neurons,) int64."""
        pieces = [
            _piece(cell, metric, values, unit_ids[cell.mouse])
            for cell, metrics in scores.items()
            for metric, values in metrics.items()
        ]
        return cls(pa.concat_tables(pieces).unify_dictionaries().combine_chunks(), provenance)

    def write(self, path: Path) -> None:
        """Write Parquet, atomically; the provenance travels in the schema's metadata as JSON."""
        metadata = {_METADATA_KEY: json.dumps(asdict(self.provenance), sort_keys=True).encode()}
        with atomic_path(path) as partial:
            pq.write_table(self.table.replace_schema_metadata(metadata), partial, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> ScoreTable:
        """Read what `write` wrote.

        Raises
        ------
        DataError : the file is missing, damaged, or no score table.
        """
        try:
            table = pq.read_table(path)
            provenance = Provenance(**json.loads((table.schema.metadata or {})[_METADATA_KEY]))
        except FileNotFoundError as error:
            raise DataError("file is missing", str(path), "run `sensorium score`") from error
        except (pa.ArrowException, KeyError, TypeError, ValueError, OSError) as error:
            raise DataError(f"is not a score table ({error})", str(path), "run `sensorium score`") from error
        return cls(table.replace_schema_metadata(None), provenance)

    def means(self) -> dict[Cell, dict[str, tuple[float, int]]]:
        """Mean over a mouse's neurons, and how many they are, of every cell and metric."""
        grouped = self.table.group_by(list(_NAMES)).aggregate([("value", "mean"), ("value", "count")])
        means: dict[Cell, dict[str, tuple[float, int]]] = defaultdict(dict)
        for row in grouped.to_pylist():
            cell = Cell(row["bundle"], row["mouse"], row["track"], row["stage"], row["family"])
            means[cell][row["metric"]] = (row["value_mean"], row["value_count"])
        return dict(means)

    def pooled(self, pooling: str = DEFAULT_POOLING) -> dict[Cell, dict[str, tuple[float, int]]]:
        """Value pooled over mice, and neurons, of every metric; the cells' mouse is 'all'."""
        of_mice: dict[Cell, dict[str, list[tuple[float, int]]]] = defaultdict(lambda: defaultdict(list))
        for cell, metrics in self.means().items():
            whole = Cell(cell.bundle, WHOLE, cell.track, cell.stage, cell.family)
            for metric, mean in metrics.items():
                of_mice[whole][metric].append(mean)
        return {
            cell: {metric: _pool(values, pooling) for metric, values in metrics.items()}
            for cell, metrics in of_mice.items()
        }

    def ranking(self, track: str, stage: str) -> list[Ranked]:
        """Bundles by pooled single-trial correlation, best first; empty where nothing was scored there."""
        pooled = self.pooled()
        ceiling = pooled.get(Cell(CEILING, WHOLE, track, stage, WHOLE), {})
        ranked = [
            _ranked(cell.bundle, metrics, ceiling)
            for cell, metrics in pooled.items()
            if (cell.track, cell.stage, cell.family) == (track, stage, WHOLE) and cell.bundle != CEILING
        ]
        return sorted(ranked, key=lambda row: (-row.single_trial_correlation, row.bundle))

    def summary(self, trials: dict[Cell, int]) -> dict[str, Any]:
        """Provenance and, for every cell and pooled over mice, each metric's value, ceiling and fraction.

        Parameters
        ----------
        trials : of every cell of a single mouse.
        """
        total: dict[Cell, int] = defaultdict(int, trials)
        for cell, count in trials.items():
            total[Cell(cell.bundle, WHOLE, cell.track, cell.stage, cell.family)] += count
        rows = _summary_rows(self.means(), DEFAULT_POOLING, total)
        for pooling in POOLINGS:
            rows += _summary_rows(self.pooled(pooling), pooling, total)
        return {**asdict(self.provenance), "rows": rows}


def _piece(cell: Cell, metric: str, values: np.ndarray, unit_ids: np.ndarray) -> pa.Table:
    """Rows of one cell and metric; names are dictionary-encoded, since they repeat for every neuron."""
    columns: dict[str, Any] = {}
    zeros = pa.array(np.zeros(len(values), np.int32))
    for name, value in zip(_NAMES, (*asdict(cell).values(), metric), strict=True):
        columns[name] = pa.DictionaryArray.from_arrays(zeros, pa.array([value]))
    columns["neuron"] = pa.array(np.arange(len(values)), pa.int32())
    columns["unit_id"] = pa.array(unit_ids, pa.int64())
    columns["value"] = pa.array(values, pa.float64())
    order = ("bundle", "mouse", "neuron", "unit_id", "track", "stage", "family", "metric", "value")
    return pa.table({name: columns[name] for name in order})


def _pool(values: list[tuple[float, int]], pooling: str) -> tuple[float, int]:
    means, neurons = (np.array(column) for column in zip(*values, strict=True))
    return POOLINGS[pooling](means, neurons), int(neurons.sum())


def _ranked(bundle: str, metrics: dict[str, tuple[float, int]], ceiling: dict[str, tuple[float, int]]) -> Ranked:
    value, neurons = metrics[RANKED_BY]
    to_average = metrics.get("correlation_to_average", (None, 0))[0]
    fraction = fraction_of_ceiling(value, ceiling.get(RANKED_BY, (None, 0))[0])
    return Ranked(bundle, neurons, value, to_average, fraction)


def _summary_rows(
    values: dict[Cell, dict[str, tuple[float, int]]], pooling: str, trials: dict[Cell, int]
) -> list[dict[str, Any]]:
    rows = []
    for cell, metrics in sorted(values.items(), key=lambda item: tuple(asdict(item[0]).values())):
        ceiling = values.get(Cell(CEILING, cell.mouse, cell.track, cell.stage, cell.family), {})
        row: dict[str, Any] = {**asdict(cell), "pooling": pooling, "trials": trials[cell]}
        for metric in METRICS:
            value, neurons = metrics.get(metric, (None, 0))
            best = ceiling.get(metric, (None, 0))[0]
            row[metric] = {"value": value, "ceiling": best, "fraction": fraction_of_ceiling(value, best)}
            row["neurons"] = max(neurons, row.get("neurons", 0))
        rows.append(row)
    return rows
