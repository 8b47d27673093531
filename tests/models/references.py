"""Reference vectors of published architectures, and the networks here with their weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sensorium_ray.models import find
from sensorium_ray.models.encoder import Encoder
from sensorium_ray.models.population import MouseSpec, Population
from sensorium_ray.published import find as formats

REFERENCES = Path(__file__).parents[3] / "shared" / "data" / "architectures"


@dataclass
class Reference:
    """A network with published weights, whose inputs come normalised and whose responses stay so."""

    encoder: Encoder
    population: Population

    @classmethod
    def load(cls, format_name: str, file: str, **settings: Any) -> Reference:
        """From a file in `REFERENCES`; `settings` change the network's configuration."""
        foreign = formats.read(format_name, REFERENCES / file)
        population = Population(
            [MouseSpec.unknown(mouse.name, mouse.neurons, len(foreign.benchmark.behavior)) for mouse in foreign.mice]
        )
        settings = {**foreign.config, "normalisation": "raw", **settings}
        encoder = find.build(foreign.architecture, settings, population)
        foreign.load_into(encoder, foreign.mice)
        return cls(encoder.eval(), population)

    def answer(self, *inputs: np.ndarray, mouse: int, dtype: str) -> np.ndarray:
        """Normalised responses of all neurons of one mouse: (batch, neurons, answered frames).

        Parameters
        ----------
        inputs : video (batch, frames, height, width), behavior and pupil centre (batch, channels, frames).
        dtype : that it is computed in, 'f32' or 'f64'.
        """
        real = {"f32": torch.float32, "f64": torch.float64}[dtype]
        self.encoder.to(real)
        tensors = [torch.from_numpy(array).to(real) for array in inputs]
        batch, frames = inputs[0].shape[:2]
        neurons = torch.tensor(self.population.neuron_range(self.population.mice[mouse].name))
        moment = torch.arange(frames).expand(batch, -1)
        with torch.no_grad():
            mice = torch.full((batch,), mouse)
            return self.encoder.normalised_responses(*tensors, mice, neurons, moment).numpy()


def vectors(folder: str) -> dict[str, np.ndarray]:
    """Inputs and outputs of the reference code."""
    return dict(np.load(REFERENCES / folder / "vectors.npz"))
