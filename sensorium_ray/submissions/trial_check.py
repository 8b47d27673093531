"""Check all rows of one file together: whose trials they are, and how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ..benchmark import EvalWindow
from ..data.store import FrameStore, TrialInfo
from .files import FILES
from .findings import Findings, some
from .frames import explain_frames, frames_that_count

_TYPICAL = 300
"""Frames of nearly every trial of 2023, where no store says how many there are."""

_MATCHED = "nothing needs to be done: rows are matched by mouse and trial"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of a row until all are read.

    Parameters
    ----------
    row : its number, counted from 1.
    image_id : of a csv of 2022.
    frames : of the prediction.
    """

    row: int
    mouse: str
    trial: int
    image_id: str | None
    frames: int


def check_order(rows: Sequence[Seen], findings: Findings) -> None:
    """Warn where rows are not sorted: mouse by mouse, trials ascending."""
    mice = {mouse: place for place, mouse in enumerate(dict.fromkeys(seen.mouse for seen in rows))}
    keys = [(mice[seen.mouse], seen.trial) for seen in rows]
    if keys != sorted(keys):
        findings.warning("unsorted", "rows are not sorted by mouse and trial", _MATCHED)


def check_repeats(rows: Sequence[Seen], findings: Findings) -> None:
    """Find trials that have more than one row."""
    known: set[tuple[str, int]] = set()
    for seen in rows:
        if (seen.mouse, seen.trial) in known:
            _fault(findings, seen, "duplicate-trial", "the trial has a row already", "write each trial once")
        known.add((seen.mouse, seen.trial))


def check_alone(rows: Sequence[Seen], window: EvalWindow, findings: Findings) -> None:
    """Without a store: no prediction may be longer than the window, and hardly all of them shorter."""
    if window.stop is None:
        return
    most = window.stop - window.start
    all_alike = len({seen.frames for seen in rows}) == 1
    for seen in rows:
        if seen.frames == most:
            continue
        what, mend = explain_frames(seen.frames, max(_TYPICAL, window.stop), window)
        if seen.frames > most or seen.frames == 0:
            _fault(findings, seen, "frames", what, mend)
        elif all_alike:
            findings.warning("frames", what, f"{mend}; --store tells for sure", mouse=seen.mouse, row=seen.row)


class TrialCheck:
    """Checks rows against the trials of a store.

    Parameters
    ----------
    mice : names that should be in the file.
    rows : of the file.
    """

    def __init__(
        self, store: FrameStore, mice: Sequence[str], rows: Sequence[Seen], window: EvalWindow, findings: Findings
    ) -> None:
        self._store = store
        self._mice = mice
        self._rows = rows
        self._window = window
        self._findings = findings

    def run(self, named: str | None) -> str | None:
        """Collect findings; return the tier of the trials, given the one that the file's name tells."""
        tier, shift = self._place(named)
        if tier is not None:
            wanted = self._without_counted(tier, shift)
            self._check_trials(wanted, tier, shift)
            self._check_lengths(wanted, shift)
        self._check_images()
        return tier

    @cached_property
    def _infos(self) -> dict[tuple[str, int], TrialInfo]:
        """All trials of the store, of every tier."""
        return {(mouse, info.trial): info for mouse in self._store.mice for info in self._store[mouse].trials}

    def _trials_of(self, tier: str) -> dict[str, set[int]]:
        """Trials by mouse that should be in the file, were it of this tier."""
        return {mouse: {info.trial for info in self._store[mouse].select(tier)} for mouse in self._mice}

    def _place(self, named: str | None) -> tuple[str | None, int]:
        """The tier of the trials, and by how much all their indices are off."""
        found = {(seen.mouse, seen.trial) for seen in self._rows}
        tiers = dict.fromkeys(self._store.benchmark.test_tiers.values())
        hits = {tier: self._hits(tier, found, shift=0) for tier in tiers}
        best = max(hits, key=lambda tier: (hits[tier], tier == named))
        if hits[best] < len(found) > 1:
            for tier in sorted(tiers, key=lambda tier: tier != named):
                for shift in (1, -1):
                    if self._hits(tier, found, shift) == len(found):
                        self._report_shift(shift)
                        return tier, shift
        if named is not None and hits[best] > hits.get(named, 0):
            what = f"its name is that of {named}, but most of its trials are of {best}"
            self._findings.fault("mixed-up", what, f"name it {FILES[best]}, or predict {named}")
        return best if hits[best] else named, 0

    def _hits(self, tier: str, found: set[tuple[str, int]], shift: int) -> int:
        trials = self._trials_of(tier)
        return sum(trial - shift in trials.get(mouse, ()) for mouse, trial in found)

    def _report_shift(self, shift: int) -> None:
        first = min(seen.trial for seen in self._rows)
        what = f"all trial indices are {'above' if shift > 0 else 'below'} those of a tier by 1"
        mend = f"write N of N.npy, which counts from 0: {first - shift} instead of {first}"
        self._findings.fault("trial-shifted", what, mend)

    def _without_counted(self, tier: str, shift: int) -> dict[str, set[int]]:
        """Trials of the tier by mouse, less the mice whose trials are numbered through, which is reported."""
        wanted = self._trials_of(tier)
        for mouse, trials in self._trials_of(tier).items():
            found = self._found(mouse, shift)
            if _numbered_through(found, trials):
                what = f"the trials of {tier} are numbered through, {min(found)} to {max(found)}"
                self._findings.fault("trial-counted", what, f"write N of N.npy: {some(sorted(trials))}", mouse=mouse)
                del wanted[mouse]
        return wanted

    def _check_trials(self, wanted: dict[str, set[int]], tier: str, shift: int) -> None:
        for seen in self._rows:
            if seen.mouse not in self._store.mice:
                mend = f"write whole names: the store holds {some(self._store.mice)}"
                self._findings.fault("unknown-mouse", "the mouse is unknown", mend, mouse=seen.mouse, row=seen.row)
            elif seen.mouse in wanted and seen.trial - shift not in wanted[seen.mouse]:
                self._report_foreign(seen, tier, shift)
        for mouse, trials in wanted.items():
            self._report_missing(mouse, trials, self._found(mouse, shift), tier)

    def _found(self, mouse: str, shift: int) -> set[int]:
        return {seen.trial - shift for seen in self._rows if seen.mouse == mouse}

    def _report_foreign(self, seen: Seen, tier: str, shift: int) -> None:
        info = self._infos.get((seen.mouse, seen.trial - shift))
        mend = f"predict the trials of {tier} and no others"
        if info is None:
            _fault(self._findings, seen, "unknown-trial", "the mouse has no such trial", mend)
        else:
            _fault(self._findings, seen, "other-tier", f"of tier {info.tier} in a file of {tier}", mend)

    def _report_missing(self, mouse: str, wanted: set[int], found: set[int], tier: str) -> None:
        missing = sorted(wanted - found)
        if missing and not found:
            what = f"the mouse is missing, with its {len(missing)} trials of {tier}"
            self._findings.fault("missing-mouse", what, "predict all mice in the same file", mouse=mouse)
            return
        for trial in missing:
            what, mend = f"missing, of tier {tier}", "predict every trial of the tier"
            self._findings.fault("missing-trial", what, mend, mouse=mouse, trial=trial)

    def _check_lengths(self, wanted: dict[str, set[int]], shift: int) -> None:
        for seen in self._rows:
            trial = seen.trial - shift
            if trial in wanted.get(seen.mouse, ()):
                frames = self._infos[seen.mouse, trial].frames
                if seen.frames != frames_that_count(self._window, frames):
                    _fault(self._findings, seen, "frames", *explain_frames(seen.frames, frames, self._window))

    def _check_images(self) -> None:
        """Image ids must group the trials as the images do that were shown."""
        rows = [(seen.image_id, self._infos.get((seen.mouse, seen.trial))) for seen in self._rows]
        pairs = {(image, info.video) for image, info in rows if image is not None and info is not None}
        if any(len({pair[side] for pair in pairs}) < len(pairs) for side in (0, 1)):
            self._findings.warning("image-ids", "image_ids do not group the trials by the images shown", _MATCHED)


def _numbered_through(found: set[int], wanted: set[int]) -> bool:
    """Whether these are not trials of a tier but 0, 1, 2, … or 1, 2, 3, …, as many as the tier has."""
    return not found <= wanted and found in [set(range(first, first + len(wanted))) for first in (0, 1)]


def _fault(findings: Findings, seen: Seen, kind: str, what: str, mend: str) -> None:
    findings.fault(kind, what, mend, mouse=seen.mouse, row=seen.row, trial=seen.trial)
