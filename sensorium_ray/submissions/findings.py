"""What is wrong with a submission, put into words: equal faults of a file and mouse are one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["fault", "warning"]

_SHOWN = 5
"""Rows, trials or ids that a sentence names before it breaks off."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, with all its places in one file and mouse.

    Parameters
    ----------
    severity : 'fault' is what the server refuses or scores as something else, 'warning' costs nothing there.
    kind : a name for scripts, such as 'missing-trial'.
    file : name of the file.
    mouse : None where it concerns no single mouse.
    what, mend : what is wrong, and what to do about it.
    rows : where it is, counted from 1; empty where it concerns no single row.
    trials : which trials it concerns, N of N.npy.
    """

    severity: Severity
    kind: str
    file: str
    mouse: str | None
    what: str
    mend: str
    rows: tuple[int, ...] = ()
    trials: tuple[int, ...] = ()

    @property
    def where(self) -> str:
        """File, mouse, rows and trials."""
        places = [self.file]
        if self.mouse:
            places.append(f"mouse '{self.mouse}'")
        places += [_counted(name, places) for name, places in (("row", self.rows), ("trial", self.trials)) if places]
        return ", ".join(places)

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.what}; {self.mend}"


class Findings:
    """Collects what is wrong with one file.

    Parameters
    ----------
    file : its name.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: dict[tuple[Severity, str, str | None, str, str], tuple[str, list[int], list[int]]] = {}

    def fault(
        self,
        kind: str,
        what: str,
        mend: str,
        *,
        mouse: str | None = None,
        row: int | None = None,
        trial: int | None = None,
        detail: str = "",
    ) -> None:
        """Add a fault at a place; of faults that differ only in their place the first one's detail stays."""
        self._add(("fault", kind, mouse, what, mend), row, trial, detail)

    def warning(self, kind: str, what: str, mend: str, *, mouse: str | None = None, row: int | None = None) -> None:
        """Add a warning."""
        self._add(("warning", kind, mouse, what, mend), row, None, "")

    def __iter__(self) -> Iterator[Finding]:
        for (severity, kind, mouse, what, mend), (detail, rows, trials) in self._found.items():
            said = f"{what} ({'the first: ' if len(rows) > 1 else ''}{detail})" if detail else what
            yield Finding(severity, kind, self._file, mouse, said, mend, tuple(rows), tuple(trials))

    def _add(
        self, key: tuple[Severity, str, str | None, str, str], row: int | None, trial: int | None, detail: str
    ) -> None:
        _, rows, trials = self._found.setdefault(key, (detail, [], []))
        if row is not None:
            rows.append(row)
        if trial is not None:
            trials.append(trial)


def some(values: Iterable[object]) -> str:
    """'1, 2, 3', or '1, 2, 3, 4, 5, …' where there are more."""
    shown = [str(value) for value in values]
    return ", ".join(shown if len(shown) <= _SHOWN else [*shown[:_SHOWN], "…"])


def _counted(name: str, numbers: Sequence[int]) -> str:
    """'row 4', 'rows 4, 5' or '12 rows (1, 2, 3, 4, 5, …)'."""
    if len(numbers) == 1:
        return f"{name} {numbers[0]}"
    return f"{name}s {some(numbers)}" if len(numbers) <= _SHOWN else f"{len(numbers)} {name}s ({some(numbers)})"
