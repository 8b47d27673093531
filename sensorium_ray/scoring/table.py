"""The score table: one row a neuron x metric x bundle, the ranking made of it, and its Parquet file."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..benchmark import BENCHMARKS
from ..errors import DataError
from ..metrics.bootstrap import Resampled, bootstrap, interval
from ..metrics.definitions import DEFAULT_POOLING, METRICS, NAN_POLICY, POOLINGS, RANKED_BY, fraction_of_ceiling
from ..metrics.trials import TrialStatistics
from ..storage import atomic_path
from ..version import package_version

CEILING = "ceiling"
"""Name under which the true expected responses are scored, as if they were a bundle."""

WHOLE = "all"
"""Family of the rows of a track's whole, and mouse of what is pooled over mice."""

REPLICATES = 200
"""Of the bootstrap."""

_TO_AVERAGE = ("correlation_to_average", "correlation_to_average_pooled")
"""Of 2023 and of 2022; a benchmark has one of them."""
_METADATA_KEY = b"sensorium_ray"
_NAMES = ("bundle", "mouse", "track", "stage", "family", "metric")


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a score can be repeated from.

    Parameters
    ----------
    benchmark : name of the rules.
    window : name of the frames that counted, such as '50..299'.
    data : checksum of the frame store.
    bundles : checksum of each bundle, or submission, by its name.
    truth : checksum of the truth, None where there was none.
    normalisation : name of how responses were compared.
    replicates, seed : of the bootstrap that the intervals are from.
    version : of this package.
    nan_policy, pooling : what counts for NaN and constant neurons; how neurons and mice were pooled.
    """

    benchmark: str
    window: str
    data: str
    bundles: dict[str, str]
    truth: str | None
    normalisation: str = "raw"
    replicates: int = REPLICATES
    seed: int = 0
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

    def over_mice(self) -> Cell:
        """The same of all mice together."""
        return replace(self, mouse=WHOLE)


@dataclass(frozen=True, slots=True)
class CellScores:
    """Scores of one cell; metrics that its trials do not allow are absent.

    Parameters
    ----------
    cell : whose.
    trials : how many.
    values : of every metric, (neurons,) float64; NaN: the neuron does not count.
    resampled : of every metric, how it varies with the trials.
    """

    cell: Cell
    trials: int
    values: dict[str, np.ndarray]
    resampled: dict[str, Resampled]


def score_cell(
    cell: Cell, statistics: TrialStatistics, metrics: Sequence[str], replicates: int = REPLICATES, seed: int = 0
) -> CellScores:
    """Scores that the statistics of a cell's trials allow."""
    computed = {name: METRICS[name].compute(statistics) for name in metrics}
    values = {name: value for name, value in computed.items() if value is not None}
    return CellScores(cell, statistics.trials, values, bootstrap(statistics, list(values), replicates, seed))


@dataclass(frozen=True, slots=True)
class Ranked:
    """One line of a ranking; None where a metric, its interval or its ceiling is unknown.

    `interval` is the 95 % bootstrap interval over trials of the single-trial correlation.
    """

    bundle: str
    neurons: int
    single_trial_correlation: float
    interval: tuple[float, float] | None
    correlation_to_average: float | None
    fraction_of_ceiling: float | None


Intervals = dict[Cell, dict[str, tuple[float, float]]]


class ScoreTable:
    """Scores of any number of bundles.

    Parameters
    ----------
    table : columns bundle, mouse, neuron (index in the mouse), unit_id, track, stage, family, metric, value,
        and low and high, the neuron's 95 % bootstrap interval (float64; null where a neuron does not count).
        Rows of family 'all' are a track's whole: trials concatenated, no mean over families.
    provenance : what the scores can be repeated from.
    intervals : 95 % bootstrap interval of each mean over neurons, of a mouse or (mouse 'all') of all mice.
    trials : of each cell.
    """

    def __init__(self, table: pa.Table, provenance: Provenance, intervals: Intervals, trials: dict[Cell, int]) -> None:
        self.table = table
        self.provenance = provenance
        self.intervals = intervals
        self.trials = trials

    @classmethod
    def of(cls, scores: Sequence[CellScores], unit_ids: dict[str, np.ndarray], provenance: Provenance) -> ScoreTable:
        """Table of some cells; `unit_ids[mouse]` are (neurons,) int64."""
        pieces = [_piece(found, metric, unit_ids[found.cell.mouse]) for found in scores for metric in found.values]
        table = pa.concat_tables(pieces).unify_dictionaries().combine_chunks()
        trials: dict[Cell, int] = defaultdict(int)
        for found in scores:
            for cell in (found.cell, found.cell.over_mice()):
                trials[cell] += found.trials
        return cls(table, provenance, _intervals(scores, provenance.pooling), dict(trials))

    def write(self, path: Path) -> None:
        """Write Parquet, atomically; the provenance travels in the schema's metadata as JSON."""
        facts = {
            "provenance": asdict(self.provenance),
            "intervals": [[*astuple(cell), found] for cell, found in self.intervals.items()],
            "trials": [[*astuple(cell), count] for cell, count in self.trials.items()],
        }
        metadata = {_METADATA_KEY: json.dumps(facts, sort_keys=True).encode()}
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
            facts = json.loads((table.schema.metadata or {})[_METADATA_KEY])
            provenance = Provenance(**facts["provenance"])
            intervals, trials = (
                {Cell(*names): found for *names, found in facts[which]} for which in ("intervals", "trials")
            )
        except FileNotFoundError as error:
            raise DataError("file is missing", str(path), "run `sensorium score`") from error
        except (pa.ArrowException, KeyError, TypeError, ValueError, OSError) as error:
            raise DataError(f"is not a score table ({error})", str(path), "run `sensorium score`") from error
        return cls(table.replace_schema_metadata(None), provenance, intervals, trials)

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
            whole = cell.over_mice()
            for metric, mean in metrics.items():
                of_mice[whole][metric].append(mean)
        return {
            cell: {metric: _pool(values, pooling) for metric, values in metrics.items()}
            for cell, metrics in of_mice.items()
        }

    @cached_property
    def rankings(self) -> dict[tuple[str, str], list[Ranked]]:
        """Ranking of every track and stage of the benchmark that was scored, in its order."""
        rankings = {place: self.ranking(*place) for place in BENCHMARKS[self.provenance.benchmark].test_tiers}
        return {place: ranking for place, ranking in rankings.items() if ranking}

    def ranking(self, track: str, stage: str) -> list[Ranked]:
        """Bundles by pooled single-trial correlation, best first; empty where nothing was scored there."""
        ceiling = self._means_over_mice.get(Cell(CEILING, WHOLE, track, stage, WHOLE), {})
        ranked = [
            _ranked(cell.bundle, metrics, ceiling, self.intervals.get(cell, {}))
            for cell, metrics in self._means_over_mice.items()
            if (cell.track, cell.stage, cell.family) == (track, stage, WHOLE) and cell.bundle != CEILING
        ]
        return sorted(ranked, key=lambda row: (-row.single_trial_correlation, row.bundle))

    @cached_property
    def _means_over_mice(self) -> dict[Cell, dict[str, tuple[float, int]]]:
        return self.pooled()

    def summary(self) -> dict[str, Any]:
        """Provenance and, for every cell and pooled over mice, each metric's value, interval, ceiling and fraction."""
        rows = _summary_rows(self, self.means(), DEFAULT_POOLING)
        for pooling in POOLINGS:
            rows += _summary_rows(self, self.pooled(pooling), pooling)
        return {**asdict(self.provenance), "rows": rows}


def _intervals(scores: Sequence[CellScores], pooling: str) -> Intervals:
    """Of every mouse, and of all mice together: their replicates are independent, so any may be pooled."""
    replicates: dict[Cell, dict[str, list[tuple[np.ndarray, int]]]] = defaultdict(lambda: defaultdict(list))
    for found in scores:
        for metric, resampled in found.resampled.items():
            counted = int(np.isfinite(found.values[metric]).sum())
            for cell in (found.cell, found.cell.over_mice()):
                replicates[cell][metric].append((resampled.means, counted))
    return {
        cell: {metric: interval(_pool_replicates(parts, pooling)) for metric, parts in metrics.items()}
        for cell, metrics in replicates.items()
    }


def _pool_replicates(parts: list[tuple[np.ndarray, int]], pooling: str) -> np.ndarray:
    known = [(means, neurons) for means, neurons in parts if neurons]
    if not known:
        return np.full(1, np.nan)
    means, neurons = np.stack([means for means, _ in known]), np.array([count for _, count in known])
    return np.array([POOLINGS[pooling](replicate, neurons) for replicate in means.T])


def _piece(found: CellScores, metric: str, unit_ids: np.ndarray) -> pa.Table:
    """Rows of one cell and metric; names are dictionary-encoded, since they repeat for every neuron."""
    columns: dict[str, Any] = {}
    values, resampled = found.values[metric], found.resampled[metric]
    zeros = pa.array(np.zeros(len(values), np.int32))
    for name, value in zip(_NAMES, (*astuple(found.cell), metric), strict=True):
        columns[name] = pa.DictionaryArray.from_arrays(zeros, pa.array([value]))
    columns["neuron"] = pa.array(np.arange(len(values)), pa.int32())
    columns["unit_id"] = pa.array(unit_ids, pa.int64())
    for name, numbers in (("value", values), ("low", resampled.low), ("high", resampled.high)):
        columns[name] = pa.array(numbers, pa.float64(), from_pandas=True)  # NaN becomes null
    order = ("bundle", "mouse", "neuron", "unit_id", "track", "stage", "family", "metric", "value", "low", "high")
    return pa.table({name: columns[name] for name in order})


def _pool(values: list[tuple[float, int]], pooling: str) -> tuple[float, int]:
    """Pool means of mice; one of which no neuron counts is left out."""
    known = [(mean, neurons) for mean, neurons in values if neurons]
    if not known:
        return float("nan"), 0
    means, neurons = (np.array(column) for column in zip(*known, strict=True))
    return POOLINGS[pooling](means, neurons), int(neurons.sum())


def _ranked(
    bundle: str,
    metrics: dict[str, tuple[float, int]],
    ceiling: dict[str, tuple[float, int]],
    intervals: dict[str, tuple[float, float]],
) -> Ranked:
    value, neurons = metrics[RANKED_BY]
    averages = [metrics[name][0] for name in _TO_AVERAGE if name in metrics]
    fraction = fraction_of_ceiling(value, ceiling.get(RANKED_BY, (None, 0))[0])
    return Ranked(bundle, neurons, value, _known(intervals.get(RANKED_BY)), next(iter(averages), None), fraction)


def _known(found: tuple[float, float] | None) -> tuple[float, float] | None:
    return (found[0], found[1]) if found and np.isfinite(found).all() else None


def _summary_rows(
    table: ScoreTable, values: dict[Cell, dict[str, tuple[float, int]]], pooling: str
) -> list[dict[str, Any]]:
    rows = []
    for cell, metrics in sorted(values.items(), key=lambda item: astuple(item[0])):
        ceiling = values.get(replace(cell, bundle=CEILING), {})
        # Those of all mice were made for one pooling.
        known = table.intervals.get(cell, {}) if pooling == table.provenance.pooling else {}
        row: dict[str, Any] = {**asdict(cell), "pooling": pooling, "trials": table.trials[cell]}
        for metric, (value, neurons) in metrics.items():
            best = ceiling.get(metric, (None, 0))[0] if METRICS[metric].higher_is_better else None
            row[metric] = {
                "value": value if neurons else None,
                "interval": _known(known.get(metric)),
                "neurons": neurons,
                "ceiling": best,
                "fraction": fraction_of_ceiling(value, best),
            }
            row["neurons"] = max(neurons, row.get("neurons", 0))
        rows.append(row)
    return rows
