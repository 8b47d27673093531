"""Readouts: from a core's features to the neurons of a mouse."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ConfigError
from .population import Population

MapReadout = Literal["gaussian", "factorised"]
"""Readouts of feature maps; see `map_readout`."""

_START_REACH = 0.2  # how far from the middle the mean points start, as in the starter kit
_START_SPREAD = 0.2  # of the noise around them; the starter kit begins with 1, from where short trainings go less far
_MASK_SPREAD = 1e-3  # of the factorised readout's weights, as in the starter kit


class GaussianReadout(nn.Module):
    """Each neuron reads one point of the feature map, learned through its place in the cortex.

    Lurz et al. 2021 (arXiv 2012.05577): in training the point is drawn from a Gaussian around its mean, and
    the mean is a small network of the cortical coordinates; a shifter (Walker et al. 2019) moves all points
    with the eye. Responses are ELU + 1, as in the Sensorium starter kits.

    Parameters
    ----------
    channels : of the feature map.
    grid_features : width of the network of the coordinates.
    shifter_features : width of the shifter's two hidden layers; 0: the eye moves nothing.
    """

    source_grid: Tensor
    mouse_of: Tensor

    def __init__(
        self, population: Population, channels: int, grid_features: int = 30, shifter_features: int = 5
    ) -> None:
        super().__init__()
        mice, neurons = len(population.mice), population.neurons
        grids = [source_grid(mouse.coordinates) for mouse in population.mice]
        owners = [np.full(mouse.neurons, place) for place, mouse in enumerate(population.mice)]
        self.register_buffer("source_grid", torch.from_numpy(np.concatenate(grids)))
        self.register_buffer("mouse_of", torch.from_numpy(np.concatenate(owners)))
        self.features = nn.Parameter(torch.full((neurons, channels), 1 / channels))
        self.sigma = nn.Parameter(torch.empty(neurons, 2, 2).uniform_(-_START_SPREAD, _START_SPREAD))
        self.bias = nn.Parameter(_elu_bias(population))
        self.mu_hidden = StackedLinear(mice, 2, grid_features)
        self.mu_out = StackedLinear(mice, grid_features, 2)
        widths = (2, shifter_features, shifter_features, 2) if shifter_features else (2,)
        self.shifter = nn.ModuleList(StackedLinear(mice, *pair) for pair in pairwise(widths))
        with torch.no_grad():
            self.mu_out.weight.mul_(_START_REACH)

    def forward(
        self, features: Tensor, behavior: Tensor, pupil_center: Tensor, mouse: Tensor, neurons: Tensor
    ) -> Tensor:
        """Read the feature map.

        Parameters
        ----------
        features : (batch, channels, frames, height, width).
        behavior : (batch, channels, at least frames), normalised; the last frames are those of `features`.
        pupil_center : (batch, 2, at least frames), likewise.
        mouse : (batch,) int64.
        neurons : (n,) int64, numbered through all mice.

        Returns
        -------
        (batch, n, frames), not negative.
        """
        sampled = self.sample(features, self.points(pupil_center, features.shape[2], mouse, neurons))
        drive = (sampled * self.features[neurons].T).sum(2) + self.bias[neurons]
        return F.elu(drive).add(1).transpose(1, 2)

    def points(self, pupil_center: Tensor, frames: int, mouse: Tensor, neurons: Tensor) -> Tensor:
        """Where each neuron reads in each of the last `frames` frames.

        Returns
        -------
        (batch, frames, n, 2) in units of half the map, (x, y) = (width, height); beyond -1..1 the map is 0.
        """
        owner = self.mouse_of[neurons]
        hidden = F.elu(self.mu_hidden(self.source_grid[neurons][:, None], owner))
        mean = torch.tanh(self.mu_out(hidden, owner))[:, 0]
        batch = pupil_center.shape[0]
        if self.training:
            noise = torch.randn(batch, frames, len(neurons), 2, device=mean.device)
            mean = mean + torch.einsum("nij,bfnj->bfni", self.sigma[neurons], noise)
        shift = pupil_center[:, :, pupil_center.shape[2] - frames :].transpose(1, 2)
        for layer in self.shifter:
            shift = torch.tanh(layer(shift, mouse))
        mean = mean.clamp(-1, 1).expand(batch, frames, -1, -1)
        return mean + shift[:, :, None] if len(self.shifter) else mean

    @staticmethod
    def sample(features: Tensor, points: Tensor) -> Tensor:
        """Feature map at `points`, interpolated bilinearly: (batch, frames, channels, n)."""
        batch, channels, frames, height, width = features.shape
        flat = features.transpose(1, 2).reshape(batch * frames, channels, height, width)
        places = points.reshape(batch * frames, -1, 1, 2)
        sampled = F.grid_sample(flat, places, align_corners=True)[..., 0]
        return sampled.reshape(batch, frames, channels, -1)


class FactorisedReadout(nn.Module):
    """Each neuron weighs the whole feature map: a mask of its places times weights of its channels.

    Klindt et al. 2017 (arXiv 1711.02653), as the Sensorium 2023 starter kit sets it: masks and weights of either
    sign, neither of norm 1, and responses ELU + 1. There is no shifter. The kit has no bias, which is a bias of 0.

    Parameters
    ----------
    channels, map_shape : of the feature map; `map_shape` is its height and width.
    """

    def __init__(self, population: Population, channels: int, map_shape: tuple[int, int]) -> None:
        super().__init__()
        self.mask = nn.Parameter(torch.empty(population.neurons, *map_shape).normal_(std=_MASK_SPREAD))
        self.features = nn.Parameter(torch.empty(population.neurons, channels).normal_(std=_MASK_SPREAD))
        self.bias = nn.Parameter(_elu_bias(population))

    def forward(
        self, features: Tensor, behavior: Tensor, pupil_center: Tensor, mouse: Tensor, neurons: Tensor
    ) -> Tensor:
        """(batch, channels, frames, height, width), whatever the mouse does -> (batch, n, frames), not negative.

        Raises
        ------
        ConfigError : the feature map is of another shape, since the frames are.
        """
        if features.shape[3:] != self.mask.shape[1:]:
            ours, theirs = ("x".join(map(str, shape)) for shape in (self.mask.shape[1:], features.shape[3:]))
            what = f"weighs feature maps of {ours} pixels, these have {theirs}"
            raise ConfigError(what, "factorised readout", "choose the Gaussian readout for frames of another size")
        seen = features.transpose(1, 2).flatten(3) @ self.mask[neurons].flatten(1).T
        drive = (seen * self.features[neurons].T).sum(2) + self.bias[neurons]
        return F.elu(drive).add(1).transpose(1, 2)


def map_readout(kind: MapReadout, population: Population, channels: int, map_shape: tuple[int, int]) -> nn.Module:
    """Readout of feature maps by name: 'gaussian' (with shifter) or 'factorised'.

    Raises
    ------
    ConfigError : there is no such readout.
    """
    if kind not in get_args(MapReadout):
        raise ConfigError(f"there is no readout '{kind}'", "readout", f"known: {', '.join(get_args(MapReadout))}")
    if kind == "gaussian":
        return GaussianReadout(population, channels)
    return FactorisedReadout(population, channels, map_shape)


class PooledReadout(nn.Module):
    """Each neuron reads all channels of its half of a feature vector that has no space left.

    The 2023 winner's readout: dropout, a linear map in two groups (the first half of a mouse's neurons reads
    the first half of the channels), softplus with a small beta.

    Parameters
    ----------
    raw_responses : the units of responses are those recorded, not each neuron's standard deviation; the answers
        start at each neuron's mean.
    """

    group_of: Tensor

    def __init__(
        self, population: Population, channels: int, dropout: float, softplus_beta: float, raw_responses: bool
    ) -> None:
        super().__init__()
        groups = [np.arange(mouse.neurons) >= -(-mouse.neurons // 2) for mouse in population.mice]
        self.register_buffer("group_of", torch.from_numpy(np.concatenate(groups)))
        self.weight = nn.Parameter(torch.empty(population.neurons, channels // 2))
        std = 1.0 if raw_responses else np.maximum(population.neuron_statistic("response_std"), 1e-6)
        nn.init.normal_(self.weight, std=0.02)  # what fan-out scaling gives the 8,000 neurons of a real mouse
        mean = torch.from_numpy(population.neuron_statistic("response_mean") / std).clamp(min=1e-3)
        self.bias = nn.Parameter(torch.expm1((softplus_beta * mean).clamp(max=20)).log() / softplus_beta)
        self.dropout = nn.Dropout1d(dropout)
        self.softplus = nn.Softplus(beta=softplus_beta)

    def forward(
        self, features: Tensor, behavior: Tensor, pupil_center: Tensor, mouse: Tensor, neurons: Tensor
    ) -> Tensor:
        """(batch, channels, frames), whatever the mouse does -> (batch, n, frames), not negative."""
        first, second = self.dropout(features).chunk(2, dim=1)
        weight, group = self.weight[neurons], self.group_of[neurons][:, None]
        drive = torch.where(group, weight @ second, weight @ first) + self.bias[neurons][:, None]
        return self.softplus(drive)


class StackedLinear(nn.Module):
    """One linear layer a mouse, applied by mouse index."""

    def __init__(self, mice: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(mice, outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(mice, outputs).uniform_(-bound, bound))

    def forward(self, inputs: Tensor, mouse: Tensor) -> Tensor:
        """(items, rows, inputs), (items,) -> (items, rows, outputs)."""
        return inputs @ self.weight[mouse].transpose(1, 2) + self.bias[mouse][:, None]


def source_grid(coordinates: np.ndarray) -> np.ndarray:
    """Places in the cortex for the mean network: first two coordinates, centred, over the largest |value|.

    Parameters
    ----------
    coordinates : (neurons, 3) micrometres.

    Returns
    -------
    (neurons, 2) float32 in -1..1.
    """
    plane = coordinates[:, :2] - coordinates[:, :2].mean(axis=0)
    return (plane / max(np.abs(plane).max(), 1e-6)).astype(np.float32)


def _elu_bias(population: Population) -> Tensor:
    """Bias at which ELU + 1 answers each neuron's mean response over its standard deviation."""
    mean, std = (population.neuron_statistic(f"response_{name}") for name in ("mean", "std"))
    ratio = torch.from_numpy(mean / np.maximum(std, 1e-6)).clamp(1e-3, 1)
    return ratio.log()
