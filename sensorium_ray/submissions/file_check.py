"""Check one file of a submission: its columns, then each row by itself, then all rows together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from ..benchmark import SENSORIUM_2022, SENSORIUM_2023, EvalWindow, track_of
from ..data.store import FrameStore
from ..errors import SubmissionError
from .files import CSV_COLUMNS, SCHEMA, CsvRows, ParquetRows, SubmissionRow, is_list_of, tier_by_name
from .findings import Findings, some
from .trial_check import Seen, TrialCheck, check_alone, check_order, check_repeats


@dataclass(slots=True)
class FileSummary:
    """What a checked file holds.

    Parameters
    ----------
    name : of the file.
    tier : tier of its trials, None where neither its name nor a store tells it.
    trials, neurons : of each mouse; a csv names none, so without a store it is ''.
    frames : least and most frames of a prediction.
    """

    name: str
    tier: str | None
    trials: dict[str, int] = field(default_factory=dict)
    neurons: dict[str, int] = field(default_factory=dict)
    frames: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        least, most = self.frames
        length = f"{least}" if least == most else f"{least} to {most}"
        counts = f"{sum(self.trials.values())} trials of {len(self.trials)} mice, {length} frames"
        return f"{self.name}: {self.tier or 'unknown tier'}, {counts}"


class FileCheck:
    """Checks one file: each row by itself, then all rows together."""

    def __init__(self, file: ParquetRows | CsvRows, store: FrameStore | None, window: EvalWindow | None) -> None:
        rules = SENSORIUM_2022 if isinstance(file, CsvRows) else SENSORIUM_2023
        self.findings = Findings(file.name)
        self._file = file
        self._store = store
        self._window = window or rules.window
        self._seen: list[Seen] = []
        self._ids: dict[str, np.ndarray] = {}
        self._summary = FileSummary(file.name, tier_by_name(Path(file.name).name))

    def run(self) -> FileSummary:
        """Collect findings; return what the file holds."""
        if not self._check_columns():
            return self._summary
        rows = 0
        for row in self._file:
            rows += 1
            self._check_row(row)
        if not rows:
            self.findings.fault("empty", "holds no trial", "write one row a trial")
        if not self._seen:
            return self._summary
        lengths = [seen.frames for seen in self._seen]
        self._summary.frames = min(lengths), max(lengths)
        self._summary.trials = dict(Counter(seen.mouse for seen in self._seen))
        self._check_together()
        return self._summary

    def _check_together(self) -> None:
        check_order(self._seen, self.findings)
        check_repeats(self._seen, self.findings)
        if self._store is not None:
            trials = TrialCheck(self._store, self._mice(), self._seen, self._window, self.findings)
            self._summary.tier = trials.run(self._summary.tier)
        elif isinstance(self._file, ParquetRows):
            check_alone(self._seen, self._window, self.findings)

    def _mice(self) -> list[str]:
        """Mice that should be in the file: all; in a csv, the one that is."""
        assert self._store is not None
        return list(self._summary.trials) if isinstance(self._file, CsvRows) else self._store.mice

    def _check_columns(self) -> bool:
        """Whether the rows can be read."""
        if isinstance(self._file, CsvRows):
            return self._check_column_names(self._file.columns, CSV_COLUMNS)
        readable = self._check_column_names(self._file.schema.names, SCHEMA.names)
        if others := self._file.compressions - {"BROTLI"}:
            what = f"is compressed with {' and '.join(sorted(others)).lower()}"
            self.findings.warning("compression", what, "write it with compression='brotli'")
        if not readable:
            return False
        checked = [self._check_type(self._file.schema.field(name)) for name in SCHEMA.names]
        return all(checked)

    def _check_column_names(self, found: Sequence[str], wanted: Sequence[str]) -> bool:
        extra, missing = [name for name in found if name not in wanted], [name for name in wanted if name not in found]
        if missing:
            mend = f"write the columns {', '.join(wanted)}"
            self.findings.fault("column-missing", f"lacks the columns {', '.join(missing)}", mend)
        for name in extra:
            if name.startswith("__index_level_") or name in ("", "index", "Unnamed: 0"):
                self.findings.fault("index-column", f"has the index as a column, '{name}'", "write it with index=False")
            else:
                self.findings.fault("column-extra", f"has a column '{name}'", f"write {', '.join(wanted)} alone")
        return not missing

    def _check_type(self, column: pa.Field) -> bool:
        """Whether the column can be read."""
        readable, exact, wanted = _COLUMN_TYPES[column.name]
        what = f"column {column.name} is of type {column.type}"
        if not readable(column.type):
            self.findings.fault("type", what, f"write {wanted}")
        elif column.name == "trial_indices" and not types.is_integer(column.type):
            self.findings.fault("trial-text", f"{what}, as in '1.npy'", f"write {wanted}: the server compares numbers")
        elif not exact(column.type):
            self.findings.warning("type", what, f"write {wanted}")
        return readable(column.type)

    def _check_row(self, row: SubmissionRow) -> None:
        mouse = self._mouse_of(row)
        if mouse is None or row.trial is None:
            what = "the mouse or the trial is missing"
            self.findings.fault("unnamed", what, "name both in every row", row=row.number)
            return
        if not mouse and self._store is not None:
            what, mend = "no mouse of a track has these neuron_ids", "give those of meta/neurons/unit_ids.npy"
            self.findings.fault("unknown-mouse", what, mend, row=row.number)
            return
        trial = trial_of(self._store, mouse, row)
        if trial is None:
            what, mend = "trial_indices names no trial", "write N of N.npy (2022: meta/trials/trial_idx)"
            self.findings.fault("trial-name", what, mend, row=row.number, detail=f"'{row.trial}'")
            return
        try:
            prediction = row.prediction()
        except SubmissionError as error:
            self.findings.fault("prediction", error.what, error.mend, mouse=mouse, row=row.number)
            return
        prediction = self._check_neurons(mouse, row, prediction)
        if not np.isfinite(prediction).all():
            self._report_not_finite(mouse, trial, row, prediction)
        self._seen.append(Seen(row.number, mouse, trial, row.image_id, prediction.shape[1]))

    def _mouse_of(self, row: SubmissionRow) -> str | None:
        """The mouse that the row names; a csv names none: '' where its neurons do not tell it."""
        if isinstance(self._file, ParquetRows):
            return row.mouse
        return mouse_with(self._store, row.neuron_ids) if self._store is not None else ""

    def _check_neurons(self, mouse: str, row: SubmissionRow, prediction: np.ndarray) -> np.ndarray:
        """The prediction as neurons x frames, also where it came the other way round."""
        place: dict[str, Any] = {"mouse": mouse, "row": row.number}
        expected = self._expected_ids(mouse, row)
        found = row.neuron_ids
        self._summary.neurons.setdefault(mouse, len(found))
        if prediction.shape[1] == len(found) != len(prediction):
            what = f"the prediction is frames x neurons {prediction.shape}"
            self.findings.fault("transposed", what, "transpose it: a list of frames for every neuron", **place)
            prediction = prediction.T
        elif len(prediction) != len(found):
            what = f"{len(found)} neuron ids name {len(prediction)} predicted neurons"
            self.findings.fault("neuron-count", what, "give one id a neuron", **place)
        if expected is not None and not np.array_equal(found, expected):
            known = "this mouse's first row" if self._store is None else "meta/neurons/unit_ids.npy"
            self.findings.fault(*_explain_ids(found, expected, known), **place)
        return prediction

    def _expected_ids(self, mouse: str, row: SubmissionRow) -> np.ndarray | None:
        if self._store is None:
            return self._ids.setdefault(mouse, row.neuron_ids)
        return self._store[mouse].unit_ids if mouse in self._store.mice else None

    def _report_not_finite(self, mouse: str, trial: int, row: SubmissionRow, prediction: np.ndarray) -> None:
        neuron, frame = np.argwhere(~np.isfinite(prediction))[0]
        name = f"neuron {neuron}"
        if neuron < len(row.neuron_ids):
            name += f" (id {row.neuron_ids[neuron]})"
        count = np.count_nonzero(~np.isfinite(prediction))
        detail = f"{count} of them in row {row.number}, {name}, frame {frame} is {prediction[neuron, frame]}"
        what, mend = "numbers are missing or infinite", "predict a finite number for every neuron and frame"
        self.findings.fault("not-finite", what, mend, mouse=mouse, row=row.number, trial=trial, detail=detail)


def mouse_with(store: FrameStore, neuron_ids: np.ndarray) -> str:
    """The mouse of a track that has most of these neurons, for a csv does not name its mouse; '': none has any."""
    mice = [mouse for mouse in store.mice if track_of(mouse) in store.benchmark.tracks]
    shared = {mouse: len(np.intersect1d(store[mouse].unit_ids, neuron_ids)) for mouse in mice}
    best = max(shared, key=lambda mouse: (shared[mouse], -store[mouse].neurons), default="")
    return best if best and shared[best] else ""


def trial_of(store: FrameStore | None, mouse: str, row: SubmissionRow) -> int | None:
    """Index of a row's trial; a csv names it as its mouse's `meta/trials/trial_idx` does. None: it names none."""
    if row.mouse is None and store is not None and store[mouse].has_trial_ids:
        info = store[mouse].trial_of_id(str(row.trial))
        return info.trial if info else None
    return row.trial if isinstance(row.trial, int) else None


def _explain_ids(found: np.ndarray, expected: np.ndarray, known: str) -> tuple[str, str, str]:
    """Kind, what and mend of neuron ids that are not the expected ones."""
    mend = f"give all {len(expected)} neurons in the order of {known}"
    missing, foreign = np.setdiff1d(expected, found), np.setdiff1d(found, expected)
    if len(found) == len(expected) and not missing.size:
        return "neuron-order", "the neurons are right but in another order", f"reorder prediction and ids: {mend}"
    if any(np.array_equal(found, np.arange(first, first + len(found))) for first in (0, 1)):
        what = f"neuron ids are numbered through, {found[0]} to {found[-1]}"
        return "neuron-counted", what, f"write unit ids: {mend}"
    said = [
        f"{len(ids)} {name} ({some(ids)})" for name, ids in (("missing", missing), ("unknown", foreign)) if ids.size
    ]
    if len(np.unique(found)) < len(found):
        said.append("some twice")
    return "neuron-ids", f"neuron ids are not this mouse's: {', '.join(said)}", mend


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_string(plain) or types.is_large_string(plain)


_COLUMN_TYPES = {
    "mouse": (_is_text, _is_text, "strings"),
    "trial_indices": (
        lambda kind: types.is_integer(kind) or _is_text(kind),
        types.is_int64,
        "int64, N of the published N.npy",
    ),
    "prediction": (
        lambda kind: is_list_of(kind, depth=2),
        lambda kind: types.is_float64(kind.value_type.value_type),
        "list<list<double>>, neurons x frames",
    ),
    "neuron_ids": (
        is_list_of,
        lambda kind: types.is_int64(kind.value_type) or types.is_uint32(kind.value_type),
        "list<int64> or list<uint32>",
    ),
}
"""Of each column: whether a type can be read, whether it is the right one, and the right one's name."""
