"""Scoring as a Ray Data batch job: actors predict, mergeable statistics stream back, the driver adds them up.

The unit of work is one video with all its repeats in one tier of one mouse, since the correlation to average
needs them together. What travels is statistics, (neurons,) each, so neither the number of trials nor the
number of actors shows in the driver's memory. Blocks come back in order, so that the sums, and with them the
last digit of every score, do not depend on which actor was faster.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..benchmark import (
    DEFAULT_WINDOW,
    STAGES,
    TRACKS,
    EvalWindow,
    Stage,
    Track,
    family_of,
    tier_of,
    track_and_stage_of,
)
from ..bundle.manifest import MEMBERS, Manifest, bundle_checksum
from ..bundle.predictor import EnsemblePredictor, Predictor, load_predictor
from ..compute import connect, original
from ..data.clip import Clip
from ..data.store import FrameStore, TrialInfo
from ..data.truth import Truth
from ..errors import BundleError, DataError
from ..metrics.definitions import METRICS, TrialStatistics, VideoGroup, single_trial_correlation
from ..metrics.statistics import CoMoments, VideoMean
from ..progress import ProgressLine
from ..storage import StrPath, sha256, write_json, write_npz
from .table import CEILING, WHOLE, Cell, Provenance, ScoreTable

TRACED_NEURONS = 6
"""Neurons of a group whose traces are kept for pictures."""

Row = dict[str, Any]
"""What Ray Data hands from one process to another: names and plain values, arrays as bytes."""

_SILENT = logging.CRITICAL + 1


def score(
    store: StrPath,
    bundles: Sequence[StrPath],
    out: StrPath,
    *,
    tracks: Sequence[Track] = TRACKS,
    stages: Sequence[Stage] = STAGES,
    truth: StrPath | None = None,
    window: EvalWindow = DEFAULT_WINDOW,
    address: str | None = None,
) -> ScoreTable:
    """Score bundles on the tiers of `tracks` and `stages`, and on the oracle tier ('oracle', 'dev').

    Writes `out/scores.parquet` (the table), `out/traces.npz` (see `_traces`) and last `out/summary.json`
    (`ScoreTable.summary`). With a truth that knows expected responses, these are scored like one more bundle,
    'ceiling'.

    Parameters
    ----------
    store : frame store.
    bundles : models and ensembles; a model that is also a member of a given ensemble is not run twice.
    truth : folder with withheld responses, families and expected responses; None: what the store has.
    window : frames of a trial that count.
    address : Ray cluster; None: this machine.

    Raises
    ------
    DataError : `out` is finished already; responses are withheld and no truth has them; a trial is at fault.
    BundleError : a bundle is at fault, or does not fit the store.
    """
    store, out = Path(store), Path(out)
    truth = None if truth is None else Path(truth)
    if (out / "summary.json").exists():
        raise DataError("exists already", str(out), "name another output or remove it first")
    data, paths = FrameStore.open(store), [Path(bundle) for bundle in bundles]
    checksums = check_bundles(data, paths)
    known = Truth.open(truth) if truth is not None else None
    tiers = [tier_of(track, stage) for track in tracks for stage in stages]
    groups = _groups(data, known, [*tiers, "oracle"], window)
    _require_responses(data, known, groups)
    provenance = Provenance(
        window=window.name,
        data=data.checksum,
        bundles=checksums,
        truth=sha256(known.path / "truth.json") if known else None,
    )
    arguments = (
        data.path.resolve(),
        [path.resolve() for path in paths],
        truth and truth.resolve(),
        window,
    )
    merged, traces = _collect(run_actors(groups, _GroupScorer, arguments, address), len(groups))
    table = _table(merged, data, provenance)
    table.write(out / "scores.parquet")
    write_npz(out / "traces.npz", traces)
    write_json(out / "summary.json", table.summary({cell: found.trials for cell, found in merged.items()}))
    return table


def check_bundles(store: FrameStore, bundles: Sequence[Path]) -> dict[str, str]:
    """Make sure that bundles can be ranked on a store, all on the same neurons.

    Returns
    -------
    Checksum of each bundle by its name.

    Raises
    ------
    BundleError : a bundle is unreadable, misses a mouse or neurons of the store, or two have the same name.
    """
    checksums: dict[str, str] = {}
    for bundle in bundles:
        manifest = Manifest.read(bundle)
        if manifest.name in checksums or manifest.name == CEILING:
            what = f"is named '{manifest.name}', which is taken"
            raise BundleError(what, str(bundle), f"give every bundle a name of its own, other than '{CEILING}'")
        _require_mice(store, manifest, str(bundle))
        checksums[manifest.name] = bundle_checksum(bundle)
    if not checksums:
        raise BundleError("no bundle was given", "score", "name at least one")
    return checksums


def run_actors(items: list[Row], actor: type, arguments: tuple, address: str | None = None) -> Iterator[Row]:
    """Rows that a pool of actors makes of `items`, in the items' order, as they come.

    Parameters
    ----------
    items : work, one dict each, in the order in which the rows are wanted.
    actor : class whose `__call__(item)` yields rows; one actor a CPU.
    arguments : of its constructor.

    Raises
    ------
    SensoriumError : as the actor raised it.
    """
    connect(address)
    import ray
    from ray.data import ActorPoolStrategy

    _configure_ray_data()
    actors = max(1, min(int(ray.cluster_resources().get("CPU", 1)), len(items)))
    rows = ray.data.from_items(items, override_num_blocks=len(items)).flat_map(
        actor, compute=ActorPoolStrategy(size=actors), num_cpus=1, fn_constructor_args=arguments
    )
    try:
        yield from rows.iter_rows()
    except ray.exceptions.RayTaskError as error:
        raise original(error) from error


def pack_moments(moments: CoMoments) -> Row:
    """Co-moments as part of a row."""
    return {"count": moments.count, "mean": moments.mean.tobytes(), "comoment": moments.comoment.tobytes()}


def unpack_moments(row: Row, signals: int) -> CoMoments:
    """Inverse of `pack_moments`."""
    mean, comoment = (np.frombuffer(row[name]) for name in ("mean", "comoment"))
    return CoMoments(row["count"], mean.reshape(signals, -1), comoment.reshape(signals, signals, -1))


def require_frames(window: EvalWindow, mouse: str, info: TrialInfo) -> None:
    """Refuse a trial that ends before the window begins: it would silently count for nothing.

    Raises
    ------
    DataError : it does.
    """
    if window.slice(info.frames) == slice(info.frames, info.frames):
        what = f"has {info.frames} frames, none of them in {window.name}"
        raise DataError(what, f"trial {info.trial} of {mouse}", "choose other frames with --frames")


class PredictorSet:
    """Several bundles that predict together; a model that is also an ensemble's member runs once a clip.

    Parameters
    ----------
    bundles : folders of models and ensembles.

    Raises
    ------
    BundleError : a bundle is damaged.
    """

    def __init__(self, bundles: Sequence[Path]) -> None:
        members = {bundle: _members(bundle) for bundle in bundles}
        covered = {checksum for names in members.values() for checksum in names.values()}
        self._alone: list[Predictor] = []
        self._ensembles: list[tuple[EnsemblePredictor, dict[str, str]]] = []
        self._borrowed: dict[str, str] = {}
        for bundle in bundles:
            checksum = bundle_checksum(bundle)
            if checksum in covered:
                self._borrowed[Manifest.read(bundle).name] = checksum
                continue
            predictor = load_predictor(bundle, threads=1)  # the pool has an actor for every CPU
            if isinstance(predictor, EnsemblePredictor):
                self._ensembles.append((predictor, members[bundle]))
            else:
                self._alone.append(predictor)

    def predict(self, clip: Clip, mouse: str) -> dict[str, np.ndarray]:
        """Each bundle's prediction, (neurons, frames) float32, by the bundle's name."""
        predictions = {predictor.manifest.name: predictor.predict(clip, mouse) for predictor in self._alone}
        by_checksum: dict[str, np.ndarray] = {}
        for ensemble, checksums in self._ensembles:
            answers = ensemble.member_predictions(clip, mouse)
            predictions[ensemble.manifest.name] = ensemble.combine(answers)
            by_checksum |= {checksums[name]: answer for name, answer in answers.items()}
        return predictions | {name: by_checksum[checksum] for name, checksum in self._borrowed.items()}


@dataclass(frozen=True, slots=True)
class _Recording:
    """Where the recorded and the expected responses of a trial come from."""

    store: FrameStore
    truth: Truth | None

    def responses(self, mouse: str, trial: int) -> np.ndarray:
        """(neurons, frames) float32, from the truth where it has them."""
        if self.truth is not None and self.truth.has_responses(mouse, trial):
            return self.truth.responses(mouse, trial)
        return self.store[mouse].responses(trial)


class _GroupScorer:
    """Actor: the statistics of every bundle on one group. It loads its bundles with its first group."""

    def __init__(self, store: Path, bundles: list[Path], truth: Path | None, window: EvalWindow) -> None:
        self._paths = store, truth
        self._bundles = bundles
        self._window = window

    # What may raise a SensoriumError is opened here, not in the constructor: Ray keeps the type of an error
    # of a task, but an error of a constructor arrives as a dead actor.
    @cached_property
    def _predictors(self) -> PredictorSet:
        return PredictorSet(self._bundles)

    @cached_property
    def _recording(self) -> _Recording:
        store, truth = self._paths
        return _Recording(FrameStore.open(store), Truth.open(truth) if truth is not None else None)

    def __call__(self, group: Row) -> Iterator[Row]:
        """One row a bundle; the first trial's traces are on it where the group asks for them."""
        videos: dict[str, VideoGroup] = {}
        first: dict[str, np.ndarray] = {}
        for trial in group["trials"]:
            recorded, predictions = self._trial(group["mouse"], int(trial), group["ceiling"])
            first = first or {"": recorded, **predictions}
            counts = self._window.slice(recorded.shape[1])
            for name, prediction in predictions.items():
                video = videos.setdefault(name, VideoGroup(len(recorded)))
                video.add(recorded[:, counts], prediction[:, counts])
        found = {name: video.statistics() for name, video in videos.items()}
        neurons = _best_neurons(found) if group["traced"] else np.zeros(0, np.int64)
        for name, statistics in found.items():
            yield {
                **{key: group[key] for key in ("mouse", "tier", "family")},
                "bundle": name,
                **_pack(statistics),
                "trial": int(group["trials"][0]),
                "neurons": neurons.tobytes(),
                "recorded": first[""][neurons].tobytes(),
                "predicted": first[name][neurons].astype(np.float32).tobytes(),
                "finished": name == next(reversed(found)),
            }

    def _trial(self, mouse: str, trial: int, ceiling: bool) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        recorded = self._recording.responses(mouse, trial)
        predictions = self._predictors.predict(self._recording.store[mouse].clip(trial), mouse)
        if ceiling and self._recording.truth is not None:
            predictions[CEILING] = self._recording.truth.rates(mouse, trial)
        for name, prediction in predictions.items():
            if prediction.shape != recorded.shape:
                what = f"'{name}' answers {prediction.shape} where {recorded.shape} were recorded"
                raise DataError(what, f"trial {trial} of {mouse}", "the store and the truth or bundle must match")
        return recorded, predictions


def _groups(store: FrameStore, truth: Truth | None, tiers: Sequence[str], window: EvalWindow) -> list[Row]:
    """Work: every video of `tiers` with its repeats, by mouse, in the order of the tiers.

    The first group of every mouse and family is traced. The ceiling is scored in a tier where the expected
    responses of all its trials are known, so that it belongs to the same neurons and trials as the bundles.
    """
    groups: dict[tuple[str, str, str, str], Row] = {}
    seen: set[tuple[str, str]] = set()
    for tier in tiers:
        trials = [(mouse, info) for mouse in store.mice for info in store[mouse].select(tier)]
        ceiling = truth is not None and all(truth.has_rates(mouse, info.trial) for mouse, info in trials)
        for mouse, info in trials:
            require_frames(window, mouse, info)
            family = truth.family(mouse, info.trial) if truth is not None else family_of(mouse, tier)
            key = (tier, mouse, family, info.video)
            if key not in groups:
                traced = (mouse, family) not in seen
                seen.add((mouse, family))
                names = {"mouse": mouse, "tier": tier, "family": family, "ceiling": ceiling, "traced": traced}
                groups[key] = {**names, "trials": []}
            groups[key]["trials"].append(info.trial)
    if not groups:
        raise DataError(f"has no trial of {', '.join(tiers)}", str(store.path), "name another track or stage")
    return list(groups.values())


def _members(bundle: Path) -> dict[str, str]:
    """Checksum of each member of a bundle by its name; a model has none."""
    return {member.name: bundle_checksum(bundle / MEMBERS / member.name) for member in Manifest.read(bundle).members}


def _require_mice(store: FrameStore, manifest: Manifest, bundle: str) -> None:
    known = {entry.name: entry.unit_ids for entry in manifest.mice}
    for mouse in store.mice:
        if mouse not in known:
            raise BundleError(f"knows no mouse '{mouse}'", bundle, "score it on a store of its own mice")
        if not np.array_equal(np.asarray(known[mouse]), store[mouse].unit_ids):
            raise BundleError(f"has other neurons of mouse '{mouse}' than the store", bundle, "fit it on this store")


def _require_responses(store: FrameStore, truth: Truth | None, groups: list[Row]) -> None:
    """Refuse tiers whose responses are withheld, before any work: any prediction of them would score 0."""
    recording = _Recording(store, truth)
    trials: dict[tuple[str, str], list[int]] = defaultdict(list)
    for group in groups:
        trials[group["mouse"], group["tier"]] += group["trials"]
    for (mouse, tier), indices in trials.items():
        if not any(recording.responses(mouse, trial).any() for trial in indices):
            what = f"responses of {tier} of {mouse} are withheld (all zeros)"
            raise DataError(what, str(store.path), "pass --truth DIR")


def _configure_ray_data() -> None:
    """Rows in order, errors as they were raised, and silence: the progress line is ours, Ray has a log."""
    import ray

    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(_SILENT)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.raise_original_map_exception = True
    context.execution_options.preserve_order = True


def _best_neurons(found: dict[str, TrialStatistics]) -> np.ndarray:
    """The few neurons worth a picture, (neurons,) int64: those that the bundles predict best on average."""
    bundles = [statistics for name, statistics in found.items() if name != CEILING]
    worth = np.mean([single_trial_correlation(statistics) for statistics in bundles], axis=0)
    return np.argsort(-worth, kind="stable")[:TRACED_NEURONS].astype(np.int64)


def _pack(found: TrialStatistics) -> Row:
    return {
        "trials": found.trials,
        **pack_moments(found.moments),
        "videos": found.videos.videos,
        "total": found.videos.total.tobytes(),
    }


def _unpack(row: Row) -> TrialStatistics:
    videos = VideoMean(row["videos"], np.frombuffer(row["total"]))
    return TrialStatistics(row["trials"], unpack_moments(row, signals=2), videos)


def _collect(rows: Iterable[Row], groups: int) -> tuple[dict[Cell, TrialStatistics], dict[str, np.ndarray]]:
    """Merge what the actors send: by family, and over the families of a tier; and the traces."""
    merged: dict[Cell, TrialStatistics] = {}
    traces: dict[str, np.ndarray] = {}
    with ProgressLine(groups, "scoring") as line:
        for row in rows:
            found = _unpack(row)
            for family in (row["family"], WHOLE):
                cell = Cell(row["bundle"], row["mouse"], *track_and_stage_of(row["tier"]), family)
                merged[cell] = merged[cell].merge(found) if cell in merged else found
            traces |= _traces(row)
            if row["finished"]:
                line.advance()
    return merged, traces


def _traces(row: Row) -> dict[str, np.ndarray]:
    """Traces of one trial of a mouse and family, if the row has them.

    Keys are '<mouse>/<family>/' and then: trial (); neurons (n,) indices in the mouse; recorded (n, frames);
    rates (n, frames), the expected responses where known; prediction/<bundle> (n, frames). float32, all valid
    frames of the trial, also those that do not count.
    """
    neurons = np.frombuffer(row["neurons"], np.int64)
    if not neurons.size:
        return {}
    prefix = f"{row['mouse']}/{row['family']}/"
    name = "rates" if row["bundle"] == CEILING else f"prediction/{row['bundle']}"
    recorded, predicted = (
        np.frombuffer(row[key], np.float32).reshape(neurons.size, -1) for key in ("recorded", "predicted")
    )
    arrays = {"trial": np.array(row["trial"]), "neurons": neurons, "recorded": recorded, name: predicted}
    return {prefix + key: array for key, array in arrays.items()}


def _table(merged: dict[Cell, TrialStatistics], store: FrameStore, provenance: Provenance) -> ScoreTable:
    scores: dict[Cell, dict[str, np.ndarray]] = {}
    for cell, found in merged.items():
        values = {name: metric(found) for name, metric in METRICS.items()}
        scores[cell] = {name: value for name, value in values.items() if value is not None}
    return ScoreTable.of(scores, {mouse: store[mouse].unit_ids for mouse in store.mice}, provenance)
