"""Stacked 2D convolutions with Gaussian readout: the baselines of Sensorium 2022 (Willeke et al., arXiv 2206.08666).

Every frame is seen alone, so that on videos this is the baseline that knows no time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ConfigError
from .encoder import Encoder
from .layers import stack_planes, start_as_gabors, start_convs
from .normalisation import Normalisation
from .population import Population
from .readouts import GaussianReadout

_SHIFTER_FEATURES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Widths and kernels, one entry a layer; the defaults are the published network of the Sensorium+ track.

    The network of the Sensorium track has neither `behavior` (as planes beside the image) nor `shifter`. The
    published LN models are `linear`, without an ELU in the core, and have three layers.
    `stride` and `gabor_start` (see `start_as_gabors`) are the first layer's.
    """

    channels: tuple[int, ...] = (64, 64, 64, 64)
    spatial_kernels: tuple[int, ...] = (9, 7, 7, 7)
    linear: bool = False
    behavior: bool = True
    shifter: bool = True
    stride: int = 1
    gabor_start: bool = False
    batch_norm_momentum: float = 0.9
    normalisation: Normalisation = "pooled"

    def __post_init__(self) -> None:
        if not len(self.channels) == len(self.spatial_kernels) > 0:
            raise ConfigError("channels and spatial_kernels differ in length", "stacked2d", "give one entry a layer")
        if not all(kernel % 2 for kernel in self.spatial_kernels[1:]):
            raise ConfigError("a spatial kernel after the first is even", "stacked2d", "give odd sizes")


class DepthSeparableConv(nn.Sequential):
    """Mix channels, filter each alone, mix again; height and width stay.

    (batch, inputs, h, w) -> (batch, outputs, h, w).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.Conv2d(outputs, outputs, kernel, padding=kernel // 2, groups=outputs, bias=False),
            nn.Conv2d(outputs, outputs, 1, bias=False),
        )


class Core(nn.Module):
    """A full convolution without padding, then depth-separable ones; each with batch normalisation and ELU."""

    def __init__(self, config: Config, behavior_channels: int) -> None:
        super().__init__()
        self.linear, self.behavior = config.linear, config.behavior
        planes = 1 + behavior_channels if config.behavior else 1
        first = nn.Conv2d(planes, config.channels[0], config.spatial_kernels[0], config.stride, bias=False)
        layers = zip(config.channels[:-1], config.channels[1:], config.spatial_kernels[1:], strict=True)
        self.convs = nn.ModuleList([first, *(DepthSeparableConv(*sizes) for sizes in layers)])
        start_convs(*(module for module in self.modules() if isinstance(module, nn.Conv2d)))
        if config.gabor_start:
            start_as_gabors(first.weight[:, 0])
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(width, momentum=config.batch_norm_momentum) for width in config.channels
        )

    def forward(self, video: Tensor, behavior: Tensor, pupil_center: Tensor) -> Tensor:
        """(batch, frames, height, width), … -> (batch, channels, frames, h, w)."""
        planes = stack_planes(video, behavior) if self.behavior else stack_planes(video)
        batch, _, frames = planes.shape[:3]
        features = planes.transpose(1, 2).flatten(0, 1)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features = norm(conv(features))
            if not self.linear:
                features = F.elu(features)
        return features.unflatten(0, (batch, frames)).transpose(1, 2)


def build(config: Config, population: Population) -> Encoder:
    """Core and Gaussian readout."""
    return Encoder(
        population,
        Core(config, population.behavior_channels),
        GaussianReadout(population, config.channels[-1], shifter_features=_SHIFTER_FEATURES if config.shifter else 0),
        config.normalisation,
    )
