"""What part of an answer is asked for: some neurons, some frames, their mean, at half precision."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..benchmark import EvalWindow
from ..errors import ConfigError, DataError
from . import streaming
from .served import Served
from .streaming import Parts

NUMBERS = "^[0-9]{1,18}(,[0-9]{1,18})*$"
"""How some neurons are written: with commas between their indices or unit ids."""
FRAMES = r"^[0-9]{1,18}\.\.([0-9]{1,18}|end)$"
"""How some frames are written."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A part of a mouse's answer to a clip.

    Parameters
    ----------
    neurons : (n,) int64, indices into the mouse's neurons; None: all.
    frames : that are told; None: all. All are predicted, since a network looks back.
    mean : tell the mean over those frames instead.
    half : tell float16.
    """

    neurons: np.ndarray | None = None
    frames: EvalWindow | None = None
    mean: bool = False
    half: bool = False

    @classmethod
    def read(
        cls,
        model: Served,
        mouse: str,
        which: Mapping[str, str | None],
        frames: str | None,
        mean: bool,
        half: bool,
    ) -> Selection:
        """Read the parameters of an address.

        Parameters
        ----------
        which : neurons, unit_ids or areas, with commas between them: '0,5,7' or 'V1,LM'; one of the three, or none.
        frames : as the papers write them, both ends included: '50..299', '50..end'.

        Raises
        ------
        DataError : they are not written so, the mouse has no such neuron, or the model knows no areas.
        """
        given = {name: text for name, text in which.items() if text is not None}
        if len(given) > 1:
            name, other, *_ = given
            raise DataError(f"are given beside {other}", name, f"choose by one of {', '.join(_CHOICES)}")
        chosen = None
        for name, text in given.items():
            chosen = _CHOICES[name](model, mouse, text)
        try:
            window = None if frames is None else EvalWindow.parse(frames)
        except ConfigError as error:
            raise DataError(error.what, "frames", error.mend) from error
        return cls(chosen, window, mean, half)

    def unit_ids(self, model: Served, mouse: str) -> np.ndarray:
        """Unit ids of the neurons that are told: (n,) int64."""
        known = model.unit_ids(mouse)
        return known if self.neurons is None else known[self.neurons]

    @property
    def dtype(self) -> np.dtype:
        """Of the responses that are told."""
        return np.dtype(np.float16 if self.half else np.float32)

    def times(self, frames: int, rate: float) -> np.ndarray:
        """Times in seconds of what is told of a clip's frames: (frames that are told,) float64.

        Raises
        ------
        DataError : the clip has none of the frames.
        """
        times = (np.arange(frames) / rate)[self._of(frames)]
        if not len(times):
            raise DataError(f"are none of the clip's {frames}", "frames", f"choose among 0..{frames - 1}")
        return times.mean(keepdims=True) if self.mean else times

    def of(self, parts: Parts, frames: int) -> Parts:
        """What is told of the responses to a clip's frames."""
        told = parts if self.frames is None else streaming.within(parts, self._of(frames))
        return streaming.mean(told) if self.mean else told

    def _of(self, frames: int) -> slice:
        start, stop, _ = (slice(None) if self.frames is None else self.frames.slice(frames)).indices(frames)
        return slice(start, stop)


def _at_indices(model: Served, mouse: str, text: str) -> np.ndarray:
    wanted, size = _numbers("neurons", text), len(model.unit_ids(mouse))
    if wanted.max() >= size:
        raise DataError("are not indices of this mouse's neurons", "neurons", f"give 0 to {size - 1}")
    return wanted


def _of_unit_ids(model: Served, mouse: str, text: str) -> np.ndarray:
    place_of = {unit_id: place for place, unit_id in enumerate(model.unit_ids(mouse).tolist())}
    wanted = _numbers("unit_ids", text).tolist()
    missing = [unit_id for unit_id in wanted if unit_id not in place_of]
    if missing:
        mend = f"GET /v1/models/{model.manifest.name}/mice/{mouse} lists them"
        raise DataError(f"{missing[0]} is none of this mouse's", "unit_ids", mend)
    return np.array([place_of[unit_id] for unit_id in wanted])


def _in_areas(model: Served, mouse: str, text: str) -> np.ndarray:
    areas = model.anatomy(mouse).areas
    if areas is None:
        mend = "choose by neurons or unit_ids, or train on mice with meta/neurons/area.npy"
        raise DataError("are not known to this model", "areas", mend)
    wanted, known = text.split(","), np.unique(areas).tolist()
    missing = [area for area in wanted if area not in known]
    if missing:
        raise DataError(f"'{missing[0]}' is none of this mouse's", "areas", f"known are {', '.join(known)}")
    return np.flatnonzero(np.isin(areas, wanted))


def _numbers(name: str, text: str) -> np.ndarray:
    if not re.fullmatch(NUMBERS, text):
        raise DataError(f"are '{text}'", name, "give whole numbers with commas between them, such as 0,5,7")
    return np.array(text.split(","), dtype=np.int64)


_CHOICES: dict[str, Callable[[Served, str, str], np.ndarray]] = {
    "neurons": _at_indices,
    "unit_ids": _of_unit_ids,
    "areas": _in_areas,
}
"""Indices (n,) int64 of the neurons that a text names, by what it names them by."""
