"""Simulate mice: folders file by file as a benchmark publishes them, and beside them the truth.

The folders hold what a competitor gets: test responses are zeros. `truth/` holds what the organisers keep, and
more than they can know: the expected response of every neuron. The layout is in docs/architecture.md.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError
from ..storage import StrPath, read_json, remove_partials, require_space, write_json
from .schedule import SCALES, VideoScale
from .schedule2022 import SCALES_2022, ImageScale
from .simulate2022 import SimulatedImageMouse
from .simulate2023 import SimulatedVideoMouse
from .simulated import SimulatedMouse

__all__ = ["SCALES", "SCALES_2022", "ImageScale", "VideoScale", "simulate"]

_VERSION = 1
"""Of what a seed means: to be raised when the same seed and scale give other bytes."""
_FINISHED, _STARTED = "truth.json", "started.json"


def simulate(folder: StrPath, scale: VideoScale | ImageScale, seed: int) -> list[str]:
    """Write a simulation; one that was cut short is taken up where it stopped.

    Parameters
    ----------
    folder : new or empty, or with an unfinished simulation of the same scale and seed.
    scale : one of `SCALES`, for mice of 2023, or of `SCALES_2022`, or a variation of it.
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
    mice = _mice(folder, scale, seed)
    identity = _identity(scale, seed, mice)
    _require_own(folder, identity)
    require_space(folder, sum(mouse.bytes_to_write() for mouse in mice))
    write_json(folder / "truth" / _STARTED, identity)
    for index, mouse in enumerate(mice):
        mouse.write(f"mouse {index + 1} of {len(mice)}")
    os.replace(folder / "truth" / _STARTED, folder / "truth" / _FINISHED)
    return [mouse.name for mouse in mice]


def simulated_mice(folder: StrPath) -> list[SimulatedMouse]:
    """The mice of a finished simulation, as they were made: their neurons can be asked about other clips.

    Raises
    ------
    DataError : the folder holds none, or one of another version of the simulator.
    """
    path = Path(folder) / "truth" / _FINISHED
    made = read_json(path, "name a folder that `sensorium simulate` wrote")
    try:
        kind: Any = ImageScale if made["release"] == 2022 else VideoScale
        given = {
            key: tuple(value) if isinstance(value, list) else value for key, value in made["configuration"].items()
        }
        scale, seed = kind(**given), made["seed"]
        mice = _mice(Path(folder), scale, seed)
        same = _identity(scale, seed, mice) == made
    except (KeyError, TypeError):
        same = False
    if not same:
        raise DataError("was made by another version of the simulator", str(path), "run `sensorium simulate` again")
    return mice


def _identity(scale: VideoScale | ImageScale, seed: int, mice: list[SimulatedMouse]) -> dict[str, Any]:
    """What a simulation is told by."""
    return {
        "version": _VERSION,
        "release": 2022 if isinstance(scale, ImageScale) else 2023,
        "scale": scale.name,
        "seed": seed,
        "configuration": _plain(asdict(scale)),
        "mice": [mouse.name for mouse in mice],
    }


def _mice(folder: Path, scale: VideoScale | ImageScale, seed: int) -> list[SimulatedMouse]:
    return [_mouse(folder, scale, seed, index) for index in range(len(scale.neurons))]


def _mouse(folder: Path, scale: VideoScale | ImageScale, seed: int, index: int) -> SimulatedMouse:
    if isinstance(scale, ImageScale):
        return SimulatedImageMouse(folder, scale, seed, index)
    return SimulatedVideoMouse(folder, scale, seed, index)


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
                "holds an unfinished simulation of another release, scale, seed or version",
                str(folder),
                "give the same ones to finish it, name another folder, or remove it",
            )
    elif folder.exists() and (not folder.is_dir() or any(path.is_file() for path in folder.rglob("*"))):
        raise DataError("holds something that is not a simulation", str(folder), "name a new or an empty folder")


def _plain(configuration: dict[str, Any]) -> dict[str, Any]:
    """The same as JSON gives it back: lists for tuples."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in configuration.items()}
