"""The format of submission files: names, columns, and rows read and written one by one.

2023: Parquet, brotli, one row a trial: `mouse` string, `trial_indices` int64 (N of the published N.npy),
`prediction` list<list<double>> (neurons x frames), `neuron_ids` list<int64>; no index column. The main track
is one flat zip of two files, the bonus track one zip a stage. The names come from the competition's
instructions; those that its starter kit generates by itself (`predictions_file_...`) were refused by the
server. Read as well: `neuron_ids` as list<uint32>, as the kit writes them, and trials as '1.npy', as in the
toy example of its README.

2022: csv, one file a track and stage, each of one mouse, which it does not name: `trial_indices`, `image_ids`,
and `prediction` and `neuron_ids`, both lists as Python prints them. The first two are `meta/trials/trial_idx`, hashes
in the competition's mice, and `frame_image_id`; of a mouse that lacks these files N of N.npy, and the content id
that the repeats of an image share.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from ..errors import SubmissionError
from ..storage import StrPath

FILES = {
    "live_test_main": "predictions_live_main.parquet.brotli",
    "final_test_main": "predictions_final_main.parquet.brotli",
    "live_test_bonus": "predictions_live_test_bonus_ood.parquet.brotli",
    "final_test_bonus": "predictions_final_test_bonus_ood.parquet.brotli",
    "test": "submission_file_live_test.csv",
    "final_test": "submission_file_final_test.csv",
}
"""Name of a tier's file, in its zip (2023) or by itself (2022)."""

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
"""Columns of 2023."""

CSV_COLUMNS = ("trial_indices", "image_ids", "prediction", "neuron_ids")
"""Columns of 2022."""

_BROTLI_LEVEL = 5
"""Half a second for a trial of 8000 neurons, where the default level takes four for 1 % less."""
_ROW_GROUP_BYTES = 64 * 1024**2
_READ_BYTES = 1024**2
"""Parquet is read in pieces of this size: pandas writes all rows as one group, which would be read whole."""
_FIELD_BYTES = 16 * 1024**2
"""Longest csv field: 20 bytes a neuron."""
_INFLATED_TO = 40
"""Text shrinks to a tenth, Parquet not at all; a zip that grows more is made to fill the disk."""

_NAME_2023 = re.compile(r"predictions_(?:file_)?(live|final)(?:_test)?_(main|bonus|ood)\w*\.parquet.*")
_NAME_2022 = re.compile(r"submission_file_(?:live_)?(test|final_test)\.csv")


def tier_by_name(name: str) -> str | None:
    """Tier that a file's name tells, also one of the starter kit's own names; None: it tells none."""
    if found := _NAME_2023.fullmatch(name):
        return f"{found[1]}_test_{'main' if found[2] == 'main' else 'bonus'}"
    found = _NAME_2022.fullmatch(name)
    return found[1] if found else None


class SubmissionWriter:
    """Writes one tier's file of 2023 trial by trial; memory is that of one row group.

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

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
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


class CsvWriter:
    """Writes one track and stage of 2022 trial by trial.

    Parameters
    ----------
    path : file to write.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(CSV_COLUMNS)

    def __enter__(self) -> CsvWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, trial: int | str, image_id: str, prediction: np.ndarray, unit_ids: np.ndarray) -> None:
        """Add one trial: prediction (neurons, 1), unit_ids (neurons,)."""
        values = prediction[:, 0].astype(np.float64).tolist()
        self._writer.writerow([trial, image_id, values, unit_ids.tolist()])


@dataclass(frozen=True, slots=True)
class SubmissionRow:
    """One trial as it stands in a file.

    Parameters
    ----------
    number : counted from 1.
    mouse : None in 2022, and where it is missing.
    trial : '1.npy' is read as 1; text that is no number stays text; None where it is missing.
    image_id : of 2022, as text.
    neuron_ids : (neurons,) int64
    values : what `prediction` is made of.
    """

    number: int
    mouse: str | None
    trial: int | str | None
    image_id: str | None
    neuron_ids: np.ndarray
    values: pa.Scalar | str

    def prediction(self) -> np.ndarray:
        """(neurons, frames) float64; missing numbers are NaN.

        Raises
        ------
        SubmissionError : it is empty, ragged or no list of numbers.
        """
        where = f"row {self.number}"
        return _column(self.values, where) if isinstance(self.values, str) else _matrix(self.values, where)


class ParquetRows:
    """Rows of one file of 2023; iterating reads them one by one.

    Raises
    ------
    SubmissionError : the file is no Parquet; while iterating: it is damaged.
    """

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self.name = name
        try:
            self._file = pq.ParquetFile(file, pre_buffer=False, buffer_size=_READ_BYTES)
        except (pa.ArrowException, OSError) as error:
            raise SubmissionError(f"is not a readable Parquet file ({error})", name, "write it again") from error

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        return self._file.schema_arrow

    @property
    def compressions(self) -> set[str]:
        """Names of the codecs, upper case."""
        metadata = self._file.metadata
        groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
        return {group.column(column).compression for group in groups for column in range(metadata.num_columns)}

    def __iter__(self) -> Iterator[SubmissionRow]:
        _require_columns(self.name, self.schema.names, SCHEMA.names)
        try:
            batches = self._file.iter_batches(batch_size=1, columns=SCHEMA.names)
            for number, batch in enumerate(batches, start=1):
                mouse, trial, prediction, ids = (batch.column(name)[0] for name in SCHEMA.names)
                yield SubmissionRow(number, mouse.as_py(), _trial(trial.as_py()), None, _ids(ids), prediction)
        except (pa.ArrowException, OSError) as error:
            raise SubmissionError(f"is damaged ({error})", self.name, "write it again") from error


class CsvRows:
    """Rows of one file of 2022; iterating reads them one by one.

    Raises
    ------
    SubmissionError : the file is no csv; while iterating: a row is none.
    """

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self.name = name
        csv.field_size_limit(_FIELD_BYTES)
        self._rows = csv.reader(io.TextIOWrapper(file, "utf-8", newline=""))
        self.columns = self._next() or []

    def __iter__(self) -> Iterator[SubmissionRow]:
        _require_columns(self.name, self.columns, CSV_COLUMNS)
        number, ids_text, ids = 0, "", np.zeros(0, np.int64)
        while (cells := self._next()) is not None:
            number += 1
            if len(cells) != len(self.columns):
                what = f"row {number} has {len(cells)} cells where the columns are {len(self.columns)}"
                raise SubmissionError(what, self.name, "write it again")
            row = dict(zip(self.columns, cells, strict=True))
            if row["neuron_ids"] != ids_text:  # they are the same in every row, and slow to read
                ids_text = row["neuron_ids"]
                ids = _numbers(ids_text, np.int64, f"row {number}")
            trial, image = _trial(row["trial_indices"]), row["image_ids"]
            yield SubmissionRow(number, None, trial, image, ids, row["prediction"])

    def _next(self) -> list[str] | None:
        try:
            return next(self._rows, None)
        except (csv.Error, UnicodeDecodeError) as error:
            raise SubmissionError(f"is not a readable csv ({error})", self.name, "write it again") from error


@contextmanager
def open_submission(path: StrPath) -> Iterator[list[ParquetRows | CsvRows]]:
    """Files of a submission: a zip's, or the one file itself; a name says which folder of a zip it lies in.

    Raises
    ------
    SubmissionError : there is no such file, or it is not readable.
    """
    path = Path(path)
    with ExitStack() as stack:
        try:
            files = _open_all(path, stack)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise SubmissionError("is no file", str(path), "name a zip, a Parquet file or a csv") from error
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise SubmissionError(f"is not a readable zip ({error})", str(path), "zip the files again") from error
        yield [CsvRows(name, file) if name.endswith(".csv") else ParquetRows(name, file) for name, file in files]


def read_prediction(path: StrPath, mouse: str, trial: int) -> np.ndarray:
    """Prediction of one trial of a submission of 2023, (neurons, frames) float64.

    Raises
    ------
    SubmissionError : the submission is unreadable, or has no such trial.
    """
    with open_submission(path) as files:
        for row in (row for file in files for row in file):
            if (row.mouse, row.trial) == (mouse, trial):
                return row.prediction()
    raise SubmissionError(f"has no trial {trial} of mouse '{mouse}'", str(path))


def _open_all(path: Path, stack: ExitStack) -> list[tuple[str, IO[bytes]]]:
    if path.suffix != ".zip":
        return [(path.name, stack.enter_context(path.open("rb")))]
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = [member for member in archive.infolist() if not member.is_dir() and not is_litter(member.filename)]
    return [(member.filename, _seekable(archive, member, stack)) for member in members]


def is_litter(name: str) -> bool:
    """Whether a file of a zip is one that an operating system hides there."""
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _seekable(archive: zipfile.ZipFile, member: zipfile.ZipInfo, stack: ExitStack) -> IO[bytes]:
    """A file in a zip; a deflated one on disk, since seeking in it would inflate it again and again."""
    file = stack.enter_context(archive.open(member))
    if member.compress_type == zipfile.ZIP_STORED:
        return file
    if member.file_size > _INFLATED_TO * max(member.compress_size, _READ_BYTES):
        what = f"{member.filename} would inflate to {member.file_size} bytes"
        raise SubmissionError(what, str(archive.filename), "zip it without compression")
    inflated = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 the stack closes it
    shutil.copyfileobj(file, inflated, 16 * _READ_BYTES)
    inflated.seek(0)
    return inflated


def _require_columns(name: str, found: Sequence[str], wanted: Sequence[str]) -> None:
    if missing := set(wanted) - set(found):
        raise SubmissionError(f"lacks {', '.join(sorted(missing))}", name, f"write the columns {', '.join(wanted)}")


def _trial(value: int | str | None) -> int | str | None:
    """N of 7, '7' and '7.npy'; anything else as it is, but None for empty text."""
    digits = value.removesuffix(".npy") if isinstance(value, str) else ""
    if digits.isascii() and digits.isdigit():
        return int(digits)
    return None if value == "" else value


def _ids(ids: pa.Scalar) -> np.ndarray:
    """Neuron ids of a row, (neurons,) int64; missing ones are left out."""
    values = ids.values
    return np.asarray(values.drop_null(), np.int64) if values is not None else np.zeros(0, np.int64)


def _numbers(text: str, dtype: type, where: str) -> np.ndarray:
    """A list as Python prints it, 'nan' and 'inf' among it; nothing is evaluated."""
    inside = text.strip().removeprefix("[").removesuffix("]").strip()
    try:
        return np.array(inside.split(",") if inside else [], dtype)
    except ValueError as error:
        raise SubmissionError("holds no list of numbers", where, "write it as [1.5, 2.0]") from error


def _column(text: str, where: str) -> np.ndarray:
    """Prediction of a csv's row as (neurons, 1) float64."""
    values = _numbers(text, np.float64, where)
    if values.size == 0:
        raise SubmissionError("holds no prediction", where, "give a number for every neuron")
    return values[:, None]


def _matrix(prediction: pa.Scalar, where: str) -> np.ndarray:
    """Prediction of a Parquet file's row as (neurons, frames) float64."""
    lists = prediction.values
    if lists is None or len(lists) == 0 or lists.null_count:
        raise SubmissionError("holds no prediction", where, "give a list of frames for every neuron")
    lengths = np.unique(np.asarray(lists.value_lengths()))
    if len(lengths) > 1:
        what = f"neurons have unequal numbers of frames ({lengths[0]} and {lengths[-1]})"
        raise SubmissionError(what, where, "give neurons x frames")
    return np.asarray(lists.flatten().to_numpy(zero_copy_only=False), np.float64).reshape(len(lists), -1)


def is_list_of(kind: pa.DataType, depth: int = 1) -> bool:
    """Whether an Arrow type is a list, or a list of lists, of numbers."""
    if depth == 0:
        return types.is_floating(kind) or types.is_integer(kind)
    return (types.is_list(kind) or types.is_large_list(kind)) and is_list_of(kind.value_type, depth - 1)
