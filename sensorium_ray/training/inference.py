"""A torch encoder as the function that cuts clips (`data.windows`) ask."""

from __future__ import annotations

import numpy as np
import torch

from ..data.windows import Run
from ..models.encoder import Encoder
from ..models.population import Population


def torch_run(encoder: Encoder, population: Population, mouse: str) -> Run:
    """Answer for all neurons of one mouse, on the device that the encoder is on."""
    place = population.index(mouse)
    device = encoder.normaliser.response_scale.device
    neurons = neuron_indices(population, mouse, device)

    @torch.inference_mode()
    def run(video: np.ndarray, behavior: np.ndarray, pupil_center: np.ndarray, moment: np.ndarray) -> np.ndarray:
        *inputs, moments = (torch.from_numpy(array).to(device) for array in (video, behavior, pupil_center, moment))
        mice = torch.full((len(video),), place, device=device)
        return encoder(*inputs, mice, neurons, moments).float().cpu().numpy()

    return run


def neuron_indices(population: Population, mouse: str, device: torch.device) -> torch.Tensor:
    """All neurons of one mouse, numbered through all mice: (n,) int64."""
    found = population.neuron_range(mouse)
    return torch.arange(found.start, found.stop, device=device)
