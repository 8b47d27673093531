"""Readouts: from a core's features to the neurons of a mouse."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .population import Population

_START_REACH = 0.2  # how far from the middle the mean points start, as in the starter kit
_START_SPREAD = 0.2  # of the noise around them; the starter kit begins with 1, from where short trainings go less far


class GaussianReadout(nn.Module):
    """Each neuron reads one point of the feature map, learned through its place in the cortex.

    Lurz et al. 2021 (arXiv 2012.05577): in training the point is drawn from a Gaussian around its mean, and
    the mean is a small network of the cortical coordinates; a shifter (Walker et al. 2019) moves all points
    with the eye. Responses are ELU + 1, as in the Sensorium starter kits.
    """

    source_grid: Tensor
    mouse_of: Tensor

    def __init__(self, population: Population, channels: int) -> None:
        super().__init__()
        mice, neurons = len(population.mice), population.neurons
        grids = [source_grid(mouse.coordinates) for mouse in population.mice]
        owners = [np.full(mouse.neurons, place) for place, mouse in enumerate(population.mice)]
        self.register_buffer("source_grid", torch.from_numpy(np.concatenate(grids)))
        self.register_buffer("mouse_of", torch.from_numpy(np.concatenate(owners)))
        self.features = nn.Parameter(torch.full((neurons, channels), 1 / channels))
        self.sigma = nn.Parameter(torch.empty(neurons, 2, 2).uniform_(-_START_SPREAD, _START_SPREAD))
        self.bias = nn.Parameter(_elu_bias(population))
        self.mu_hidden = _Stacked(mice, 2, 30)
        self.mu_out = _Stacked(mice, 30, 2)
        self.shifter = nn.ModuleList([_Stacked(mice, 2, 5), _Stacked(mice, 5, 5), _Stacked(mice, 5, 2)])
        with torch.no_grad():
            self.mu_out.weight.mul_(_START_REACH)

    def forward(self, features: Tensor, pupil_center: Tensor, mouse: Tensor, neurons: Tensor) -> Tensor:
        """Read the feature map.

        Parameters
        ----------
        features : (batch, channels, frames, height, width).
        pupil_center : (batch, 2, at least frames), normalised; the last frames are those of `features`.
        mouse : (batch,) int64.
        neurons : (n,) int64, numbered through all mice.

        Returns
        -------
        (batch, n, frames), not negative.
        """
        batch, channels, frames, height, width = features.shape
        pupil_center = pupil_center[:, :, pupil_center.shape[2] - frames :]
        points = self._points(neurons, batch * frames)
        points = points + self._shift(pupil_center, mouse).reshape(batch * frames, 1, 2)
        flat = features.transpose(1, 2).reshape(batch * frames, channels, height, width)
        sampled = F.grid_sample(flat, points[:, :, None], align_corners=True)[..., 0]
        drive = (sampled * self.features[neurons].T).sum(1) + self.bias[neurons]
        return F.elu(drive).add(1).reshape(batch, frames, -1).transpose(1, 2)

    def _points(self, neurons: Tensor, copies: int) -> Tensor:
        """(copies or 1, n, 2) in -1..1, (x, y) = (width, height)."""
        owner = self.mouse_of[neurons]
        hidden = F.elu(self.mu_hidden(self.source_grid[neurons][:, None], owner))
        mean = torch.tanh(self.mu_out(hidden, owner)).transpose(0, 1)
        if not self.training:
            return mean.clamp(-1, 1).expand(copies, -1, -1)
        noise = torch.randn(copies, len(neurons), 2, device=mean.device)
        return (mean + torch.einsum("nij,bnj->bni", self.sigma[neurons], noise)).clamp(-1, 1)

    def _shift(self, pupil_center: Tensor, mouse: Tensor) -> Tensor:
        """(batch, frames, 2)."""
        shift = pupil_center.transpose(1, 2)
        for layer in self.shifter:
            shift = torch.tanh(layer(shift, mouse))
        return shift


class PooledReadout(nn.Module):
    """Each neuron reads all channels of its half of a feature vector that has no space left.

    The 2023 winner's readout: dropout, a linear map in two groups (the first half of a mouse's neurons reads
    the first half of the channels), softplus with a small beta.
    """

    group_of: Tensor

    def __init__(
        self, population: Population, channels: int, dropout: float, softplus_beta: float, scale: Tensor
    ) -> None:
        super().__init__()
        groups = [np.arange(mouse.neurons) >= -(-mouse.neurons // 2) for mouse in population.mice]
        self.register_buffer("group_of", torch.from_numpy(np.concatenate(groups)))
        self.weight = nn.Parameter(torch.empty(population.neurons, channels // 2))
        nn.init.normal_(self.weight, std=0.02)  # what fan-out scaling gives the 8,000 neurons of a real mouse
        mean = (torch.from_numpy(population.neuron_statistic("response_mean")) / scale).clamp(min=1e-3)
        self.bias = nn.Parameter(torch.expm1((softplus_beta * mean).clamp(max=20)).log() / softplus_beta)
        self.dropout = nn.Dropout1d(dropout)
        self.softplus = nn.Softplus(beta=softplus_beta)

    def forward(self, features: Tensor, pupil_center: Tensor, mouse: Tensor, neurons: Tensor) -> Tensor:
        """(batch, channels, frames), whatever the eye and the mouse -> (batch, n, frames), not negative."""
        first, second = self.dropout(features).chunk(2, dim=1)
        weight, group = self.weight[neurons], self.group_of[neurons][:, None]
        drive = torch.where(group, weight @ second, weight @ first) + self.bias[neurons][:, None]
        return self.softplus(drive)


class _Stacked(nn.Module):
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
