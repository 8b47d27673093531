"""Linear-nonlinear baseline: one space-time filter a neuron, then a pointwise nonlinearity.

The filters are factorised and shared: a linear convolutional core, of which each neuron reads one point, as
in the starter kits' LN baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from .encoder import Encoder
from .layers import FactorisedConv, stack_planes, start_as_gabors
from .normalisation import Normalisation
from .population import Population
from .readouts import GaussianReadout


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Sizes of the filter bank; kernels in pixels and frames, `stride` between filter places in pixels.

    `gabor_start` : see `start_as_gabors`.
    """

    channels: int = 32
    spatial_kernel: int = 15
    temporal_kernel: int = 15
    stride: int = 1
    gabor_start: bool = False
    normalisation: Normalisation = "pooled"


class LinearCore(nn.Module):
    """Factorised space-time filters with batch normalisation and nothing nonlinear."""

    def __init__(self, config: Config, behavior_channels: int) -> None:
        super().__init__()
        self.conv = FactorisedConv(
            1 + behavior_channels, config.channels, config.spatial_kernel, config.temporal_kernel, config.stride
        )
        if config.gabor_start:
            start_as_gabors(self.conv.spatial.weight[:, 0, 0])
        self.norm = nn.BatchNorm3d(config.channels)

    def forward(self, video: Tensor, behavior: Tensor, pupil_center: Tensor) -> Tensor:
        """(batch, frames, height, width), … -> (batch, channels, frames - temporal_kernel + 1, h, w)."""
        return self.norm(self.conv(stack_planes(video, behavior)))


def build(config: Config, population: Population) -> Encoder:
    """Linear core and Gaussian readout with shifter."""
    return Encoder(
        population,
        LinearCore(config, population.behavior_channels),
        GaussianReadout(population, config.channels),
        config.normalisation,
        receptive_field=config.temporal_kernel,
    )
