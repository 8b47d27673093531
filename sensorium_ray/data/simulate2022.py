"""Simulated mice file by file as the 2022 benchmark publishes them: an image a trial.

An image is held for half a second; what is published of the responses, as of the behaviour, is the mean over that
time (Willeke et al. 2022, arXiv 2206.08666).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ..benchmark import FRAME_RATE
from ..storage import write_npy
from .raw2022 import reduce_image
from .schedule import Presentation, mouse_name
from .schedule2022 import ImageScale, schedule_images
from .simulated import SimulatedMouse
from .stimuli import still_image
from .summaries import summarise_grey

_SHAPE = (144, 256)
"""Height and width of a published image, pixels."""
_FRAMES = 15
"""How long an image is shown: half a second."""
_SCANS = 5
"""How often a neuron is recorded meanwhile: the microscope takes some eight pictures a second, not thirty."""


class SimulatedImageMouse(SimulatedMouse):
    """A mouse `static…-GrayImageNet-…`, like the two of the competition: test responses are withheld."""

    sections = ("images", "responses", "behavior", "pupil_center")
    conditions = ("all", "stimulus_Frame")

    def __init__(self, folder: Path, scale: ImageScale, seed: int, index: int) -> None:
        name = mouse_name("static{}-GrayImageNet-{}", scale, seed, index)
        super().__init__(folder, name, scale, seed, index, *schedule_images(scale, seed, index))

    def _make_stimulus(self, presentation: Presentation, rng: np.random.Generator) -> np.ndarray:
        """Image (height, width)."""
        return still_image(rng, _SHAPE)

    def _simulate(self, presentation: Presentation, stimulus: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        behavior, pupil_center = self._behavior(presentation.trial, _FRAMES)
        video = np.repeat(reduce_image(stimulus)[None], _FRAMES, axis=0)
        rates = self.cortex.rates(video, behavior, pupil_center)
        scans = rates.reshape(len(rates), _SCANS, -1).mean(axis=2)
        pupil, speed = behavior
        change = (pupil[-1] - pupil[0]) * FRAME_RATE / (_FRAMES - 1)
        arrays = {
            "images": stimulus[None].astype(np.float64),
            "responses": self._noisy(presentation.trial, scans).mean(axis=1, keepdims=True),
            "behavior": np.array([pupil.mean(), change, speed.mean()]),
            "pupil_center": pupil_center.mean(axis=1),
        }
        return arrays, rates.mean(axis=1, keepdims=True)

    def _values(self) -> dict[str, int]:
        return {"images": _SHAPE[0] * _SHAPE[1], "responses": self._count, "behavior": 3, "pupil_center": 2}

    def _stored(self, key: str, array: np.ndarray) -> np.ndarray:
        """Published responses have no time axis, those of the truth do."""
        return array[:, 0] if key == "responses" else array

    def _summaries(self, section: str, files: list[Path]) -> dict[str, np.ndarray]:
        return summarise_grey(files) if section == "images" else super()._summaries(section, files)

    def _write_meta(self) -> None:
        super()._write_meta()
        neurons, trials = (self._published / "meta" / folder for folder in ("neurons", "trials"))
        numbers = {"animal_ids": self._index + 1, "sessions": 1, "scan_idx": 1}
        for name, value in {"area": "V1", "layer": "L2/3", **numbers}.items():
            write_npy(neurons / f"{name}.npy", np.full(self._count, value))
        # Of the competition's mice the true indices of the trials are hidden behind hashes.
        texts = [f"{self.name} {shown.trial}".encode() for shown in self._presentations]
        hashes = [hashlib.md5(text, usedforsecurity=False).hexdigest() for text in texts]
        write_npy(trials / "trial_idx.npy", np.array(hashes))
        write_npy(trials / "frame_image_id.npy", np.array([shown.number for shown in self._presentations]))
        write_npy(trials / "frame_image_class.npy", np.full(len(self._presentations), "imagenet"))
