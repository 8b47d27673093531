"""Score submissions against responses that others do not have, to the same numbers as `score` scores bundles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from pathlib import Path

import numpy as np

from ..benchmark import BENCHMARKS, Benchmark, EvalWindow
from ..data.store import FrameStore
from ..data.truth import Truth
from ..metrics.definitions import parts_of
from ..metrics.trials import TrialStatistics, VideoGroup
from ..scoring.plan import Shard, plan
from ..scoring.recording import Recording
from ..scoring.table import WHOLE, Cell, CellScores, Provenance, ScoreTable, score_cell
from ..storage import StrPath, locate, require_new, sha256, write_json
from .checking import Check, check_submission
from .file_check import mouse_with, trial_of
from .files import open_submission

Scores = dict[str, dict[str, float | None]]
"""By metric: 'value', and 'low' and 'high' of its 95 % interval; None where unknown."""


def evaluate(
    submission: StrPath,
    store: FrameStore | StrPath,
    *,
    truth: StrPath | None = None,
    window: EvalWindow | None = None,
    normalisation: str = "raw",
    name: str | None = None,
    out: StrPath | None = None,
) -> ScoreTable:
    """Score a submission on the tiers that it predicts.

    Its rows are read one by one, so memory is that of one mouse's videos. The table holds the same numbers as
    `score` gives the bundle that made the submission.

    Parameters
    ----------
    submission : a zip, Parquet file or csv.
    store : frame store, named or opened, with the trials; with their responses, where there is no truth.
    truth : folder with withheld responses and families; None: what the store has.
    window : frames of a trial that the submission holds, and that count; None: the benchmark's.
    normalisation : one of `recording.NORMALISATIONS`.
    name : what the table calls it; None: the file's name without its ending.
    out : new folder for `scores.parquet` and `summary.json`; None: nothing is written.

    Raises
    ------
    SubmissionError : the submission has a fault, such as frames that are not those of `window`; the sentence is
        that of `check_submission`.
    DataError : responses are withheld and no truth has them, or `out` exists.
    """
    if out is not None:
        require_new(locate(out))
    judge = Judge.open(store, truth, window, normalisation)
    check = check_submission(submission, judge.store, judge.window)
    check.require_faultless()
    table = judge.score(submission, check, name or Path(submission).name.partition(".")[0])
    if out is not None:
        table.write(locate(out) / "scores.parquet")
        write_json(locate(out) / "summary.json", table.summary())
    return table


def scores_of(table: ScoreTable) -> dict[str, dict[str, Scores]]:
    """Scores of a table's one submission over all mice, `scores[track][stage][metric]`."""
    rules = BENCHMARKS[table.provenance.benchmark]
    found: dict[str, dict[str, Scores]] = {}
    for cell, metrics in table.pooled().items():
        if cell.family == WHOLE and (cell.track, cell.stage) in rules.test_tiers:
            intervals = table.intervals.get(cell, {})
            found.setdefault(cell.track, {})[cell.stage] = {
                metric: _score(metrics[metric][0], intervals.get(metric))
                for metric in rules.metrics
                if metric in metrics
            }
    return found


@dataclass(frozen=True, slots=True)
class Judge:
    """Who knows the responses.

    Parameters
    ----------
    recording : responses of a store's trials.
    window : frames of a trial that count.
    """

    recording: Recording
    window: EvalWindow

    @classmethod
    def open(
        cls, store: FrameStore | StrPath, truth: StrPath | None, window: EvalWindow | None, normalisation: str
    ) -> Judge:
        """Open a store and the truth of what it withholds, if there is one.

        Raises
        ------
        DataError : one of them is at fault.
        ConfigError : the normalisation is unknown.
        """
        data = store if isinstance(store, FrameStore) else FrameStore.open(store)
        known = None if truth is None else Truth.open(truth)
        return cls(Recording(data, known, normalisation), window or data.benchmark.window)

    @property
    def store(self) -> FrameStore:
        """The frame store."""
        return self.recording.store

    def require_responses(self) -> None:
        """Raise a DataError where the responses of a test tier are withheld."""
        plan(self.recording, self.store.benchmark.sections(self.store.mice), self.window)

    def score(self, submission: StrPath, check: Check, name: str) -> ScoreTable:
        """Score a submission in which `check` found no fault."""
        tiers = [file.tier for file in check.files if file.tier is not None]
        mice = {mouse for file in check.files for mouse in file.trials}
        shards = plan(self.recording, [(tier, mouse) for tier in tiers for mouse in sorted(mice)], self.window)
        metrics = self.store.benchmark.metrics
        sections = [
            _Section(list(of_section), self.store[mouse].neurons, metrics)
            for (mouse, _), of_section in groupby(shards, key=lambda shard: (shard.mouse, shard.tier))
        ]
        scored: dict[int, list[CellScores]] = {}
        places = {key: place for place, section in enumerate(sections) for key in section.trials}
        for mouse, trial, prediction in self._predictions(submission):
            section = sections[places[mouse, trial]]
            if section.add(trial, *self._comparable(mouse, trial, prediction)):
                cells = section.close(name, self.store.benchmark)
                scored[places[mouse, trial]] = [score_cell(cell, found, metrics) for cell, found in cells.items()]
        truth = self.recording.truth
        provenance = Provenance(
            benchmark=self.store.benchmark.name,
            window=self.window.name,
            data=self.store.checksum,
            bundles={name: sha256(Path(submission))},
            truth=sha256(truth.path / "truth.json") if truth else None,
            normalisation=self.recording.normalisation,
        )
        unit_ids = {mouse: self.store[mouse].unit_ids for mouse in mice}
        return ScoreTable.of([cell for place in sorted(scored) for cell in scored[place]], unit_ids, provenance)

    def _predictions(self, submission: StrPath) -> Iterator[tuple[str, int, np.ndarray]]:
        """Mouse, trial and prediction (neurons, frames) float64 of every row."""
        with open_submission(submission) as files:
            for row in (row for file in files for row in file):
                mouse = row.mouse or mouse_with(self.store, row.neuron_ids)
                trial = trial_of(self.store, mouse, row)
                assert trial is not None, "the check found that out"
                yield mouse, trial, row.prediction()

    def _comparable(self, mouse: str, trial: int, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Responses and prediction of the frames that count, (neurons, frames), as they are compared."""
        responses = self.recording.responses(mouse, trial)
        counts = self.window.slice(responses.shape[1])
        whole = np.zeros(responses.shape)
        whole[:, counts] = prediction
        responses, whole = self.recording.comparable(mouse, responses, whole)
        return responses[:, counts], whole[:, counts]


class _Section:
    """One mouse and tier: takes its trials in any order, holds the videos whose repeats have not all come.

    Parameters
    ----------
    shards : of that mouse and tier.
    """

    def __init__(self, shards: Sequence[Shard], neurons: int, metrics: Sequence[str]) -> None:
        self._shards = shards
        self._neurons = neurons
        self._parts = parts_of(metrics)
        self._video_of = {trial: video for shard in shards for video in shard.videos for trial in video}
        self._units = {
            trial: shard.first_unit + unit
            for shard in shards
            for unit, trial in enumerate(trial for video in shard.videos for trial in video)
        }
        self._left = {video: len(video) for video in self._video_of.values()}
        self._open: dict[tuple[int, ...], VideoGroup] = {}
        self._done: dict[tuple[int, ...], TrialStatistics] = {}

    @property
    def trials(self) -> Iterator[tuple[str, int]]:
        """Mouse and trial of all that belong here."""
        return ((self._shards[0].mouse, trial) for trial in self._units)

    def add(self, trial: int, responses: np.ndarray, prediction: np.ndarray) -> bool:
        """Add a trial, (neurons, frames) each; return whether it was the last."""
        video = self._video_of[trial]
        group = self._open.setdefault(video, VideoGroup(self._neurons, self._parts))
        group.add(responses, prediction, self._units[trial])
        self._left[video] -= 1
        if not self._left[video]:
            self._done[video] = self._open.pop(video).statistics()
        return len(self._done) == len(self._left)

    def close(self, name: str, rules: Benchmark) -> dict[Cell, TrialStatistics]:
        """Statistics of every family, and of the whole; they are kept no longer."""
        cells: dict[Cell, TrialStatistics] = {}
        for shard in self._shards:
            found = reduce(TrialStatistics.merge, [self._done.pop(video) for video in shard.videos])
            for family in (shard.family, WHOLE):
                cell = Cell(name, shard.mouse, *rules.track_and_stage_of(shard.mouse, shard.tier), family)
                cells[cell] = cells[cell].merge(found) if cell in cells else found
        return cells


def _score(value: float, interval: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = interval or (math.nan, math.nan)
    numbers = {"value": value, "low": low, "high": high}
    return {name: number if math.isfinite(number) else None for name, number in numbers.items()}
