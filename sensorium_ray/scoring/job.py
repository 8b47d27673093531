"""Scoring as a Ray Data batch job: shards of trials stream to actors that hold predictors, statistics are reduced.

First pass: every actor takes shards (`plan`) and writes what each bundle came to on them to the ledger (`ledger`);
nothing else leaves it, so neither the number of trials nor that of actors shows in anybody's memory, and what dies
is done again without a trial lost or counted twice. Second pass: one task a mouse and tier reads its shards'
statistics in the plan's order, merges them and computes its scores. So the last digit of a score does not depend
on how many workers there were, which of them was faster, or which of them died.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from .. import storage
from ..benchmark import STAGES, EvalWindow, Stage
from ..bundle.predictor import Predictor
from ..data.store import FrameStore
from ..data.truth import Truth
from ..errors import DataError
from ..metrics.definitions import parts_of
from ..metrics.trials import TrialStatistics, VideoGroup
from ..progress import ProgressLine
from ..storage import StrPath
from .actors import PredictorSet, Row, bundle_paths, check_bundles, run_actors, run_tasks
from .keeping import Keep, KeptPredictions
from .ledger import Entry, Ledger
from .plan import Shard, plan
from .recording import Recording
from .table import CEILING, REPLICATES, WHOLE, Cell, CellScores, Provenance, ScoreTable, score_cell

TRACED_NEURONS = 6
"""Neurons of a mouse and family whose traces are kept for pictures."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a score depends on besides data and bundles; small, and sent to every worker.

    Parameters
    ----------
    store, truth : where they are; no truth is None.
    bundles : where the bundles are.
    keys : of the ledger by the bundle's name, the ceiling's too.
    window, normalisation, replicates, seed : see `score`.
    ledger : its folder.
    kept, dtype : folder of kept predictions and what they are kept in, None where they are not kept.
    """

    store: str
    truth: str | None
    bundles: dict[str, str]
    keys: dict[str, str]
    window: EvalWindow
    normalisation: str
    replicates: int
    seed: int
    ledger: str
    kept: str | None
    dtype: Keep | None

    def recording(self) -> Recording:
        """The recorded responses."""
        truth = None if self.truth is None else Truth.open(self.truth)
        return Recording(FrameStore.open(self.store), truth, self.normalisation)


def score(
    bundles: Predictor | StrPath | Sequence[Predictor | StrPath],
    store: FrameStore | StrPath,
    out: StrPath | None = None,
    *,
    tracks: Sequence[str] | None = None,
    stages: Sequence[Stage] = STAGES,
    truth: StrPath | None = None,
    window: EvalWindow | None = None,
    normalisation: str = "raw",
    keep: Keep | None = None,
    seed: int = 0,
    address: str | None = None,
) -> ScoreTable:
    """Score bundles on the tiers of `tracks` and `stages`, and on the oracle tier (named 'oracle' or, of 2022,
    'validation'; stage 'dev').

    Writes `out/scores.parquet` (the table), `out/traces.npz` (see `_trace`) and last `out/summary.json`
    (`ScoreTable.summary`). With a truth that knows expected responses, these are scored like one more bundle,
    'ceiling'. Called again after it was killed, even with more bundles, it goes on where it was.

    Parameters
    ----------
    bundles : models and ensembles, as folders or s3:// addresses or opened; a model that is also a member of a given
        ensemble is not run twice.
    store : frame store, as a folder or s3:// address or opened.
    out : folder on disk or s3:// (several machines need one that they share); None: the table is all that is wanted.
    tracks : of the store's benchmark; None: all.
    truth : folder or s3:// address of withheld responses, families and expected responses; None: what the store has.
    window : frames of a trial that count; None: the benchmark's.
    normalisation : one of `recording.NORMALISATIONS`.
    keep : 'float16' or 'float32' to keep the predictions, too, in `out/predictions` (see `keeping`).
    seed : of the bootstrap that the intervals are from.
    address : Ray cluster; None: this machine.

    Raises
    ------
    DataError : `out` is finished already, or holds an unfinished scoring of something else; responses are withheld
        and no truth has them; a trial is at fault.
    BundleError : a bundle is at fault, or does not fit the store.
    """
    data = store if isinstance(store, FrameStore) else FrameStore.open(store)
    with ExitStack() as stack:
        folder = storage.locate(out if out is not None else stack.enter_context(TemporaryDirectory()))
        if storage.is_file(folder / "summary.json"):
            raise DataError("exists already", str(folder), "name another output or remove it first")
        paths = bundle_paths(bundles)
        recording = Recording(data, None if truth is None else Truth.open(truth), normalisation)
        window = window or data.benchmark.window
        provenance = _provenance(recording, check_bundles(data, paths), window, seed)
        sections = data.benchmark.sections(data.mice, tracks, stages)
        oracle = [(data.benchmark.oracle, mouse) for mouse in data.mice]
        shards = plan(recording, [*sections, *oracle], window)
        settings = _settings(recording, paths, provenance, window, folder, keep)
        ledger = Ledger(storage.locate(settings.ledger))
        facts = asdict(provenance)
        ledger.begin({name: fact for name, fact in facts.items() if name != "bundles"} | {"keep": keep})
        _predict(settings, ledger, shards, address)
        table, traces = _reduce(settings, shards, provenance, recording.store, address)
        table.write(folder / "scores.parquet")
        storage.write_npz(folder / "traces.npz", traces)
        storage.write_json(folder / "summary.json", table.summary())
        ledger.close()
    return table


def _provenance(recording: Recording, checksums: dict[str, str], window: EvalWindow, seed: int) -> Provenance:
    return Provenance(
        benchmark=recording.store.benchmark.name,
        window=window.name,
        data=recording.store.checksum,
        bundles=checksums,
        truth=storage.sha256(recording.truth.path / "truth.json") if recording.truth else None,
        normalisation=recording.normalisation,
        replicates=REPLICATES,
        seed=seed,
    )


def _settings(
    recording: Recording,
    bundles: Sequence[Path],
    provenance: Provenance,
    window: EvalWindow,
    folder: Path,
    keep: Keep | None,
) -> Settings:
    keys = {name: f"{name}-{checksum[:16]}" for name, checksum in provenance.bundles.items()}
    place = storage.locate(storage.absolute(folder))
    return Settings(
        store=storage.absolute(recording.store.path),
        truth=None if recording.truth is None else storage.absolute(recording.truth.path),
        bundles=dict(zip(keys, map(storage.absolute, bundles), strict=True)),
        keys=keys | ({CEILING: CEILING} if recording.truth else {}),
        window=window,
        normalisation=provenance.normalisation,
        replicates=provenance.replicates,
        seed=provenance.seed,
        ledger=str(place / "ledger"),
        kept=str(place / "predictions") if keep else None,
        dtype=keep,
    )


def _predict(settings: Settings, ledger: Ledger, shards: Sequence[Shard], address: str | None) -> None:
    """First pass: fill the ledger. Bundles that some shard lacks are run on all shards that lack any."""
    keys = {shard.name: _keys(settings, shard) for shard in shards}
    missing = ledger.missing(shards, keys)
    wanted = {key for lacking in missing.values() for key in lacking}
    names = [name for name in settings.bundles if settings.keys[name] in wanted]
    items = [{"number": number} for number, shard in enumerate(shards) if shard.name in missing]
    done = sum(shard.trials for shard in shards if shard.name not in missing)
    with ProgressLine(sum(shard.trials for shard in shards), "scoring", done=done) as line:
        for row in run_actors(items, _ShardScorer, (settings, names, shards), address) if items else ():
            line.advance(row["trials"])


def _keys(settings: Settings, shard: Shard) -> list[str]:
    """Keys of the ledger that a shard has entries of."""
    return [key for name, key in settings.keys.items() if name != CEILING or shard.ceiling]


class _ShardScorer:
    """Actor: writes what every bundle comes to on a shard. It loads its bundles with its first shard."""

    def __init__(self, settings: Settings, names: Sequence[str], shards: Sequence[Shard]) -> None:
        self._settings = settings
        self._names = names
        self._shards = shards

    # What may raise a SensoriumError is opened here, not in the constructor: Ray keeps the type of an error
    # of a task, but an error of a constructor arrives as a dead actor.
    @cached_property
    def _predictors(self) -> PredictorSet:
        return PredictorSet([storage.locate(self._settings.bundles[name]) for name in self._names])

    @cached_property
    def _recording(self) -> Recording:
        return self._settings.recording()

    def __call__(self, item: Row) -> Iterator[Row]:
        """One row, when the shard's entries are written."""
        shard = self._shards[item["number"]]
        entries: dict[str, Entry] = {}
        unit = shard.first_unit
        kept = self._kept(shard)
        for trials in shard.videos:
            groups: dict[str, VideoGroup] = {}
            trace: dict[str, dict[str, np.ndarray]] = {}
            for trial in trials:
                recorded, predictions = self._trial(shard, trial)
                kept.add(trial, {name: array for name, array in predictions.items() if name != CEILING})
                if shard.traced and not entries and not trace and recorded.shape[1] > 1:
                    trace = _trace(trial, recorded, predictions)
                self._compare(shard.mouse, recorded, predictions, unit, groups)
                unit += 1
            for name, group in groups.items():
                found = group.statistics()
                before = entries.get(name)
                entries[name] = (
                    Entry(before.statistics.merge(found), before.trace) if before else Entry(found, trace.get(name, {}))
                )
        kept.write()
        ledger = Ledger(storage.locate(self._settings.ledger))
        for name, entry in entries.items():
            ledger.write(self._settings.keys[name], shard.name, entry)
        yield {"trials": shard.trials}

    def _kept(self, shard: Shard) -> KeptPredictions:
        settings = self._settings
        folder = None if settings.kept is None else storage.locate(settings.kept)
        return KeptPredictions(folder, shard.name, settings.dtype or "float32")

    def _trial(self, shard: Shard, trial: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Recorded and predicted responses, (neurons, frames) each."""
        recording = self._recording
        recorded = recording.responses(shard.mouse, trial)
        predictions = {}
        if self._names:
            predictions = self._predictors.predict(recording.store[shard.mouse].clip(trial), shard.mouse)
        if shard.ceiling and recording.truth is not None:
            predictions[CEILING] = recording.truth.rates(shard.mouse, trial)
        for name, prediction in predictions.items():
            if prediction.shape != recorded.shape:
                what = f"'{name}' answers {prediction.shape} where {recorded.shape} were recorded"
                where = f"trial {trial} of {shard.mouse}"
                raise DataError(what, where, "the store and the truth or bundle must match")
        return recorded, predictions

    def _compare(
        self,
        mouse: str,
        recorded: np.ndarray,
        predictions: dict[str, np.ndarray],
        unit: int,
        groups: dict[str, VideoGroup],
    ) -> None:
        counts = self._settings.window.slice(recorded.shape[1])
        parts = parts_of(self._recording.store.benchmark.metrics)
        for name, prediction in predictions.items():
            responses, answer = self._recording.comparable(mouse, recorded, prediction)
            group = groups.setdefault(name, VideoGroup(len(recorded), parts))
            group.add(responses[:, counts], answer[:, counts], unit)


def _trace(trial: int, recorded: np.ndarray, predictions: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Traces of one trial, of those neurons that vary most for their mean, by the bundle's name.

    trial (); neurons (n,) indices in the mouse; recorded (n, frames); predicted (n, frames): float32, all valid
    frames of the trial, also those that do not count. Which neurons are chosen does not depend on the bundles, so
    that those of a scoring that was taken up again fit together.
    """
    worth = recorded.var(axis=1) / np.maximum(recorded.mean(axis=1), 1e-3)
    neurons = np.argsort(-worth, kind="stable")[:TRACED_NEURONS].astype(np.int64)
    common = {"trial": np.array(trial), "neurons": neurons, "recorded": recorded[neurons]}
    return {
        name: {**common, "predicted": prediction[neurons].astype(np.float32)}
        for name, prediction in predictions.items()
    }


def _reduce(
    settings: Settings,
    shards: Sequence[Shard],
    provenance: Provenance,
    store: FrameStore,
    address: str | None,
) -> tuple[ScoreTable, dict[str, np.ndarray]]:
    """Second pass: scores of every mouse and tier from the ledger, in the plan's order."""
    parts = [list(part) for _, part in groupby(shards, key=lambda shard: (shard.tier, shard.mouse))]
    scores: list[CellScores] = []
    traces: dict[str, np.ndarray] = {}
    with ProgressLine(len(parts), "adding up") as line:
        for cells, traced in run_tasks(_reduce_part, [(settings, part) for part in parts], address):
            scores += cells
            traces |= traced
            line.advance()
    unit_ids = {mouse: store[mouse].unit_ids for mouse in store.mice}
    return ScoreTable.of(scores, unit_ids, provenance), traces


def _reduce_part(settings: Settings, shards: Sequence[Shard]) -> tuple[list[CellScores], dict[str, np.ndarray]]:
    """Scores of one mouse and tier, by family and over all families, and its traces; runs in a Ray worker."""
    ledger = Ledger(storage.locate(settings.ledger))
    benchmark = FrameStore.open(settings.store).benchmark
    mouse, tier = shards[0].mouse, shards[0].tier
    scores: list[CellScores] = []
    traces: dict[str, np.ndarray] = {}
    for name, key in settings.keys.items():
        if name == CEILING and not shards[0].ceiling:
            continue
        merged: dict[str, TrialStatistics] = {}
        for shard in shards:
            entry = ledger.read(key, shard.name)
            for family in (shard.family, WHOLE):
                known = merged.get(family)
                merged[family] = known.merge(entry.statistics) if known else entry.statistics
            traces |= _named_traces(name, shard, entry.trace)
        for family, statistics in merged.items():
            cell = Cell(name, mouse, *benchmark.track_and_stage_of(mouse, tier), family)
            scores.append(score_cell(cell, statistics, benchmark.metrics, settings.replicates, settings.seed))
    return scores, traces


def _named_traces(name: str, shard: Shard, trace: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays for traces.npz: '<mouse>/<family>/' and then trial, neurons, recorded, and rates (the expected
    responses where known) or prediction/<bundle>.
    """
    rename = {"predicted": "rates" if name == CEILING else f"prediction/{name}"}
    return {f"{shard.mouse}/{shard.family}/{rename.get(key, key)}": array for key, array in trace.items()}
