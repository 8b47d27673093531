"""Published mouse folders of the 2023 benchmark, checked while they are read.

Layout and shapes: Turishcheva et al. 2023 (arXiv 2305.19654) and the public starter kit's loader.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..benchmark import TIERS
from ..errors import DataError
from .npy import read_npy, require_real, valid_frames

FIELDS = ("videos", "responses", "behavior", "pupil_center")
"""The folders under data/ and under meta/statistics/."""

_AXES = {
    "videos": ("height", "width", "frames"),
    "responses": ("neurons", "frames"),
    "behavior": ("channels", "frames"),
    "pupil_center": ("channels", "frames"),
}
_NOT_MICE = ("__MACOSX", "truth")
_INCOMPLETE = "unpack or download the mouse again"


@dataclass(frozen=True, slots=True)
class RawTrial:
    """The valid frames of one trial, in the units of the published data.

    Parameters
    ----------
    video : (frames, height, width) float32, grey levels 0..255.
    responses : (neurons, frames) float32, deconvolved calcium; zeros where withheld.
    behavior : (2, frames) float32, pupil dilation in pixels and running speed in cm/s.
    pupil_center : (2, frames) float32, horizontal and vertical, pixels of the eye camera.
    """

    video: np.ndarray
    responses: np.ndarray
    behavior: np.ndarray
    pupil_center: np.ndarray


def find_mice(folder: Path) -> list[RawMouse]:
    """Mice in `folder`, which is a mouse folder itself or holds some; sorted by name.

    Hidden files, `__MACOSX` and `truth` are passed over.

    Raises
    ------
    DataError : there is no mouse, or a mouse's meta files are at fault.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError("folder is missing", str(folder), "name a folder of mice")
    if _looks_like_mouse(folder):
        return [RawMouse(folder)]
    inside = sorted(entry for entry in folder.iterdir() if entry.name not in _NOT_MICE and not _hidden(entry))
    mice = [RawMouse(entry) for entry in inside if _looks_like_mouse(entry)]
    if not mice:
        raise DataError(
            "holds no mouse: neither it nor a folder in it has data/ or meta/",
            str(folder),
            "unpack the published archives there",
        )
    return mice


class RawMouse:
    """One published mouse folder; its meta files are checked at once, its trials as they are read.

    Parameters
    ----------
    path : the folder `dynamic…-Video-…`.

    Raises
    ------
    DataError : a meta file or a trial's file is missing or at fault.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.name = self.path.absolute().name
        self.tiers = self._read_tiers()
        self.unit_ids = self._read_unit_ids()
        self.coordinates = self._read_coordinates()
        self._check_files()

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return len(self.unit_ids)

    @property
    def trials(self) -> list[int]:
        """Indices of the trials whose tier is not 'none'."""
        return [int(trial) for trial in np.flatnonzero(self.tiers != "none")]

    def file(self, field: str, trial: int) -> Path:
        """Path of a trial's array of one of `FIELDS`."""
        return self.path / "data" / field / f"{trial}.npy"

    def read(self, trial: int) -> RawTrial:
        """Read and check one trial.

        Raises
        ------
        DataError : a file is missing, damaged, has wrong axes or neurons, holds infinite values, grey levels
            outside 0..255, NaN before the tail, or no valid frame.
        """
        arrays = {field: read_npy(self.file(field, trial)) for field in FIELDS}
        self._check_shapes(trial, arrays)
        for field, array in arrays.items():
            require_real(array, self.file(field, trial))
        frames = min(valid_frames(array, self.file(field, trial)) for field, array in arrays.items())
        arrays = {field: array[..., :frames].astype(np.float32) for field, array in arrays.items()}
        self._check_grey(trial, arrays["videos"])
        return RawTrial(
            np.ascontiguousarray(arrays["videos"].transpose(2, 0, 1)),
            arrays["responses"],
            arrays["behavior"],
            arrays["pupil_center"],
        )

    @cached_property
    def statistics(self) -> dict[str, np.ndarray]:
        """Published statistics over training trials, per time point.

        'videos/mean' is (height, width, frames), 'responses/std' (neurons, frames).

        Raises
        ------
        DataError : a file is damaged.
        """
        root = self.path / "meta" / "statistics"
        files = {
            f"{field}/{file.stem}": file
            for field in FIELDS
            for file in sorted((root / field / "all").glob("*.npy"))
            if not _hidden(file)
        }
        statistics = {name: read_npy(file) for name, file in files.items()}
        for name, array in statistics.items():
            if array.dtype.kind not in "iuf":
                raise DataError(f"has dtype {array.dtype}", str(files[name]), _INCOMPLETE)
        return statistics

    def _read_tiers(self) -> np.ndarray:
        path = self.path / "meta" / "trials" / "tiers.npy"
        tiers = read_npy(path)
        if tiers.ndim != 1 or tiers.dtype.kind not in "US":
            what = f"has shape {tiers.shape} and dtype {tiers.dtype}"
            raise DataError(what, str(path), "give one tier name a trial")
        tiers = tiers.astype(str)
        for trial in np.flatnonzero(~np.isin(tiers, TIERS)):
            what = f"trial {trial} has the unknown tier '{tiers[trial]}'"
            raise DataError(what, str(path), f"known are {', '.join(TIERS)}")
        if (tiers == "none").all():
            raise DataError("names no trial that is part of the benchmark", str(path), _INCOMPLETE)
        return tiers

    def _read_unit_ids(self) -> np.ndarray:
        path = self.path / "meta" / "neurons" / "unit_ids.npy"
        ids = read_npy(path)
        if ids.ndim != 1 or ids.size == 0 or ids.dtype.kind not in "iuf":
            what = f"has shape {ids.shape} and dtype {ids.dtype}"
            raise DataError(what, str(path), "give one integer a neuron")
        whole = ids.astype(np.int64) if np.isfinite(ids).all() else np.empty(0)
        if not np.array_equal(whole, ids):
            raise DataError("holds values that are no integers", str(path), "give one integer a neuron")
        if len(np.unique(whole)) != len(whole):
            raise DataError("names a unit id twice", str(path), "give every neuron its own")
        return whole

    def _read_coordinates(self) -> np.ndarray:
        path = self.path / "meta" / "neurons" / "cell_motor_coordinates.npy"
        coordinates = read_npy(path)
        if coordinates.shape != (self.neurons, 3):
            raise DataError(
                f"has shape {coordinates.shape} beside {self.neurons} neurons in unit_ids.npy",
                str(path),
                "give (neurons, 3)",
            )
        require_real(coordinates, path)
        if np.isnan(coordinates).any():
            raise DataError("holds NaN", str(path), "give every neuron a place")
        return coordinates.astype(np.float32)

    def _check_files(self) -> None:
        """Every trial of a tier has its four files, and no trial is there without a tier."""
        wanted = self.trials
        for field in FIELDS:
            folder = self.path / "data" / field
            there = {int(file.stem) for file in folder.glob("*.npy") if file.stem.isdecimal()}
            for trial in wanted:
                if trial not in there:
                    what = f"file is missing, though tiers.npy has trial {trial} as '{self.tiers[trial]}'"
                    raise DataError(what, str(self.file(field, trial)), _INCOMPLETE)
            if there and max(there) >= len(self.tiers):
                what = f"has no tier: meta/trials/tiers.npy ends at trial {len(self.tiers) - 1}"
                raise DataError(what, str(self.file(field, max(there))), _INCOMPLETE)

    def _check_shapes(self, trial: int, arrays: dict[str, np.ndarray]) -> None:
        for field, array in arrays.items():
            if array.ndim != len(_AXES[field]) or array.size == 0:
                raise DataError(f"has shape {array.shape}", str(self.file(field, trial)), _give(field))
        for field, size in (("responses", self.neurons), ("behavior", 2), ("pupil_center", 2)):
            self._check_first_axis(self.file(field, trial), field, arrays[field].shape, size)
        frames = arrays["responses"].shape[1]
        for field, array in arrays.items():
            if array.shape[-1] == frames:
                continue
            if array.ndim == 3 and array.shape[0] == frames:
                raise _turned(self.file(field, trial), field)
            raise DataError(
                f"holds {array.shape[-1]} frames, the responses of the trial {frames}",
                str(self.file(field, trial)),
                "give all arrays of a trial the same frames",
            )

    @staticmethod
    def _check_first_axis(path: Path, field: str, shape: tuple[int, ...], size: int) -> None:
        if shape[0] == size:
            return
        if shape[1] == size:
            raise _turned(path, field)
        beside = f", meta/neurons/unit_ids.npy {size}" if field == "responses" else f" instead of {size}"
        raise DataError(f"holds {shape[0]} {_AXES[field][0]}{beside}", str(path), _give(field))

    def _check_grey(self, trial: int, video: np.ndarray) -> None:
        low, high = float(video.min()), float(video.max())
        if low < 0 or high > 255:
            what = f"holds values from {low:g} to {high:g}"
            raise DataError(what, str(self.file("videos", trial)), "give grey levels from 0 to 255")


def _give(field: str) -> str:
    return f"give ({', '.join(_AXES[field])})"


def _turned(path: Path, field: str) -> DataError:
    axes = _AXES[field]
    return DataError(
        f"axes look like ({', '.join((axes[-1], *axes[:-1]))})",
        str(path),
        f"published files are ({', '.join(axes)})",
    )


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _looks_like_mouse(folder: Path) -> bool:
    return (folder / "data").is_dir() or (folder / "meta").is_dir()
