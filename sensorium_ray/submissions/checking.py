"""Check a submission: everything that is wrong with it, in one pass over its rows.

What the server does is known from its instructions, from the starter kits and from what teams reported: it
matches rows by mouse and trial, so their order is free; trials and neurons must be complete, lengths exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..benchmark import EvalWindow
from ..data.store import FrameStore
from ..errors import SubmissionError
from ..storage import StrPath
from .file_check import FileCheck, FileSummary
from .files import FILES, ZIPS, open_submission, tier_by_name
from .findings import Finding, Findings


@dataclass(frozen=True, slots=True)
class Check:
    """What `check_submission` found.

    Parameters
    ----------
    files : what each file holds.
    faults : what must be mended.
    warnings : what may stay.
    """

    files: list[FileSummary]
    faults: list[Finding]
    warnings: list[Finding]

    def require_faultless(self) -> None:
        """Raise a SubmissionError for the first fault, if there is one; it says how many more there are."""
        if self.faults:
            first, more = self.faults[0], len(self.faults) - 1
            mend = first.mend + (f" (`sensorium check-submission` tells {more} more)" if more else "")
            raise SubmissionError(first.what, first.where, mend)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"fine": not self.faults, **asdict(self)}


def check_submission(
    path: StrPath, store: FrameStore | StrPath | None = None, window: EvalWindow | None = None
) -> Check:
    """Find everything in a submission that the server would refuse or score as something else.

    Rows are read one by one, so memory is that of one trial. Without a store, trials, neurons and lengths can
    only be checked against each other.

    Parameters
    ----------
    path : a zip, or one Parquet file (2023) or csv (2022).
    store : frame store, named or opened, with the trials that are predicted; every mouse of it is expected, but
        in a csv (2022), which is of one mouse.
    window : frames of a trial that are sent; None: those that the benchmark asks for.

    Raises
    ------
    SubmissionError : the submission cannot be read at all.
    DataError : `store` is no frame store.
    """
    data = store if store is None or isinstance(store, FrameStore) else FrameStore.open(store)
    with open_submission(path) as files:
        checks = [FileCheck(file, data, window) for file in files]
        summaries = [check.run() for check in checks]
        findings = list(_check_names(Path(path), [file.name for file in files]))
    findings += [finding for check in checks for finding in check.findings]
    faults = [finding for finding in findings if finding.severity == "fault"]
    return Check(summaries, faults, [finding for finding in findings if finding.severity == "warning"])


def _check_names(path: Path, names: Sequence[str]) -> Findings:
    """The server finds a zip's files by their names; a bare file's name is nobody's business but ours."""
    findings = Findings(path.name)
    if path.suffix != ".zip":
        return findings
    tiers = [_check_name(name, findings) for name in names]
    known = Counter(tier for tier in tiers if tier is not None)
    for tier, count in known.items():
        if count > 1:
            findings.fault("twice", f"holds {FILES[tier]} {count} times", "zip each file once")
    if not names:
        findings.fault("empty", "holds no file", f"zip {_spoken(ZIPS['submission_main.zip'])}")
    elif None not in tiers and set(known) not in map(set, ZIPS.values()):
        _check_together(set(known), findings)
    return findings


def _check_name(name: str, findings: Findings) -> str | None:
    """The tier that a name in a zip tells."""
    bare = Path(name).name
    if bare.endswith(".csv"):
        findings.fault("zipped", f"holds {bare}", "send each csv by itself")
        return None
    tier = tier_by_name(bare)
    if name != bare:
        findings.fault("folder", f"{bare} lies in a folder of the zip", "zip the files, not the folder")
    if tier is None:
        findings.fault("name", f"holds {bare}", f"name its files {' or '.join(map(_spoken, ZIPS.values()))}")
    elif FILES[tier] != bare:
        findings.fault("name", f"{bare} is not the name that the server looks for", f"name it {FILES[tier]}")
    return tier


def _check_together(tiers: set[str], findings: Findings) -> None:
    """Tiers of a zip that is none of `ZIPS`."""
    for expected in ZIPS.values():
        if tiers < set(expected):
            lacking = [tier for tier in expected if tier not in tiers]
            findings.fault("file-missing", f"lacks {_spoken(lacking)}", "zip the files of both stages")
            return
    mend = f"make a zip of each: {'; '.join(map(_spoken, ZIPS.values()))}"
    findings.fault("mixed", f"holds {_spoken(sorted(tiers))}", mend)


def _spoken(tiers: Iterable[str]) -> str:
    return " with ".join(FILES[tier] for tier in tiers)
