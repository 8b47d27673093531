"""What simulated mice of both releases have in common: a cortex, files that are whole or not there, and their truth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..progress import track
from ..storage import remove_partials, write_csv, write_npy
from .behavior import Temperament, simulate_behavior
from .cortex import Cortex, Neurons
from .schedule import BEHAVIOR, CALIBRATION, MOUSE, NOISE, VIDEO, Presentation, Scale, family_index, generator
from .stimuli import natural_movie
from .summaries import STATISTICS, summarise

_CALIBRATION_FRAMES = 300


class SimulatedMouse(ABC):
    """One simulated mouse and its files.

    Parameters
    ----------
    folder : of the simulation.
    name : of the mouse.
    scale, seed, index : of the simulation, and which of its mice this is.
    tiers : (files,) unicode.
    presentations : the trials that are part of the benchmark, ordered.
    """

    sections: ClassVar[tuple[str, ...]]
    """Folders under data/."""
    conditions: ClassVar[tuple[str, ...]] = ("all",)
    """Folders of each section's statistics."""

    def __init__(
        self,
        folder: Path,
        name: str,
        scale: Scale,
        seed: int,
        index: int,
        tiers: np.ndarray,
        presentations: Sequence[Presentation],
    ) -> None:
        self.name = name
        self._published = folder / name
        self._truth = folder / "truth" / name
        self._seed, self._index = seed, index
        self._movies = scale.calibration
        self._count = scale.neurons[index]
        self._tiers, self._presentations = tiers, presentations
        self._judged: dict[str, np.ndarray] = {}
        rng = generator(seed, MOUSE, index)
        self._temperament = Temperament.draw(rng)
        self._coordinates = _coordinates(self._count, rng)
        self._unit_ids = np.sort(rng.choice(np.arange(1, 2 * self._count + 1), self._count, replace=False))
        self._neurons = Neurons.draw(self._coordinates, rng)

    @abstractmethod
    def _make_stimulus(self, presentation: Presentation, rng: np.random.Generator) -> np.ndarray:
        """What the screen shows, uint8, in the layout that `_simulate` takes."""

    @abstractmethod
    def _simulate(self, presentation: Presentation, stimulus: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Arrays of a trial by section, and the expected responses; responses are (neurons, frames)."""

    @abstractmethod
    def _values(self) -> dict[str, int]:
        """Values of a trial's arrays, by section."""

    def _stored(self, key: str, array: np.ndarray) -> np.ndarray:
        """An array as it is stored in a section, 'truth/responses' or 'truth/rates'."""
        return array

    def _summaries(self, section: str, files: list[Path]) -> dict[str, np.ndarray]:
        """Published statistics of a section over the training trials' files."""
        return summarise(files)

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
        values = self._values()
        trial, responses = 8 * sum(values.values()), 8 * values["responses"]
        total = len(STATISTICS) * len(self.conditions) * trial
        for presentation in self._presentations:
            if not self._has(presentation):
                total += trial
                total += responses if presentation.withheld else 0
                total += responses // 2 if presentation.judged else 0
        return total

    @cached_property
    def cortex(self) -> Cortex:
        """The neurons, calibrated on movies that no trial shows; the same ones for all mice."""
        numbers = range(self._movies)
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

    def _behavior(self, trial: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Behaviour and pupil centre of a trial, each (2, frames)."""
        return simulate_behavior(self._temperament, frames, generator(self._seed, BEHAVIOR, self._index, trial))

    def _noisy(self, trial: int, rates: np.ndarray) -> np.ndarray:
        """Recorded responses (neurons, frames) of a trial."""
        return self.cortex.responses(rates, generator(self._seed, NOISE, self._index, trial))

    def _files(self, presentation: Presentation) -> dict[str, Path]:
        """Files of a trial by what they hold."""
        name = f"{presentation.trial}.npy"
        files = {section: self._published / "data" / section / name for section in self.sections}
        if presentation.withheld:
            files["truth/responses"] = self._truth / "responses" / name
        if presentation.judged:
            files["truth/rates"] = self._truth / "rates" / name
        return files

    def _has(self, presentation: Presentation) -> bool:
        return all(path.exists() for path in self._files(presentation).values())

    def _write_trial(self, presentation: Presentation) -> None:
        arrays, rates = self._simulate(presentation, self._stimulus(presentation))
        arrays |= {"truth/responses": arrays["responses"], "truth/rates": rates}
        if presentation.withheld:
            arrays["responses"] = np.zeros_like(arrays["responses"])
        for key, path in self._files(presentation).items():
            if not path.exists():
                write_npy(path, self._stored(key, arrays[key]))

    def _stimulus(self, presentation: Presentation) -> np.ndarray:
        """What the screen shows; kept where it may be shown again."""
        if presentation.video in self._judged:
            return self._judged[presentation.video]
        rng = generator(self._seed, VIDEO, family_index(presentation.family), presentation.number)
        stimulus = self._make_stimulus(presentation, rng)
        if presentation.judged:
            self._judged[presentation.video] = stimulus
        return stimulus

    def _write_meta(self) -> None:
        meta = self._published / "meta"
        write_npy(meta / "neurons" / "unit_ids.npy", self._unit_ids)
        write_npy(meta / "neurons" / "cell_motor_coordinates.npy", self._coordinates)
        write_npy(meta / "trials" / "tiers.npy", self._tiers)
        columns = ("trial", "tier", "family", "video")
        write_csv(
            self._truth / "trials.csv",
            columns,
            ([getattr(shown, column) for column in columns] for shown in self._presentations),
        )

    def _write_statistics(self, label: str) -> None:
        """Write the published statistics over training trials, and the neurons' parameters."""
        trials = [shown.trial for shown in self._presentations if shown.tier == "train"]
        for section in track(self.sections, len(self.sections), f"{label}: statistics"):
            root = self._published / "meta" / "statistics" / section
            paths = [(name, root / condition / f"{name}.npy") for condition in self.conditions for name in STATISTICS]
            if not all(path.exists() for _, path in paths):
                summaries = self._summaries(
                    section, [self._published / "data" / section / f"{trial}.npy" for trial in trials]
                )
                for name, path in paths:
                    write_npy(path, summaries[name])
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


def _in_threads(function: Any, items: Iterable[Any]) -> Iterator[Any]:
    """Map in two threads: numpy computes in one while the other writes."""
    with ThreadPoolExecutor(2) as executor:
        try:
            yield from executor.map(function, items)
        finally:
            executor.shutdown(cancel_futures=True)


def _coordinates(count: int, rng: np.random.Generator) -> np.ndarray:
    """Places (neurons, 3) int64 micrometres: ten imaging planes of 630 µm, as the published mice have them."""
    sides = rng.integers([-1260, -660], [-629, -29], (count, 2))
    depth = rng.integers(0, 10, count) * 25 + 200
    return np.column_stack([sides, depth])
