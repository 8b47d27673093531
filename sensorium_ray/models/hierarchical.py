"""Dynamic-V1FM's readout: neurons read one by one, and in groups of neighbours by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from .population import Population
from .readouts import GaussianReadout, StackedLinear

LEVELS = (2, 4, 8, 16)
"""Neurons to a group, about; a level has groups of one size."""

Fusion = Literal["mean", "adaptive"]
"""How the levels become one: their mean, or a sum whose weights are learned functions of every level's mean answer."""


class HierarchicalReadout(GaussianReadout):
    """Gaussian readout whose neurons also read in groups, which share features and a point of the map.

    Groups stretch over all neurons of a mouse, so that all are computed, whichever are asked for.

    Parameters
    ----------
    channels : of the feature map.
    levels : those of `LEVELS` that take part. All are held, as in the published network.
    """

    first_of: Tensor
    members: Tensor
    share: Tensor

    def __init__(self, population: Population, channels: int, fusion: Fusion, levels: tuple[int, ...]) -> None:
        super().__init__(population, channels, grid_features=32, shifter_features=16)
        self.taken = [place for place, size in enumerate(LEVELS) if size in levels]
        sizes = [mouse.neurons for mouse in population.mice]
        numbers = torch.arange(population.neurons).split(sizes)
        self.register_buffer("first_of", torch.tensor(population.offsets[:-1]), persistent=False)
        self.register_buffer("members", pad_sequence(numbers, batch_first=True), persistent=False)
        shares = [torch.full((size,), 1 / size) for size in sizes]
        self.register_buffer("share", pad_sequence(shares, batch_first=True), persistent=False)
        self.levels = nn.ModuleList(Level(sizes, channels, size) for size in LEVELS)
        fused = range(2, len(LEVELS) + 2) if fusion == "adaptive" else ()
        self.fusions = nn.ModuleList(AdaptiveWeights(len(sizes), count) for count in fused)

    def forward(
        self, features: Tensor, behavior: Tensor, pupil_center: Tensor, mouse: Tensor, neurons: Tensor
    ) -> Tensor:
        """See `GaussianReadout.forward`."""
        one = mouse[0]  # all clips are of one mouse, whose neurons these are
        everyone = self.members[one]
        points = self.points(pupil_center, features.shape[2], mouse, everyone)
        levels = cast(list[Level], [self.levels[place] for place in self.taken])
        answers = [(self.sample(features, points) * self.features[everyone].T).sum(2)]
        answers += [level(features, points, mouse) for level in levels]
        places = [neurons - self.first_of[one], *(level.group_of[neurons] for level in levels)]
        drives = torch.stack([a.index_select(2, place) for a, place in zip(answers, places, strict=True)], dim=3)
        if self.fusions and levels:
            shares = [self.share[one], *(level.share[one] for level in levels)]
            means = torch.stack([(a @ share).mean(1) for a, share in zip(answers, shares, strict=True)], dim=1)
            weights = self.fusions[len(levels) - 1](means, mouse)
            drive = (drives * weights[:, None, None]).sum(3)
        else:
            drive = drives.mean(3)
        return F.elu(drive + self.bias[neurons]).add(1).transpose(1, 2)


class Level(nn.Module):
    """Groups of about `size` neurons; each has features, reads where a neuron does, and answers for its neurons.

    Groups are numbered through all mice; tables of a row a mouse are filled up with zeros.

    Parameters
    ----------
    neurons : number of every mouse's.

    Attributes
    ----------
    group_of : (neurons,) int64, of each neuron, numbered within its mouse.
    groups : (mice, groups) int64, numbered through all mice.
    reader_of : (mice, groups) int64, the neuron, numbered within its mouse, where a group reads.
    share : (mice, groups), the part of the mouse's neurons that are in a group.
    """

    group_of: Tensor
    groups: Tensor
    reader_of: Tensor
    share: Tensor

    def __init__(self, neurons: Sequence[int], channels: int, size: int) -> None:
        super().__init__()
        counts = [max(1, many // size) for many in neurons]
        of = [nearest(count, many) for count, many in zip(counts, neurons, strict=True)]
        readers = [nearest(many, count) for count, many in zip(counts, neurons, strict=True)]
        shares = [group.bincount(minlength=count) / len(group) for group, count in zip(of, counts, strict=True)]
        numbers = torch.arange(sum(counts)).split(counts)
        self.register_buffer("group_of", torch.cat(of), persistent=False)
        self.register_buffer("groups", pad_sequence(numbers, batch_first=True), persistent=False)
        self.register_buffer("reader_of", pad_sequence(readers, batch_first=True), persistent=False)
        self.register_buffer("share", pad_sequence(shares, batch_first=True), persistent=False)
        self.features = nn.Parameter(torch.full((sum(counts), channels), 1 / channels))
        self.refine = StackedLinear(len(counts), 1, 16 * size)
        bound = (16 * size) ** -0.5
        self.refined = nn.Parameter(torch.empty(len(counts), 16 * size, 1).uniform_(-bound, bound))

    def forward(self, features: Tensor, points: Tensor, mouse: Tensor) -> Tensor:
        """(batch, channels, frames, height, width), (batch, frames, neurons, 2) -> (batch, frames, groups)."""
        places = points.index_select(2, self.reader_of[mouse[0]])
        drive = (GaussianReadout.sample(features, places) * self.features[self.groups[mouse[0]]].T).sum(2)
        hidden = F.elu(self.refine(drive.flatten(1)[..., None], mouse))
        return (hidden @ self.refined[mouse]).reshape(drive.shape)


class AdaptiveWeights(nn.Module):
    """Weights of the levels, 0 to 1, from each one's mean answer over a clip's frames and all neurons."""

    def __init__(self, mice: int, levels: int) -> None:
        super().__init__()
        self.hidden = StackedLinear(mice, levels, levels)
        self.out = StackedLinear(mice, levels, levels)

    def forward(self, means: Tensor, mouse: Tensor) -> Tensor:
        """(batch, levels), (batch,) -> (batch, levels)."""
        return torch.sigmoid(self.out(F.relu(self.hidden(means[:, None], mouse)), mouse))[:, 0]


def nearest(inputs: int, outputs: int) -> Tensor:
    """Which of `inputs` each of `outputs` takes in torch's nearest resize: (outputs,) int64.

    Torch rounds in float32, which for some real numbers of neurons gives other ones than whole numbers do.
    """
    ramp = torch.arange(inputs, dtype=torch.float32)[None, None]
    return F.interpolate(ramp, size=outputs, mode="nearest")[0, 0].long()
