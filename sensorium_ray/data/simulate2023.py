"""Simulated mice file by file as the 2023 benchmark publishes them: videos, time last, NaN tails."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..benchmark import FRAME_RATE, FRAME_SHAPE
from ..storage import write_json
from .schedule import Presentation, VideoScale, mouse_name, schedule
from .simulated import SimulatedMouse
from .stimuli import STIMULI


class SimulatedVideoMouse(SimulatedMouse):
    """A mouse `dynamic…-Video-…`."""

    sections = ("videos", "responses", "behavior", "pupil_center")

    def __init__(self, folder: Path, scale: VideoScale, seed: int, index: int) -> None:
        name = mouse_name("dynamic{}-Video-{}", scale, seed, index)
        super().__init__(folder, name, scale, seed, index, *schedule(scale, seed, index))
        self._scale = scale

    def _make_stimulus(self, presentation: Presentation, rng: np.random.Generator) -> np.ndarray:
        """Video (frames, height, width)."""
        return STIMULI[presentation.family](rng, frames=self._scale.frames)

    def _simulate(self, presentation: Presentation, stimulus: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        video = stimulus[: presentation.frames]
        behavior, pupil_center = self._behavior(presentation.trial, presentation.frames)
        rates = self.cortex.rates(video, behavior, pupil_center)
        arrays = {
            "videos": video.transpose(1, 2, 0).astype(np.float64),
            "responses": self._noisy(presentation.trial, rates),
            "behavior": behavior,
            "pupil_center": pupil_center,
        }
        return arrays, rates

    def _values(self) -> dict[str, int]:
        rows = {"videos": FRAME_SHAPE[0] * FRAME_SHAPE[1], "responses": self._count, "behavior": 2, "pupil_center": 2}
        return {section: row * self._scale.padded for section, row in rows.items()}

    def _stored(self, key: str, array: np.ndarray) -> np.ndarray:
        """The array with NaN after its last axis' end."""
        out = np.full((*array.shape[:-1], self._scale.padded), np.nan, array.dtype)
        out[..., : array.shape[-1]] = array
        return out

    def _write_meta(self) -> None:
        super()._write_meta()
        write_json(self._published / "config.json", {"name": self.name, "fps": FRAME_RATE, "simulated": True})
