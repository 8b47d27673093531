"""The frame store: all that data ever becomes. Time-major, a frame is a row."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .. import cache, storage
from ..benchmark import BENCHMARKS, Benchmark
from ..errors import DataError
from .clip import CLIP_ARRAYS, Clip
from .trial_file import Window, first_row, read_rows

FORMAT = 2
"""Version of the folder layout, kept in store.json."""

_AGAIN = "run `sensorium ingest` again"


@dataclass(frozen=True, slots=True)
class TrialInfo:
    """One trial of a store.

    Parameters
    ----------
    trial : index, N of the published N.npy.
    tier : one of the benchmark's tiers.
    frames : number of valid frames.
    video : content id that the repeats of a video share (see `video_id`).
    sha256 : of the trial's file.
    trial_id, image_id : published identifiers that a submission of 2022 carries (`meta/trials/trial_idx` and
        `frame_image_id`); empty where there are none.
    """

    trial: int
    tier: str
    frames: int
    video: str
    sha256: str
    trial_id: str = ""
    image_id: str = ""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Means and standard deviations (ddof 0) pooled over all valid frames of the train tier; float32.

    Parameters
    ----------
    video_mean, video_std : (), over pixels too, grey levels.
    behavior_mean, behavior_std : (channels,)
    pupil_mean, pupil_std : (2,)
    response_mean, response_std : (neurons,)
    """

    video_mean: np.ndarray
    video_std: np.ndarray
    behavior_mean: np.ndarray
    behavior_std: np.ndarray
    pupil_mean: np.ndarray
    pupil_std: np.ndarray
    response_mean: np.ndarray
    response_std: np.ndarray


class FrameStore:
    """Mice that `ingest` has taken in; `store[mouse]` is a `MouseData`. Build it with `FrameStore.open`."""

    def __init__(self, path: Path, benchmark: Benchmark, checksums: dict[str, str], checksum: str) -> None:
        self.path = path
        self.benchmark = benchmark
        self.checksum = checksum
        self._checksums = checksums
        self._opened: dict[str, MouseData] = {}

    @classmethod
    def open(cls, path: storage.StrPath) -> FrameStore:
        """Open a finished store, on a disk or on s3:// (whose files are then kept in a local cache).

        Raises
        ------
        DataError : there is none, it is unfinished, of another format, or its store.json was changed.
        """
        path = storage.locate(path)
        file = path / "store.json"
        if not storage.is_file(file):
            raise DataError("is no finished frame store: store.json is missing", str(path), _AGAIN)
        mend = f"remove it and {_AGAIN}"
        entries = storage.read_json(file, mend)
        if not isinstance(entries, dict) or entries.get("format") != FORMAT:
            raise DataError(f"is not of format {FORMAT}", str(file), mend)
        checksums, benchmark = entries.get("mice"), BENCHMARKS.get(str(entries.get("benchmark")))
        if benchmark is None or not isinstance(checksums, dict) or entries.get("checksum") != store_checksum(checksums):
            raise DataError("was changed: its checksum or benchmark does not fit", str(file), mend)
        return cls(path, benchmark, checksums, entries["checksum"])

    @property
    def mice(self) -> list[str]:
        """Names of the mice, sorted."""
        return sorted(self._checksums)

    def __getitem__(self, mouse: str) -> MouseData:
        """Raise a DataError for an unknown mouse, naming the known."""
        if mouse not in self._checksums:
            raise DataError(f"holds no mouse '{mouse}'", str(self.path), f"it holds {', '.join(self.mice)}")
        if mouse not in self._opened:
            self._opened[mouse] = MouseData(self.path / mouse, self._checksums[mouse])
        return self._opened[mouse]


def open_store(path: storage.StrPath) -> FrameStore:
    """Open what `ingest` wrote: `FrameStore.open` in one word.

    Parameters
    ----------
    path : a folder, or s3://bucket/folder.

    Raises
    ------
    DataError : there is no finished store, or it was changed.
    """
    return FrameStore.open(path)


class MouseData:
    """One mouse of a store; arrays are read when they are asked for.

    Parameters
    ----------
    path : the mouse's folder in the store.
    checksum : what store.json says of it.

    Raises
    ------
    DataError : a file is missing, or disagrees with the checksum.
    """

    def __init__(self, path: Path, checksum: str) -> None:
        self.path = path
        self.name = path.name
        self.checksum = checksum
        described = storage.read_json(path / "mouse.json", reingest(path))
        try:
            self.frame_shape: tuple[int, int] = tuple(described["frame_shape"])
            self.behavior_channels = int(described["behavior_channels"])
            self.dtype = np.dtype(described["dtype"])
            self.rounding: dict[str, float] | None = described["rounding"]
            self.absent: tuple[str, ...] = tuple(described["absent"])
            self.files: dict[str, str] = dict(described["files"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError("lacks an entry or is damaged", str(path / "mouse.json"), reingest(path)) from error
        self.trials = read_trials(self._local("trials.csv"))
        self._by_index = {info.trial: info for info in self.trials}
        self._by_id = {info.trial_id: info for info in self.trials if info.trial_id}
        # Looked up once, since each takes as long as reading a window does.
        self._paths: dict[int, Path] = {}
        self._first_rows: dict[int, int] = {}
        if mouse_checksum(self.unit_ids, self.trials) != checksum:
            raise DataError("trials.csv or neurons.npz was changed: the checksum does not fit", str(path), _AGAIN)

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return len(self.unit_ids)

    @property
    def unit_ids(self) -> np.ndarray:
        """(neurons,) int64"""
        return self._neurons["unit_ids"]

    @property
    def coordinates(self) -> np.ndarray:
        """(neurons, 3) float32, micrometres."""
        return self._neurons["coordinates"]

    @property
    def areas(self) -> np.ndarray | None:
        """(neurons,) unicode, such as 'V1'; None where the mouse came without them."""
        return self._neurons.get("areas")

    @cached_property
    def statistics(self) -> Statistics:
        """Pooled statistics of the train tier."""
        return Statistics(**self._read_statistics([field.name for field in fields(Statistics)]))

    @property
    def published(self) -> dict[str, np.ndarray]:
        """Published statistics per time point, such as 'responses/std' (neurons, frames) float32.

        Empty where the mouse came without them. Read anew at every call, since they are large.
        """
        arrays = storage.read_npz(self._local("statistics.npz"))
        prefix = "published/"
        return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

    def select(self, *tiers: str) -> list[TrialInfo]:
        """Trials of any of `tiers`, ordered by index."""
        return [info for info in self.trials if info.tier in tiers]

    def trial(self, index: int) -> TrialInfo:
        """Trial of this index.

        Raises
        ------
        DataError : there is none.
        """
        if index not in self._by_index:
            raise DataError(f"has no trial {index}", self.name, f"see {self.path / 'trials.csv'}")
        return self._by_index[index]

    def trial_of_id(self, trial_id: str) -> TrialInfo | None:
        """Trial with this published identifier, None where there is none; see `TrialInfo.trial_id`."""
        return self._by_id.get(trial_id)

    @property
    def has_trial_ids(self) -> bool:
        """Whether trials have published identifiers."""
        return bool(self._by_id)

    def rows(self, trial: int) -> np.ndarray:
        """Frames of a trial as a read-only memory map: slicing it reads the sliced frames only.

        Returns
        -------
        (frames,) structured: video (height, width) and responses (neurons,) in the store's dtype, behavior
        (channels,) and pupil_center (2,) float32.

        Raises
        ------
        DataError : the trial is unknown, or its file is missing or cut off.
        """
        info = self.trial(trial)
        with self._file_of(info) as file:
            return np.memmap(file, self.row_dtype, "r", self._first_row(info, file), (info.frames,))

    def read_windows(self, places: Sequence[tuple[int, int]], stride: int, rows: np.ndarray) -> None:
        """Read every `stride`-th frame from some moments on, and none between them; a still image is held.

        Parameters
        ----------
        places : trial and first frame of each window.
        rows : (windows, frames) of `row_dtype`, C-contiguous: memory to fill.

        Raises
        ------
        DataError : a trial is unknown or has no such frames, or its file is missing or cut off.
        """
        infos = [self.trial(trial) for trial, _ in places]
        windows = [
            self._window(info, start, stride, rows[place, : 1 if info.frames == 1 else None], place * rows[0].nbytes)
            for place, (info, (_, start)) in enumerate(zip(infos, places, strict=True))
        ]
        try:
            read_rows(rows.reshape(-1).view(np.uint8).data, windows)
        except OSError as error:
            paths = [window.path for window in windows]
            with self._file_of(infos[paths.index(error.filename)]):
                raise
        for place, info in enumerate(infos):
            if info.frames == 1:
                rows[place] = rows[place, 0]

    def _window(self, info: TrialInfo, start: int, stride: int, rows: np.ndarray, offset: int) -> Window:
        last, size = start + (len(rows) - 1) * stride, rows.itemsize
        if min(start, stride - 1, last - start) < 0 or last >= info.frames:
            what = f"has no frames {start}..{last} in steps of {stride}"
            raise DataError(what, f"{self.name}/{info.trial}", f"it has {info.frames}")
        with self._file_of(info) as file:
            first = self._first_row(info, file) + start * size
            return Window(str(file), first, stride * size, len(rows), size, offset)

    def clip(self, trial: int) -> Clip:
        """Video and behaviour of a trial, in memory."""
        rows = self.rows(trial)
        video, behavior, pupil_center = (np.array(rows[name], np.float32) for name in CLIP_ARRAYS)
        return Clip(video, behavior.T, pupil_center.T)

    def responses(self, trial: int) -> np.ndarray:
        """(neurons, frames) float32; zeros where withheld."""
        return np.array(self.rows(trial)["responses"].T, np.float32, order="C")

    @cached_property
    def row_dtype(self) -> np.dtype:
        """Type of a row of this mouse's trial files."""
        return row_dtype(self.frame_shape, self.neurons, self.behavior_channels, self.dtype)

    @contextmanager
    def _file_of(self, info: TrialInfo) -> Iterator[Path]:
        """A trial's file on disk, and one sentence for whatever its reader finds wrong with it."""
        if info.trial not in self._paths:
            self._paths[info.trial] = trial_file(self.path, info.trial)
        path = self._paths[info.trial]
        try:
            yield cache.local(path, info.sha256)
        except FileNotFoundError as error:
            raise DataError("file is missing", str(path), reingest(self.path)) from error
        except (ValueError, OSError, EOFError) as error:
            what = f"is damaged, or not of the trial's {info.frames} frames ({error})"
            raise DataError(what, str(path), reingest(self.path)) from error

    def _first_row(self, info: TrialInfo, file: Path) -> int:
        """Byte at which the trial's rows begin; the header is read and checked once."""
        if info.trial not in self._first_rows:
            self._first_rows[info.trial] = first_row(file, self.row_dtype, info.frames)
        return self._first_rows[info.trial]

    @cached_property
    def _neurons(self) -> dict[str, np.ndarray]:
        return storage.read_npz(self._local("neurons.npz"))

    def _local(self, name: str) -> Path:
        """One of the mouse's `files` on disk."""
        path = self.path / name
        try:
            return cache.local(path, self.files.get(name, ""))
        except FileNotFoundError as error:
            raise DataError("file is missing", str(path), reingest(self.path)) from error

    def _read_statistics(self, names: list[str]) -> dict[str, np.ndarray]:
        """Only these arrays: the published ones beside them are large."""
        path = self._local("statistics.npz")
        try:
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in names}
        except Exception as error:  # zipfile and numpy raise many kinds
            raise DataError("is missing or damaged", str(path), reingest(self.path)) from error


def row_dtype(
    frame_shape: tuple[int, int], neurons: int, behavior_channels: int = 2, dtype: np.typing.DTypeLike = "<f4"
) -> np.dtype:
    """Type of a row of a trial file: all that belongs to one frame; video and responses are of `dtype`."""
    return np.dtype(
        [
            ("video", dtype, frame_shape),
            ("responses", dtype, (neurons,)),
            ("behavior", "<f4", (behavior_channels,)),
            ("pupil_center", "<f4", (2,)),
        ]
    )


def trial_file(mouse: Path, trial: int) -> Path:
    """Path of a trial in a mouse's folder of a store."""
    return mouse / "trials" / f"{trial}.npy"


def video_id(video: np.ndarray) -> str:
    """Content id that the repeats of a video share.

    Of the first 200 frames only, rounded to whole grey levels, so that a repeat that was cut a frame short
    keeps its id (valid lengths of 299 and 300 frames occur for the same movie).

    Parameters
    ----------
    video : (frames, height, width), grey levels 0..255.
    """
    return storage.sha256_of(np.rint(video[:200]).astype(np.uint8).tobytes())[:16]


def mouse_checksum(unit_ids: np.ndarray, trials: list[TrialInfo]) -> str:
    """Checksum of a mouse: its neurons, and the tier and content of its trials."""
    entries = [f"{info.trial} {info.tier} {info.sha256}" for info in sorted(trials, key=lambda info: info.trial)]
    return storage.sha256_of(unit_ids.astype("<i8").tobytes(), *entries)


def store_checksum(checksums: dict[str, str]) -> str:
    """Checksum of a store from those of its mice."""
    return storage.sha256_of(*(f"{name} {checksums[name]}" for name in sorted(checksums)))


def write_trials(path: Path, trials: list[TrialInfo]) -> None:
    """Write trials.csv."""
    columns = [field.name for field in fields(TrialInfo)]
    storage.write_csv(path, columns, ([getattr(info, column) for column in columns] for info in trials))


def read_trials(path: Path) -> list[TrialInfo]:
    """Read trials.csv, ordered by trial.

    Raises
    ------
    DataError : the file is missing or no such table.
    """
    try:
        with path.open(newline="") as file:
            rows: list[dict[str, Any]] = list(csv.DictReader(file))
        trials = [TrialInfo(**{**row, "trial": int(row["trial"]), "frames": int(row["frames"])}) for row in rows]
    except FileNotFoundError as error:
        raise DataError("file is missing", str(path), reingest(path.parent)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError("is not a table of trials", str(path), reingest(path.parent)) from error
    return sorted(trials, key=lambda info: info.trial)


def reingest(*mice: Path) -> str:
    """How to mend mice of a store that are damaged."""
    folders = ", ".join([*map(str, mice), str(mice[0].parent / "store.json")])
    return f"remove {folders} and run `sensorium ingest` again"


def verify(store: FrameStore) -> int:
    """Hash every file of a store again.

    Returns
    -------
    Number of files that were compared, all of them whole.

    Raises
    ------
    DataError : some are missing or damaged; it names them and how to mend them.
    """
    checked, damaged = 0, Counter[Path]()
    named = []
    for mouse in (store[name] for name in store.mice):
        wanted = {trial_file(mouse.path, info.trial): info.sha256 for info in mouse.trials}
        wanted |= {mouse.path / name: digest for name, digest in mouse.files.items()}
        for path, digest in wanted.items():
            checked += 1
            if not storage.is_file(path) or storage.sha256(path) != digest:
                damaged[mouse.path] += 1
                named.append(str(path.relative_to(store.path)))
    if named:
        shown = ", ".join(named[:10]) + (" …" if len(named) > 10 else "")
        what = f"{len(named)} of {checked} files are missing or damaged: {shown}"
        raise DataError(what, str(store.path), reingest(*damaged))
    return checked
