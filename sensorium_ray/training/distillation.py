"""Distillation: what trained networks say of mice that did not see a clip (the 2023 winner's second stage).

Every window is one mouse's; of all other mice a network that was trained before, in evaluation mode, says what they
would have answered, with the behaviour of the mouse that saw it. With a share r of the loss, these pairs of window
and mouse have r / (1 - r) times the weight of the recorded ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..data.store import FrameStore
from ..data.windows import Chunks
from ..errors import ConfigError
from ..models import find
from ..models.encoder import Encoder
from ..models.normalisation import PUBLISHED
from ..models.population import Population
from .inference import neuron_indices
from .losses import poisson_loss
from .trained import Trained


class Teachers:
    """Trained networks, whose mean is what is learned; inputs are scaled by the store's statistics.

    Parameters
    ----------
    student : the network that learns.

    Raises
    ------
    ConfigError : one of them lacks a mouse or a neuron of the store, or cuts clips otherwise than the student.
    BundleError : one of them does not fit its own configuration.
    """

    def __init__(self, trained: Sequence[Trained], store: FrameStore, student: Encoder, device: torch.device) -> None:
        self._networks = [_build(teacher, store, student).to(device).eval() for teacher in trained]

    @property
    def receptive_field(self) -> int:
        """The longest of theirs."""
        return max(network.receptive_field for network in self._networks)

    @torch.no_grad()
    def features(
        self, video: Tensor, behavior: Tensor, pupil_center: Tensor, mouse: Tensor, moment: Tensor
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """What each network's readouts take; see `Encoder.features`."""
        return [network.features(video, behavior, pupil_center, mouse, moment) for network in self._networks]

    @torch.no_grad()
    def responses(
        self, features: Sequence[tuple[Tensor, ...]], rows: Tensor, mouse: Tensor, neurons: Tensor, moment: Tensor
    ) -> Tensor:
        """Responses of one mouse, as recorded, to the windows at `rows`: (rows, n, frames)."""
        answers = []
        for network, seen in zip(self._networks, features, strict=True):
            answer = network.readout(*(part[rows] for part in seen), mouse, neurons).float()
            answers.append(answer * network.response_units(neurons, moment, answer.shape[2]))
        frames = min(answer.shape[2] for answer in answers)
        return torch.stack([answer[:, :, answer.shape[2] - frames :] for answer in answers]).mean(0)


def distillation_loss(
    teachers: Teachers,
    encoder: Encoder,
    population: Population,
    inputs: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
    features: tuple[Tensor, Tensor, Tensor],
) -> Tensor:
    """Poisson loss of all pairs of a window and a mouse that did not see it: its mean over frames, summed over both.

    Parameters
    ----------
    inputs : video, behavior, pupil centre, mouse and moment of the windows.
    features : the student's, of these inputs.
    """
    *_, seen_by, moment = inputs
    seen = teachers.features(*inputs)
    loss = torch.zeros((), device=moment.device)
    for place, mouse in enumerate(population.mice):
        rows = torch.nonzero(seen_by != place)[:, 0]
        if not len(rows):
            continue
        mice, neurons = torch.full_like(rows, place), neuron_indices(population, mouse.name, moment.device)
        taught = teachers.responses(seen, rows, mice, neurons, moment[rows])
        predicted = encoder.readout(*(part[rows] for part in features), mice, neurons).float()
        frames = min(taught.shape[2], predicted.shape[2])
        units = encoder.response_units(neurons, moment[rows], frames)
        loss = loss + poisson_loss(_last(predicted, frames), _last(taught, frames) / units) * len(rows) * len(neurons)
    return loss


def _last(responses: Tensor, frames: int) -> Tensor:
    return responses[:, :, responses.shape[2] - frames :]


def _build(teacher: Trained, store: FrameStore, student: Encoder) -> Encoder:
    normalisation = find.make_config(teacher.architecture, teacher.config).normalisation
    population = Population.from_store(store, PUBLISHED.get(normalisation, ()))
    for mouse in population.mice:
        if not set(mouse.unit_ids.tolist()) <= set(teacher.mice.get(mouse.name, ())):
            what = f"knows nothing of {mouse.name}, or not of all its neurons"
            raise ConfigError(what, teacher.path, "choose a teacher that was trained on all mice of the store")
    network = find.build(teacher.architecture, teacher.config, population)
    teacher.transfer(network, population)
    if not _alike(network, student):
        what = f"is asked for {network.cut}, the student for {student.cut}"
        raise ConfigError(what, teacher.path, "choose a teacher with windows like the student's")
    return network


def _alike(teacher: Encoder, student: Encoder) -> bool:
    """Whether both answer the same windows: of any length, or of the same frames."""
    if isinstance(teacher.cut, Chunks) or isinstance(student.cut, Chunks):
        return isinstance(teacher.cut, Chunks) and isinstance(student.cut, Chunks)
    return (teacher.cut.frames, getattr(teacher.cut, "stride", 1)) == (
        student.cut.frames,
        getattr(student.cut, "stride", 1),
    )
