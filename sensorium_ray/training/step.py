"""The gradient of one step: one core pass over windows of several mice, each mouse's readout on its own, the loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..models.encoder import Encoder
from ..models.population import Population
from .distillation import Teachers, distillation_loss
from .draws import MixedBatch, micro_batches
from .inference import neuron_indices
from .losses import poisson_loss
from .settings import Precision


@dataclass(frozen=True, slots=True)
class StepLoss:
    """What is minimised: Poisson loss, mean over all entries of the recorded responses of a step.

    Parameters
    ----------
    population : the encoder's.
    precision : of the network's computation.
    teachers, share : whose answers have which share of the loss; None: nobody's.
    """

    population: Population
    precision: Precision
    teachers: Teachers | None
    share: float

    def add_gradient(
        self, encoder: Encoder, batch: MixedBatch, windows: Mapping[str, int], micro_batch: int | None
    ) -> float:
        """Add a batch's gradient to that of the parameters.

        Parameters
        ----------
        windows : by mouse, of the whole step, of which the batch may be a share.
        micro_batch : windows at once; None: all.

        Returns
        -------
        The batch's part of the step's loss: over the parts of a step it sums to the mean.
        """
        total = 0.0
        for part in micro_batches(batch, micro_batch) if micro_batch else (batch,):
            loss = self._loss(encoder, part, windows)
            loss.backward()
            total += loss.item()
        return total

    def _loss(self, encoder: Encoder, batch: MixedBatch, windows: Mapping[str, int]) -> Tensor:
        device = encoder.normaliser.response_scale.device
        inputs = self._inputs(batch, device)
        *_, mouse, moment = inputs
        neurons = {name: len(self.population.neuron_range(name)) for name in windows}
        entries = sum(count * neurons[name] for name, count in windows.items())
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            features = encoder.features(*inputs)
            loss, first = torch.zeros((), device=device), 0
            for name, part in batch.items():
                rows = slice(first, first + len(part.video))
                numbers = neuron_indices(self.population, name, device)
                predicted = encoder.readout(*(each[rows] for each in features), mouse[rows], numbers).float()
                frames, recorded = predicted.shape[2], _on(part.responses, device)
                units = encoder.response_units(numbers, moment[rows], frames)
                mean = poisson_loss(predicted, recorded[:, :, recorded.shape[2] - frames :] / units)
                loss = loss + mean * (len(part.video) * neurons[name] / entries)
                first = rows.stop
            if self.teachers is None:
                return loss
            pairs = sum(windows.values()) * self.population.neurons - entries
            taught = distillation_loss(self.teachers, encoder, self.population, inputs, features)
            return (1 - self.share) * loss + self.share * taught / pairs

    def _inputs(self, batch: MixedBatch, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Video, behavior, pupil centre, mouse and moment of all windows, mouse after mouse."""
        parts = list(batch.values())
        joined = [
            _on(
                np.concatenate([getattr(part, name) for part in parts]) if len(parts) > 1 else getattr(parts[0], name),
                device,
            )
            for name in ("video", "behavior", "pupil_center", "moment")
        ]
        places = [self.population.index(name) for name in batch]
        mouse = torch.tensor(places).repeat_interleave(torch.tensor([len(part.video) for part in parts]))
        return joined[0], joined[1], joined[2], mouse.to(device), joined[3]


def _on(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device, non_blocking=True)
