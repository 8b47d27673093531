"""What published mice of every release have in common: meta files, and trials that are checked while they are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np

from ..benchmark import Benchmark
from ..errors import DataError
from .npy import require_real
from .source import Tree

INCOMPLETE = "unpack or download the mouse again"
"""How a mouse that lacks a file is mended."""
_TIERS = "meta/trials/tiers.npy"
_UNIT_IDS = "meta/neurons/unit_ids.npy"
_COORDINATES = "meta/neurons/cell_motor_coordinates.npy"
_AREAS = "meta/neurons/area.npy"


@dataclass(frozen=True, slots=True)
class RawTrial:
    """The valid frames of one trial, in the units of the published data; an image is a clip of one frame.

    Parameters
    ----------
    video : (frames, height, width) float32, grey levels 0..255.
    responses : (neurons, frames) float32, deconvolved calcium; zeros where withheld.
    behavior : (channels, frames) float32, the channels of the benchmark: pupil dilation in pixels, running speed
        in cm/s; zeros where the release lacks it.
    pupil_center : (2, frames) float32, horizontal and vertical, pixels of the eye camera; zeros where the
        release lacks it.
    """

    video: np.ndarray
    responses: np.ndarray
    behavior: np.ndarray
    pupil_center: np.ndarray


class RawMouse(ABC):
    """One published mouse; its meta files are checked at once, its trials as they are read.

    It is small, and can be sent to another process.

    Parameters
    ----------
    tree : its files.

    Attributes
    ----------
    name : 'dynamic…-Video-…' or 'static…-GrayImageNet-…'.
    benchmark : its rules.
    stimulus : the folder under data/ that holds what was shown.
    tiers : (files,) unicode; the tier of N.npy is `tiers[N]`.
    unit_ids : (neurons,) int64.
    coordinates : (neurons, 3) float32, micrometres.
    areas : (neurons,) unicode, such as 'V1' and 'LM'; None where the release does not tell them.
    absent : fields of `fields` that this mouse lacks entirely and that are read as zeros.

    Raises
    ------
    DataError : a meta file or a trial's file is missing or at fault.
    """

    benchmark: ClassVar[Benchmark]
    stimulus: ClassVar[str]
    optional: ClassVar[tuple[str, ...]] = ()
    """Fields that a release may lack entirely."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.name = tree.name
        self.tiers = self._read_tiers()
        self.unit_ids = self._read_unit_ids()
        self.coordinates = self._read_coordinates()
        self.areas = self._read_areas()
        self.absent = tuple(field for field in self.optional if not tree.files(f"data/{field}"))
        self._check_files()

    @property
    def fields(self) -> tuple[str, ...]:
        """The folders under data/ and under meta/statistics/."""
        return (self.stimulus, "responses", "behavior", "pupil_center")

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return len(self.unit_ids)

    @property
    def trials(self) -> list[int]:
        """Indices of the trials whose tier is not 'none'."""
        return [int(trial) for trial in np.flatnonzero(self.tiers != "none")]

    @abstractmethod
    def read(self, trial: int) -> RawTrial:
        """Read and check one trial.

        Raises
        ------
        DataError : a file is missing, damaged, has wrong axes or neurons, holds infinite values, NaN where there
            may be none, or grey levels outside 0..255.
        """

    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """Height, width and frames of the first trial's clip; the frames that only fill its file count too.

        Raises
        ------
        DataError : the clip is missing, damaged or of wrong shape.
        """

    def published_ids(self, trial: int) -> tuple[str, str]:
        """What the release calls a trial and its image, beside N of N.npy; empty where it has no such names."""
        return "", ""

    def where(self, field: str, trial: int) -> str:
        """What a message calls a trial's file: its path, or 'mouse.zip/data/videos/0.npy'."""
        return self.tree.where(_file(field, trial))

    def fingerprint(self) -> str:
        """Changes when one of the mouse's files does.

        Of a folder's files names, sizes and times of change are hashed, of a zip's names, sizes and CRCs.
        """
        return self.tree.fingerprint()

    @cached_property
    def statistics(self) -> dict[str, np.ndarray]:
        """Published statistics over training trials: of 2023 per time point, of 2022 over all.

        2023: 'videos/mean' is (height, width, frames), 'responses/std' (neurons, frames); 2022: 'images/mean' is a
        scalar, 'responses/std' (neurons,).

        Raises
        ------
        DataError : a file is damaged.
        """
        statistics = {}
        for field in self.fields:
            for file in self.tree.files(f"meta/statistics/{field}/all"):
                array = self.tree.read(file)
                if array.dtype.kind not in "iuf":
                    raise DataError(f"has dtype {array.dtype}", self.tree.where(file), INCOMPLETE)
                statistics[f"{field}/{PurePosixPath(file).stem}"] = array
        return statistics

    def _load(self, field: str, trial: int) -> np.ndarray:
        return self.tree.read(_file(field, trial))

    def _has(self, field: str, trial: int) -> bool:
        return self.tree.has(_file(field, trial))

    def _may_lack(self, field: str, trial: int) -> bool:
        """Whether a trial's file may be missing, its values then being zeros."""
        return field in self.absent

    def _read_tiers(self) -> np.ndarray:
        where, known = self.tree.where(_TIERS), self.benchmark.tiers
        tiers = self._read_names(_TIERS, "give one tier name a trial")
        for trial in np.flatnonzero(~np.isin(tiers, known)):
            what = f"trial {trial} has the unknown tier '{tiers[trial]}'"
            raise DataError(what, where, f"known are {', '.join(known)}")
        if (tiers == "none").all():
            raise DataError("names no trial that is part of the benchmark", where, INCOMPLETE)
        return tiers

    def _read_unit_ids(self) -> np.ndarray:
        where = self.tree.where(_UNIT_IDS)
        ids = self.tree.read(_UNIT_IDS)
        if ids.ndim != 1 or ids.size == 0 or ids.dtype.kind not in "iuf":
            raise DataError(f"has shape {ids.shape} and dtype {ids.dtype}", where, "give one integer a neuron")
        whole = ids.astype(np.int64) if np.isfinite(ids).all() else np.empty(0)
        if not np.array_equal(whole, ids):
            raise DataError("holds values that are no integers", where, "give one integer a neuron")
        if len(np.unique(whole)) != len(whole):
            raise DataError("names a unit id twice", where, "give every neuron its own")
        return whole

    def _read_coordinates(self) -> np.ndarray:
        where = self.tree.where(_COORDINATES)
        coordinates = self.tree.read(_COORDINATES)
        if coordinates.shape != (self.neurons, 3):
            what = f"has shape {coordinates.shape} beside {self.neurons} neurons in unit_ids.npy"
            raise DataError(what, where, "give (neurons, 3)")
        require_real(coordinates, where)
        if np.isnan(coordinates).any():
            raise DataError("holds NaN", where, "give every neuron a place")
        return coordinates.astype(np.float32)

    def _read_areas(self) -> np.ndarray | None:
        if not self.tree.has(_AREAS):
            return None
        mend = "give one area name a neuron"
        areas = self._read_names(_AREAS, mend)
        if len(areas) != self.neurons:
            what = f"names {len(areas)} areas beside {self.neurons} neurons in unit_ids.npy"
            raise DataError(what, self.tree.where(_AREAS), mend)
        return areas

    def _read_names(self, file: str, mend: str) -> np.ndarray:
        """(n,) unicode"""
        names = self.tree.read(file)
        if names.ndim != 1 or names.dtype.kind not in "US":
            raise DataError(f"has shape {names.shape} and dtype {names.dtype}", self.tree.where(file), mend)
        try:
            return names.astype(str)
        except UnicodeDecodeError as error:
            raise DataError("holds bytes that are no ASCII", self.tree.where(file), mend) from error

    def _check_files(self) -> None:
        """Every trial of a tier has its files, and no trial is there without a tier."""
        wanted = self.trials
        for field in self.fields:
            names = (PurePosixPath(file).stem for file in self.tree.files(f"data/{field}"))
            there = {int(name) for name in names if name.isdecimal()}
            for trial in wanted:
                if trial not in there and not self._may_lack(field, trial):
                    what = f"file is missing, though tiers.npy has trial {trial} as '{self.tiers[trial]}'"
                    raise DataError(what, self.where(field, trial), INCOMPLETE)
            if there and max(there) >= len(self.tiers):
                what = f"has no tier: {_TIERS} ends at trial {len(self.tiers) - 1}"
                raise DataError(what, self.where(field, max(there)), INCOMPLETE)


def require_grey(stimulus: np.ndarray, where: str) -> None:
    """Refuse what is no grey level.

    Raises
    ------
    DataError : a value lies outside 0..255.
    """
    low, high = float(stimulus.min()), float(stimulus.max())
    if low < 0 or high > 255:
        raise DataError(f"holds values from {low:g} to {high:g}", where, "give grey levels from 0 to 255")


def _file(field: str, trial: int) -> str:
    return f"data/{field}/{trial}.npy"
