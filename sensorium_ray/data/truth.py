"""The withheld truth that lies beside simulated mice: families, recorded responses, expected responses."""

from __future__ import annotations

import csv
import io
from functools import cached_property
from pathlib import Path

import numpy as np

from .. import storage
from ..errors import DataError
from ..storage import StrPath
from .npy import read_npy, valid_frames

_MEND = "run `sensorium simulate` again"


class Truth:
    """What the organisers keep: `DIR/truth`.

    Build it with `Truth.open`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: StrPath) -> Truth:
        """Open the truth beside the mice in `path`, on a disk or s3://, or the truth folder itself.

        Raises
        ------
        DataError : there is none, or it is unfinished.
        """
        place = storage.locate(path)
        folder = place if storage.is_file(place / "truth.json") else place / "truth"
        if not storage.names(folder):
            raise DataError("has no truth folder", str(path), "only simulated mice have one")
        if not storage.is_file(folder / "truth.json"):
            raise DataError("is unfinished: truth.json is missing", str(folder), _MEND)
        return cls(folder)

    @cached_property
    def mice(self) -> list[str]:
        """Names of the mice, sorted."""
        return [name for name in storage.names(self.path) if storage.is_file(self.path / name / "trials.csv")]

    def family(self, mouse: str, trial: int) -> str:
        """Stimulus family of a trial, one of `benchmark.FAMILIES`.

        Raises
        ------
        DataError : the mouse or the trial is unknown.
        """
        if mouse not in self._families:
            raise DataError(f"knows no mouse '{mouse}'", str(self.path), f"known are {', '.join(self.mice)}")
        if trial not in self._families[mouse]:
            raise DataError(f"has no trial {trial}", str(self.path / mouse / "trials.csv"), _MEND)
        return self._families[mouse][trial]

    def responses(self, mouse: str, trial: int) -> np.ndarray:
        """Withheld recorded responses of a test trial.

        Returns
        -------
        (neurons, frames) float32, valid frames only.

        Raises
        ------
        DataError : there are none for this trial, or the file is at fault.
        """
        return self._read(mouse, trial, "responses")

    def rates(self, mouse: str, trial: int) -> np.ndarray:
        """Expected responses, the mean over endless repeats with the same behaviour.

        Returns
        -------
        (neurons, frames) float32, valid frames only.

        Raises
        ------
        DataError : there are none for this trial, or the file is at fault.
        """
        return self._read(mouse, trial, "rates")

    def has_responses(self, mouse: str, trial: int) -> bool:
        """Whether recorded responses of the trial are kept here."""
        return self._has(mouse, trial, "responses")

    def has_rates(self, mouse: str, trial: int) -> bool:
        """Whether expected responses of the trial are kept here."""
        return self._has(mouse, trial, "rates")

    def _has(self, mouse: str, trial: int, kind: str) -> bool:
        return f"{trial}.npy" in self._kept.get((mouse, kind), ())

    def _file(self, mouse: str, trial: int, kind: str) -> Path:
        return self.path / mouse / kind / f"{trial}.npy"

    def _read(self, mouse: str, trial: int, kind: str) -> np.ndarray:
        path = self._file(mouse, trial, kind)
        array = read_npy(path)
        if array.ndim != 2 or array.dtype.kind != "f":
            raise DataError(f"has shape {array.shape} and dtype {array.dtype}", str(path), _MEND)
        return array[:, : valid_frames(array, path)].astype(np.float32)

    @cached_property
    def _kept(self) -> dict[tuple[str, str], frozenset[str]]:
        """Names of the files of each mouse and kind."""
        folders = [(mouse, kind) for mouse in self.mice for kind in ("responses", "rates")]
        return {(mouse, kind): frozenset(storage.names(self.path / mouse / kind)) for mouse, kind in folders}

    @cached_property
    def _families(self) -> dict[str, dict[int, str]]:
        return {mouse: _read_families(self.path / mouse / "trials.csv") for mouse in self.mice}


def _read_families(path: Path) -> dict[int, str]:
    try:
        rows = csv.DictReader(io.StringIO(storage.read_bytes(path).decode(), newline=""))
        return {int(row["trial"]): row["family"] for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError("is not a table of trial,tier,family,video", str(path), _MEND) from error
