"""Simulate mice: folders file by file as the 2023 benchmark publishes them, and beside them the truth.

The folders hold what a competitor gets: test responses are zeros. `truth/` holds what the organisers keep, and
more than they can know: the expected response of every neuron. The layout is in docs/architecture.md.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..benchmark import FRAME_RATE, FRAME_SHAPE
from ..errors import ConfigError, DataError
from ..progress import track
from ..storage import StrPath, read_json, remove_partials, write_csv, write_json, write_npy
from .behavior import Temperament, simulate_behavior
from .cortex import Cortex, Neurons
from .schedule import (
    BEHAVIOR,
    CALIBRATION,
    MOUSE,
    NOISE,
    SCALES,
    VIDEO,
    Presentation,
    Scale,
    family_index,
    generator,
    mouse_name,
    schedule,
)
from .stimuli import STIMULI, natural_movie

__all__ = ["SCALES", "Scale", "simulate"]

_VERSION = 1
"""Of what a seed means: to be raised when the same seed and scale give other bytes."""
_FINISHED, _STARTED = "truth.json", "started.json"
_SECTIONS = ("videos", "responses", "behavior", "pupil_center")
_STATISTICS = ("mean", "median", "std", "min", "max")
_BLOCK_BYTES = 64 * 2**20  # of training data held at once for the statistics
_CALIBRATION_FRAMES = 300


def simulate(folder: StrPath, scale: Scale, seed: int) -> list[str]:
    """Write a simulation; one that was cut short is taken up where it stopped.

    Parameters
    ----------
    folder : new or empty, or with an unfinished simulation of the same scale and seed.
    scale : one of `SCALES`, or a variation of it.
    seed : 0 or more; the same seed and scale give the same files.

    Returns
    -------
    Names of the mice, in order.

    Raises
    ------
    ConfigError : the seed is negative.
    DataError : the folder holds something else, or the disk has no room.
    """
    folder = Path(folder)
    if seed < 0:
        raise ConfigError(f"{seed} is negative", "--seed", "give 0 or more")
    mice = [_Mouse(folder, scale, seed, index) for index in range(len(scale.neurons))]
    identity = {
        "version": _VERSION,
        "scale": scale.name,
        "seed": seed,
        "configuration": _plain(asdict(scale)),
        "mice": [mouse.name for mouse in mice],
    }
    _require_own(folder, identity)
    _require_space(folder, sum(mouse.bytes_to_write() for mouse in mice))
    write_json(folder / "truth" / _STARTED, identity)
    for index, mouse in enumerate(mice):
        mouse.write(f"mouse {index + 1} of {len(mice)}")
    os.replace(folder / "truth" / _STARTED, folder / "truth" / _FINISHED)
    return [mouse.name for mouse in mice]


class _Mouse:
    """One simulated mouse and its files."""

    def __init__(self, folder: Path, scale: Scale, seed: int, index: int) -> None:
        self.name = mouse_name(scale, seed, index)
        self._published = folder / self.name
        self._truth = folder / "truth" / self.name
        self._scale, self._seed, self._index = scale, seed, index
        self._count = scale.neurons[index]
        self._tiers, self._presentations = schedule(scale, seed, index)
        self._repeated: dict[str, np.ndarray] = {}
        rng = generator(seed, MOUSE, index)
        self._temperament = Temperament.draw(rng)
        self._coordinates = _coordinates(self._count, rng)
        self._unit_ids = np.sort(rng.choice(np.arange(1, 2 * self._count + 1), self._count, replace=False))
        self._neurons = Neurons.draw(self._coordinates, rng)

    def write(self, label: str) -> None:
        """Write whatever is not there yet."""
        for path in (self._published, self._truth):
            for leftovers in [path, *path.glob("**/")]:
                remove_partials(leftovers)
        self._write_meta()
        todo = [presentation for presentation in self._presentations if not self._has(presentation)]
        if todo:
            _ = self.cortex  # made before the threads share it
        for _ in track(_in_threads(self._write_trial, todo), len(todo), f"{label}: trials"):
            pass
        self._write_statistics(label)

    def bytes_to_write(self) -> int:
        """Upper bound of the bytes of the files that are not there yet."""
        row = 8 * self._scale.padded
        pixels = FRAME_SHAPE[0] * FRAME_SHAPE[1]
        total = len(_STATISTICS) * row * (self._count + pixels + 4)
        for presentation in self._presentations:
            if not self._has(presentation):
                total += row * (self._count + pixels + 4)
                total += row * self._count if presentation.withheld else 0
                total += row * self._count // 2 if presentation.repeated else 0
        return total

    @cached_property
    def cortex(self) -> Cortex:
        """The neurons, calibrated on movies that no trial shows; the same ones for all mice."""
        numbers = range(self._scale.calibration)
        return Cortex(
            self._neurons,
            self._temperament,
            [natural_movie(generator(self._seed, CALIBRATION, n), _CALIBRATION_FRAMES) for n in numbers],
            [
                simulate_behavior(
                    self._temperament, _CALIBRATION_FRAMES, generator(self._seed, CALIBRATION, n, self._index)
                )[0]
                for n in numbers
            ],
        )

    def _files(self, presentation: Presentation) -> dict[str, Path]:
        """Files of a trial by what they hold."""
        name = f"{presentation.trial}.npy"
        files = {section: self._published / "data" / section / name for section in _SECTIONS}
        if presentation.withheld:
            files["truth/responses"] = self._truth / "responses" / name
        if presentation.repeated:
            files["truth/rates"] = self._truth / "rates" / name
        return files

    def _has(self, presentation: Presentation) -> bool:
        return all(path.exists() for path in self._files(presentation).values())

    def _write_trial(self, presentation: Presentation) -> None:
        frames = presentation.frames
        video = self._video(presentation)[:frames]
        behavior, pupil_center = simulate_behavior(
            self._temperament, frames, generator(self._seed, BEHAVIOR, self._index, presentation.trial)
        )
        rates = self.cortex.rates(video, behavior, pupil_center)
        responses = self.cortex.responses(rates, generator(self._seed, NOISE, self._index, presentation.trial))
        arrays = {
            "videos": video.transpose(1, 2, 0).astype(np.float64),
            "responses": np.zeros_like(responses) if presentation.withheld else responses,
            "behavior": behavior,
            "pupil_center": pupil_center,
            "truth/responses": responses,
            "truth/rates": rates,
        }
        for key, path in self._files(presentation).items():
            if not path.exists():
                write_npy(path, _padded(arrays[key], self._scale.padded))

    def _video(self, presentation: Presentation) -> np.ndarray:
        """Video (frames, height, width) uint8; one that is shown again is kept."""
        if presentation.video in self._repeated:
            return self._repeated[presentation.video]
        rng = generator(self._seed, VIDEO, family_index(presentation.family), presentation.number)
        video = STIMULI[presentation.family](rng, frames=self._scale.frames)
        if presentation.repeated:
            self._repeated[presentation.video] = video
        return video

    def _write_meta(self) -> None:
        meta = self._published / "meta"
        write_npy(meta / "neurons" / "unit_ids.npy", self._unit_ids)
        write_npy(meta / "neurons" / "cell_motor_coordinates.npy", self._coordinates)
        write_npy(meta / "trials" / "tiers.npy", self._tiers)
        write_json(self._published / "config.json", {"name": self.name, "fps": FRAME_RATE, "simulated": True})
        columns = ("trial", "tier", "family", "video")
        write_csv(
            self._truth / "trials.csv",
            columns,
            ([getattr(shown, column) for column in columns] for shown in self._presentations),
        )

    def _write_statistics(self, label: str) -> None:
        """Write the published statistics over training trials, and the neurons' parameters."""
        trials = [shown.trial for shown in self._presentations if shown.tier == "train"]
        for section in track(_SECTIONS, len(_SECTIONS), f"{label}: statistics"):
            folder = self._published / "meta" / "statistics" / section / "all"
            if not all((folder / f"{name}.npy").exists() for name in _STATISTICS):
                files = [self._published / "data" / section / f"{trial}.npy" for trial in trials]
                for name, values in _statistics(files).items():
                    write_npy(folder / f"{name}.npy", values)
        if not (self._truth / "neurons.csv").exists():
            self._write_neurons()

    def _write_neurons(self) -> None:
        scale = self.cortex.calibration
        columns = {"unit_id": self._unit_ids}
        columns |= {f"{axis}_um": self._coordinates[:, i] for i, axis in enumerate("xyz")}
        columns |= {field.name: getattr(self._neurons, field.name) for field in fields(Neurons)}
        columns |= {
            "drive_threshold": scale.threshold,
            "drive_floor": scale.floor,
            "drive_gain": scale.gain,
            "event_amplitude": scale.event,
            "ceiling": scale.ceiling,
        }
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        write_csv(self._truth / "neurons.csv", tuple(columns), rows)


def _require_own(folder: Path, identity: dict[str, Any]) -> None:
    """Refuse a folder that holds anything but an unfinished part of this very simulation."""
    truth = folder / "truth"
    if (truth / _FINISHED).exists():
        raise DataError("holds a finished simulation already", str(folder), "name another folder or remove it")
    if truth.is_dir():
        remove_partials(truth)
    if (truth / _STARTED).exists():
        if read_json(truth / _STARTED) != identity:
            raise DataError(
                "holds an unfinished simulation of another scale, seed or version",
                str(folder),
                "give the same ones to finish it, name another folder, or remove it",
            )
    elif folder.exists() and (not folder.is_dir() or any(path.is_file() for path in folder.rglob("*"))):
        raise DataError("holds something that is not a simulation", str(folder), "name a new or an empty folder")


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.exists())).free
    if needed > free:
        raise DataError(
            f"the simulation needs {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free",
            str(folder),
            "free some space, name another place, or choose a smaller --scale",
        )


def _in_threads(function: Any, items: Iterable[Any]) -> Iterator[Any]:
    """Map in two threads: numpy computes in one while the other writes."""
    with ThreadPoolExecutor(2) as executor:
        try:
            yield from executor.map(function, items)
        finally:
            executor.shutdown(cancel_futures=True)


def _statistics(files: list[Path]) -> dict[str, np.ndarray]:
    """Mean, median, std (ddof 0), min and max over trials of equal shape, NaN left out, element by element.

    The trials stay on disk: a block of rows of all of them is in memory at once. Where no trial has a value
    the statistics are NaN.
    """
    # Read in pieces rather than through memory maps, whose pages count as resident until others need them.
    heads = [np.load(file, mmap_mode="r", allow_pickle=False) for file in files]
    shape, offsets = heads[0].shape, [head.offset for head in heads]
    del heads
    size = int(np.prod(shape))
    out = {name: np.empty(size) for name in _STATISTICS}
    step = max(_BLOCK_BYTES // (8 * len(files)), 1)
    for start in range(0, size, step):
        part = slice(start, min(start + step, size))
        pieces = [
            np.fromfile(file, np.float64, part.stop - start, offset=offset + 8 * start)
            for file, offset in zip(files, offsets, strict=True)
        ]
        for name, values in _summaries(np.stack(pieces, axis=1)).items():
            out[name][part] = values
    return {name: values.reshape(shape) for name, values in out.items()}


def _summaries(values: np.ndarray) -> dict[str, np.ndarray]:
    """The published statistics of each row of `values` (elements, trials), NaN left out."""
    values = np.sort(values, axis=1)  # NaN go last
    count = values.shape[1] - np.isnan(values).sum(axis=1)
    rows, last = np.arange(len(values)), np.maximum(count - 1, 0)
    with np.errstate(invalid="ignore"):
        mean = np.nansum(values, axis=1) / count
        std = np.sqrt(np.nansum((values - mean[:, None]) ** 2, axis=1) / count)
    # Of an even number of values the median is the mean of the middle two.
    median = (values[rows, last // 2] + values[rows, (last + 1) // 2]) / 2
    return {"mean": mean, "median": median, "std": std, "min": values[:, 0], "max": values[rows, last]}


def _padded(array: np.ndarray, length: int) -> np.ndarray:
    """`array` with NaN after its last axis' end, up to `length`."""
    out = np.full((*array.shape[:-1], length), np.nan, array.dtype)
    out[..., : array.shape[-1]] = array
    return out


def _coordinates(count: int, rng: np.random.Generator) -> np.ndarray:
    """Places (neurons, 3) int64 micrometres: ten imaging planes of 630 µm, as the published mice have them."""
    sides = rng.integers([-1260, -660], [-629, -29], (count, 2))
    depth = rng.integers(0, 10, count) * 25 + 200
    return np.column_stack([sides, depth])


def _plain(configuration: dict[str, Any]) -> dict[str, Any]:
    """The same as JSON gives it back: lists for tuples."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in configuration.items()}
