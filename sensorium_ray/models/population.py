"""The mice that a model answers for, and what it must know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import accumulate

import numpy as np

from ..data.store import FrameStore, MouseData, Statistics
from ..errors import DataError

_PUBLISHED = "published/"
_AGAIN = "ingest the mouse again"


@dataclass(frozen=True, slots=True)
class MouseSpec:
    """What a model must know of one mouse.

    Parameters
    ----------
    name : the mouse folder's name.
    unit_ids : (neurons,) int64.
    coordinates : (neurons, 3) float32, position in the tissue, micrometres.
    statistics : means and standard deviations of the training trials.
    published : statistics that came with the data, such as 'video/mean' (height, width, frames) or 'responses/std'
        (neurons, frames); only those that a normalisation needs.
    areas : (neurons,) unicode, cortical area, such as 'V1'; None where the mouse came without them.

    Raises
    ------
    DataError : coordinates or areas are not one a neuron.
    """

    name: str
    unit_ids: np.ndarray
    coordinates: np.ndarray
    statistics: Statistics
    published: Mapping[str, np.ndarray] = field(default_factory=dict)
    areas: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.coordinates.shape != (self.neurons, 3):
            raise DataError(
                f"has coordinates {self.coordinates.shape} beside {self.neurons} neurons", self.name, _AGAIN
            )
        if self.areas is not None and self.areas.shape != (self.neurons,):
            raise DataError(f"has areas {self.areas.shape} beside {self.neurons} neurons", self.name, _AGAIN)

    @classmethod
    def unknown(cls, name: str, neurons: int, behavior_channels: int = 2) -> MouseSpec:
        """A mouse of which no more is known: neurons that are numbered, statistics that change nothing."""
        zero, one = np.zeros((), np.float32), np.ones((), np.float32)
        behavior, pupil, responses = (np.ones(size, np.float32) for size in (behavior_channels, 2, neurons))
        statistics = Statistics(zero, one, 0 * behavior, behavior, 0 * pupil, pupil, responses, responses)
        return cls(name, np.arange(neurons), np.zeros((neurons, 3), np.float32), statistics)

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return len(self.unit_ids)


class Population:
    """Several mice in a fixed order; their neurons are numbered through, mouse after mouse."""

    def __init__(self, mice: Sequence[MouseSpec]) -> None:
        self.mice = tuple(mice)
        self.offsets = (0, *accumulate(mouse.neurons for mouse in self.mice))

    @classmethod
    def from_store(cls, store: FrameStore, published: Sequence[str] = ()) -> Population:
        """Every mouse of a frame store.

        Parameters
        ----------
        published : names of the published statistics to take along, where a mouse has them.
        """
        return cls([_mouse_spec(store[name], published) for name in store.mice])

    @property
    def neurons(self) -> int:
        """Number of neurons of all mice together."""
        return self.offsets[-1]

    @property
    def behavior_channels(self) -> int:
        """Number of behaviour channels, the same for all mice."""
        return len(self.mice[0].statistics.behavior_std)

    def index(self, mouse: str) -> int:
        """Place of a mouse in the order."""
        return [spec.name for spec in self.mice].index(mouse)

    def neuron_range(self, mouse: str) -> range:
        """The mouse's neurons in the numbering that runs through all mice."""
        place = self.index(mouse)
        return range(self.offsets[place], self.offsets[place + 1])

    def statistic(self, name: str) -> np.ndarray:
        """One field of every mouse's statistics, stacked: (mice, …) float32."""
        return np.stack([np.asarray(getattr(mouse.statistics, name), np.float32) for mouse in self.mice])

    def neuron_statistic(self, name: str) -> np.ndarray:
        """One field per neuron, all mice joined: (neurons of all mice,) float32."""
        return np.concatenate([getattr(mouse.statistics, name) for mouse in self.mice]).astype(np.float32)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Flatten into named arrays, for a checkpoint; the inverse of `from_arrays`."""
        arrays: dict[str, np.ndarray] = {"names": np.array([mouse.name for mouse in self.mice])}
        for place, mouse in enumerate(self.mice):
            arrays[f"{place}/unit_ids"] = mouse.unit_ids
            arrays[f"{place}/coordinates"] = mouse.coordinates
            if mouse.areas is not None:
                arrays[f"{place}/areas"] = mouse.areas
            for part in fields(Statistics):
                arrays[f"{place}/{part.name}"] = np.asarray(getattr(mouse.statistics, part.name))
            arrays |= {f"{place}/{_PUBLISHED}{name}": array for name, array in mouse.published.items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Population:
        """Rebuild from `to_arrays`."""
        mice = []
        for place, name in enumerate(arrays["names"]):
            statistics = Statistics(**{f.name: arrays[f"{place}/{f.name}"] for f in fields(Statistics)})
            prefix = f"{place}/{_PUBLISHED}"
            published = {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
            ids, coordinates = arrays[f"{place}/unit_ids"], arrays[f"{place}/coordinates"]
            areas = arrays.get(f"{place}/areas")
            mice.append(MouseSpec(str(name), ids, coordinates, statistics, published, areas))
        return cls(mice)


def _mouse_spec(mouse: MouseData, published: Sequence[str]) -> MouseSpec:
    found = mouse.published if published else {}
    # What was shown is called videos in 2023 and images in 2022.
    named = {name.replace("videos/", "video/").replace("images/", "video/"): array for name, array in found.items()}
    taken = {name: named[name] for name in published if name in named}
    # What a mouse lacks altogether is read as zeros, and has to stay zero.
    zeros = {"behavior": np.zeros(mouse.behavior_channels), "pupil_center": np.zeros(2)}
    for absent in mouse.absent:
        taken |= {name: zeros[absent] for name in published if name.startswith(f"{absent}/")}
    return MouseSpec(mouse.name, mouse.unit_ids, mouse.coordinates, mouse.statistics, taken, mouse.areas)
