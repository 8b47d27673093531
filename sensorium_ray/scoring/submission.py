"""Submission files of the Dynamic Sensorium 2023 competition: written by actors, checked row by row.

A file is Parquet, brotli, one row a trial: `mouse` string, `trial_indices` int64 (N of the published N.npy),
`prediction` list<list<double>> (neurons x frames), `neuron_ids` list<int64>; no index column. The main track
is one flat zip of two files, the bonus track one zip a stage.

Where the names come from: the main track's from the competition's instructions, the bonus track's from the
submissions of the teams that published theirs; the names that the starter kit generates by itself
(`predictions_file_...`) were refused by the server. Teams also sent `neuron_ids` as list<uint32>, which is
read but not written.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from ..benchmark import DEFAULT_WINDOW, STAGES, TRACKS, EvalWindow, Track, tier_of
from ..bundle.predictor import Predictor, load_predictor
from ..data.store import FrameStore, TrialInfo
from ..errors import DataError, SubmissionError
from ..progress import ProgressLine
from ..storage import StrPath, atomic_path, require_new
from .job import Row, check_bundles, require_frames, run_actors

FILES = {
    "live_test_main": "predictions_live_main.parquet.brotli",
    "final_test_main": "predictions_final_main.parquet.brotli",
    "live_test_bonus": "predictions_live_test_bonus_ood.parquet.brotli",
    "final_test_bonus": "predictions_final_test_bonus_ood.parquet.brotli",
}
"""Name of a tier's file in its zip."""

ZIPS = {
    "submission_main.zip": ("live_test_main", "final_test_main"),
    "submission_bonus_live.zip": ("live_test_bonus",),
    "submission_bonus_final.zip": ("final_test_bonus",),
}
"""Zips and the tiers in them; the server does not look at a zip's own name."""

SCHEMA = pa.schema(
    [
        ("mouse", pa.string()),
        ("trial_indices", pa.int64()),
        ("prediction", pa.list_(pa.list_(pa.float64()))),
        ("neuron_ids", pa.list_(pa.int64())),
    ]
)

_BROTLI_LEVEL = 5
"""Half a second for a trial of 8000 neurons, where the default level takes four for 1 % less."""
_ROW_GROUP_BYTES = 64 * 1024**2


def write_submission(
    store: StrPath,
    bundle: StrPath,
    out: StrPath,
    *,
    tracks: Sequence[Track] = TRACKS,
    window: EvalWindow = DEFAULT_WINDOW,
    address: str | None = None,
) -> list[Path]:
    """Predict every trial of the test tiers and write the zips that are sent to the server.

    Parameters
    ----------
    store : frame store; only its videos and behaviour are used.
    bundle : model or ensemble.
    out : folder for the zips.
    window : frames of a trial that are sent.
    address : Ray cluster; None: this machine.

    Returns
    -------
    The zips that were written.

    Raises
    ------
    DataError : `out` is not empty, or the store has no trial of a tier.
    BundleError : the bundle is at fault, or does not fit the store.
    """
    store, bundle, out = Path(store), Path(bundle), Path(out)
    require_new(out)
    data = FrameStore.open(store)
    check_bundles(data, [bundle])
    tiers = [tier_of(track, stage) for track in tracks for stage in STAGES]
    trials = [row for tier in tiers for row in _trials(data, tier, window)]
    arguments = (data.path.resolve(), bundle.resolve(), window)
    rows = run_actors(trials, _TrialPredictor, arguments, address)
    with atomic_path(out) as folder, ProgressLine(len(trials), "predicting") as line:
        folder.mkdir()
        for tier, of_tier in groupby(rows, key=lambda row: row["tier"]):
            _write_tier(folder / FILES[tier], of_tier, data, line)
        zips = _zip(folder, tiers)
    return [out / name for name in zips]


class SubmissionWriter:
    """Writes one tier's file trial by trial; memory is that of one row group.

    Parameters
    ----------
    path : file to write.
    """

    def __init__(self, path: Path) -> None:
        # Responses hardly ever repeat: a dictionary of them would only cost time.
        self._writer = pq.ParquetWriter(
            path, SCHEMA, compression="brotli", compression_level=_BROTLI_LEVEL, use_dictionary=["mouse"]
        )
        self._batches: list[pa.RecordBatch] = []

    def __enter__(self) -> SubmissionWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, mouse: str, trial: int, prediction: np.ndarray, unit_ids: np.ndarray) -> None:
        """Add one trial: prediction (neurons, frames), unit_ids (neurons,)."""
        neurons, frames = prediction.shape
        values = pa.array(np.ascontiguousarray(prediction, np.float64).ravel())
        per_neuron = pa.ListArray.from_arrays(np.arange(neurons + 1, dtype=np.int32) * np.int32(frames), values)
        columns = [
            pa.array([mouse]),
            pa.array([trial], pa.int64()),
            pa.ListArray.from_arrays(np.array([0, neurons], np.int32), per_neuron),
            pa.array([unit_ids], pa.list_(pa.int64())),
        ]
        self._batches.append(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
        if sum(batch.nbytes for batch in self._batches) > _ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches))
            self._batches = []


@dataclass(slots=True)
class FileSummary:
    """What a checked file holds.

    Parameters
    ----------
    name : of the file.
    tier : tier of its trials, None where neither its name nor a store tells it.
    trials, neurons : of each mouse.
    frames : least and most frames of a prediction.
    """

    name: str
    tier: str | None
    trials: dict[str, int] = field(default_factory=dict)
    neurons: dict[str, int] = field(default_factory=dict)
    frames: tuple[int, int] = (0, 0)


def check_submission(
    path: StrPath, store: StrPath | None = None, window: EvalWindow = DEFAULT_WINDOW
) -> list[FileSummary]:
    """Find the first thing in a submission that the server would refuse or score as something else.

    Rows are read one by one. Without a store, the trials, neurons and lengths can only be checked against
    each other.

    Parameters
    ----------
    path : a zip, or one Parquet file.
    store : frame store with the trials that are predicted.
    window : frames of a trial that are sent.

    Raises
    ------
    SubmissionError : naming the file, the row and how to mend it.
    """
    path = Path(path)
    store = None if store is None else Path(store)
    data = FrameStore.open(store) if store is not None else None
    with _opened(path) as files:
        if path.suffix == ".zip":
            _check_names(path, list(files))
        return [_FileCheck(name, file, data, window).run() for name, file in files.items()]


def read_prediction(path: Path, mouse: str, trial: int) -> np.ndarray:
    """Prediction of one trial of a submission, (neurons, frames) float64.

    Raises
    ------
    SubmissionError : the submission is unreadable, or has no such trial.
    """
    with _opened(path) as files:
        for name, file in files.items():
            for row in _rows(_parquet(name, file), columns=["mouse", "trial_indices", "prediction"]):
                if (row["mouse"].as_py(), row["trial_indices"].as_py()) == (mouse, trial):
                    return _matrix(row["prediction"], name)
    raise SubmissionError(f"has no trial {trial} of mouse '{mouse}'", str(path))


class _TrialPredictor:
    """Actor: one bundle's predictions of the frames that count."""

    def __init__(self, store: Path, bundle: Path, window: EvalWindow) -> None:
        self._paths = store, bundle
        self._window = window

    # Opened with the first trial for the same reason as in the scoring job.
    @cached_property
    def _store(self) -> FrameStore:
        return FrameStore.open(self._paths[0])

    @cached_property
    def _predictor(self) -> Predictor:
        return load_predictor(self._paths[1], threads=1)

    def __call__(self, item: Row) -> Iterator[Row]:
        clip = self._store[item["mouse"]].clip(int(item["trial"]))
        prediction = self._predictor.predict(clip, item["mouse"])[:, self._window.slice(clip.frames)]
        yield {**item, "prediction": prediction.astype(np.float32).tobytes()}


def _trials(store: FrameStore, tier: str, window: EvalWindow) -> list[Row]:
    found = [(mouse, info) for mouse in store.mice for info in store[mouse].select(tier)]
    if not found:
        raise DataError(f"has no trial of {tier}", str(store.path), "name another track with --track")
    for mouse, info in found:
        require_frames(window, mouse, info)
    return [{"tier": tier, "mouse": mouse, "trial": info.trial} for mouse, info in found]


def _write_tier(path: Path, rows: Iterator[Row], store: FrameStore, line: ProgressLine) -> None:
    with SubmissionWriter(path) as writer:
        for row in rows:
            unit_ids = store[row["mouse"]].unit_ids
            prediction = np.frombuffer(row["prediction"], np.float32).reshape(len(unit_ids), -1)
            writer.add(row["mouse"], row["trial"], prediction, unit_ids)
            line.advance()


def _zip(folder: Path, tiers: Sequence[str]) -> list[str]:
    """Zip the files of `tiers` in `folder` and remove them; stored, since brotli has compressed them."""
    written = []
    for name, inside in ZIPS.items():
        if not set(inside) <= set(tiers):
            continue
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_STORED) as archive:
            for tier in inside:
                archive.write(folder / FILES[tier], FILES[tier])
                (folder / FILES[tier]).unlink()
        written.append(name)
    return written


@contextmanager
def _opened(path: Path) -> Iterator[dict[str, IO[bytes]]]:
    """Files of a submission by name."""
    with ExitStack() as stack:
        try:
            files = _open_all(path, stack)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise SubmissionError("is no file", str(path), "name a zip or a Parquet file") from error
        except zipfile.BadZipFile as error:
            raise SubmissionError(f"is not a readable zip ({error})", str(path), "zip the files again") from error
        yield files


def _open_all(path: Path, stack: ExitStack) -> dict[str, IO[bytes]]:
    if path.suffix != ".zip":
        return {path.name: stack.enter_context(path.open("rb"))}
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = [member for member in archive.infolist() if not member.is_dir()]
    return {member.filename: _seekable(archive, member, stack) for member in members}


def _seekable(archive: zipfile.ZipFile, member: zipfile.ZipInfo, stack: ExitStack) -> IO[bytes]:
    """A file in a zip; a deflated one on disk, since seeking in it would inflate it again and again."""
    file = stack.enter_context(archive.open(member))
    if member.compress_type == zipfile.ZIP_STORED:
        return file
    inflated = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 the stack closes it
    shutil.copyfileobj(file, inflated, 16 * 1024**2)
    return inflated


def _check_names(path: Path, names: list[str]) -> None:
    expected = [{FILES[tier] for tier in tiers} for tiers in ZIPS.values()]
    if set(names) not in expected or len(set(names)) != len(names):
        wanted = ", or ".join(" with ".join(sorted(files)) for files in expected)
        raise SubmissionError(f"holds {', '.join(names) or 'nothing'}", str(path), f"a flat zip holds {wanted}")


def _parquet(name: str, file: IO[bytes]) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise SubmissionError(f"is not a readable Parquet file ({error})", name, "write it again") from error


def _rows(file: pq.ParquetFile, columns: list[str]) -> Iterator[dict[str, pa.Scalar]]:
    for batch in file.iter_batches(batch_size=1, columns=columns):
        yield {column: batch.column(column)[0] for column in columns}


def _matrix(prediction: pa.Scalar, where: str) -> np.ndarray:
    """Prediction of a row as (neurons, frames) float64."""
    lists = prediction.values
    if lists is None or len(lists) == 0 or lists.null_count:
        raise SubmissionError("holds no prediction", where, "give a list of frames for every neuron")
    lengths = np.unique(np.asarray(lists.value_lengths()))
    if len(lengths) > 1:
        what = f"neurons have unequal numbers of frames ({lengths[0]} and {lengths[-1]})"
        raise SubmissionError(what, where, "give neurons x frames")
    return np.asarray(lists.flatten().to_numpy(zero_copy_only=False), np.float64).reshape(len(lists), -1)


class _FileCheck:
    """Checks one file; what it has seen of earlier rows is in the summary and `_seen`."""

    def __init__(self, name: str, file: IO[bytes], store: FrameStore | None, window: EvalWindow) -> None:
        self._file = _parquet(name, file)
        self._store = store
        self._window = window
        self._seen: set[tuple[str, int]] = set()
        self._unit_ids: dict[str, np.ndarray] = {}
        self._frames: set[int] = set()
        tier = next((tier for tier, known in FILES.items() if known == Path(name).name), None)
        self._summary = FileSummary(name, tier)

    def run(self) -> FileSummary:
        """Raise a SubmissionError for the first fault."""
        self._check_schema()
        for number, row in enumerate(self._read(), start=1):
            self._check_row(row, f"{self._summary.name}, row {number}")
        if not self._seen:
            raise SubmissionError("holds no trial", self._summary.name, "write one row a trial")
        self._check_complete()
        self._summary.frames = min(self._frames), max(self._frames)
        return self._summary

    def _read(self) -> Iterator[dict[str, pa.Scalar]]:
        try:
            yield from _rows(self._file, SCHEMA.names)
        except (pa.ArrowException, OSError) as error:
            raise SubmissionError(f"is damaged ({error})", self._summary.name, "write it again") from error

    def _check_schema(self) -> None:
        found = self._file.schema_arrow
        if sorted(found.names) != sorted(SCHEMA.names):
            what = f"has the columns {', '.join(found.names)}"
            mend = f"write {', '.join(SCHEMA.names)} and no index"
            raise SubmissionError(what, self._summary.name, mend)
        for name, (fits, wanted) in _COLUMN_TYPES.items():
            if not fits(found.field(name).type):
                what = f"column {name} is of type {found.field(name).type}"
                raise SubmissionError(what, self._summary.name, f"write {wanted}")

    def _check_row(self, row: dict[str, pa.Scalar], where: str) -> None:
        mouse, trial = row["mouse"].as_py(), row["trial_indices"].as_py()
        if mouse is None or trial is None:
            raise SubmissionError("has no mouse or no trial", where, "name both in every row")
        if (mouse, trial) in self._seen:
            raise SubmissionError(f"repeats trial {trial} of mouse '{mouse}'", where, "write each trial once")
        self._seen.add((mouse, trial))
        info = self._check_trial(mouse, trial, where)
        prediction = _matrix(row["prediction"], where)
        self._check_frames(prediction.shape[1], info, where)
        self._check_neurons(mouse, row["neuron_ids"], len(prediction), where)
        if not np.isfinite(prediction).all():
            neuron, frame = np.argwhere(~np.isfinite(prediction))[0]
            what = f"neuron {neuron}, frame {frame} is {prediction[neuron, frame]}"
            raise SubmissionError(what, where, "predict finite numbers")
        self._frames.add(prediction.shape[1])
        self._summary.trials[mouse] = self._summary.trials.get(mouse, 0) + 1

    def _check_trial(self, mouse: str, trial: int, where: str) -> TrialInfo | None:
        """Trial of the store, which must be of the file's tier."""
        if self._store is None:
            return None
        if mouse not in self._store.mice:
            known = ", ".join(self._store.mice)
            raise SubmissionError(f"mouse '{mouse}' is unknown", where, f"the store holds {known}")
        try:
            info = self._store[mouse].trial(trial)
        except DataError as error:
            mend = f"predict the trials of {self._store[mouse].path / 'trials.csv'}"
            raise SubmissionError(f"mouse '{mouse}' has no trial {trial}", where, mend) from error
        self._summary.tier = self._summary.tier or info.tier
        if info.tier != self._summary.tier:
            what = f"trial {trial} of mouse '{mouse}' is of tier {info.tier}"
            raise SubmissionError(what, where, f"the other trials of this file are of {self._summary.tier}")
        return info

    def _check_frames(self, frames: int, info: TrialInfo | None, where: str) -> None:
        if info is not None:
            wanted = self._window.slice(info.frames)
            fits, expected = frames == wanted.stop - wanted.start, f"{wanted.stop - wanted.start}"
        else:
            most = None if self._window.stop is None else self._window.stop - self._window.start
            fits, expected = frames > 0 and (most is None or frames <= most), f"at most {most}"
        if not fits:
            what = f"the prediction has {frames} frames"
            mend = f"frames {self._window.name} of it are {expected}; another rule can be named with --frames"
            raise SubmissionError(what, where, mend)

    def _check_neurons(self, mouse: str, ids: pa.Scalar, neurons: int, where: str) -> None:
        found = np.asarray(ids.values.drop_null() if ids.values is not None else [])
        if len(found) != neurons:
            what = f"{len(found)} neuron ids name {neurons} predicted neurons"
            raise SubmissionError(what, where, "give one id a neuron")
        expected = self._unit_ids.setdefault(mouse, found if self._store is None else self._store[mouse].unit_ids)
        if not np.array_equal(found, expected):
            order = "this mouse's earlier rows" if self._store is None else "meta/neurons/unit_ids.npy"
            what = f"neuron_ids of mouse '{mouse}' differ from {order}"
            raise SubmissionError(what, where, "give all neurons in that order")
        self._summary.neurons[mouse] = neurons

    def _check_complete(self) -> None:
        tier = self._summary.tier
        if self._store is None or tier is None:
            return
        wanted = {(mouse, info.trial) for mouse in self._store.mice for info in self._store[mouse].select(tier)}
        missing = sorted(wanted - self._seen)
        if missing:
            mouse, trial = missing[0]
            what = f"{len(missing)} trials of {tier} are missing, the first is trial {trial} of mouse '{mouse}'"
            raise SubmissionError(what, self._summary.name, "predict every trial of the tier")


def _is_list_of(fits: Any) -> Any:
    return lambda kind: (types.is_list(kind) or types.is_large_list(kind)) and fits(kind.value_type)


_COLUMN_TYPES = {
    "mouse": (lambda kind: types.is_string(kind) or types.is_large_string(kind), "strings"),
    "trial_indices": (types.is_int64, "int64, N of the published N.npy"),
    "prediction": (_is_list_of(_is_list_of(types.is_float64)), "list<list<double>>, neurons x frames"),
    "neuron_ids": (
        _is_list_of(lambda kind: types.is_int64(kind) or types.is_uint32(kind)),
        "list<int64> or list<uint32>",
    ),
}
