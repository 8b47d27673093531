"""Full 3D convolution: the Sensorium 2023 starter kit's other example of a 3D core (arXiv 2305.19654)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .encoder import Encoder
from .layers import check_layers, map_shape, stack_planes, start_convs
from .normalisation import Normalisation
from .population import Population
from .readouts import MapReadout, map_readout


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Widths and kernels, one entry a layer; the defaults are the starter kit's.

    `padding` keeps height and width by zeros around the map; time is never padded. `stride` is the first layer's, in
    pixels. `readout` : see `map_readout`.
    """

    channels: tuple[int, ...] = (64, 64)
    spatial_kernels: tuple[int, ...] = (9, 7)
    temporal_kernels: tuple[int, ...] = (9, 9)
    padding: bool = True
    stride: int = 1
    batch_norm_momentum: float = 0.7
    readout: MapReadout = "gaussian"
    normalisation: Normalisation = "pooled"

    def __post_init__(self) -> None:
        kernels = self.spatial_kernels, self.temporal_kernels
        check_layers("convolution3d", self.channels, *kernels, self.padding)


class Core(nn.Module):
    """Layers of convolution over space and time, batch normalisation and ELU."""

    def __init__(self, config: Config, behavior_channels: int) -> None:
        super().__init__()
        widths = (1 + behavior_channels, *config.channels)
        strides = (config.stride, *[1] * (len(config.channels) - 1))
        layers = zip(
            widths[:-1], config.channels, config.spatial_kernels, config.temporal_kernels, strides, strict=True
        )
        convs = [
            nn.Conv3d(
                inputs,
                outputs,
                (time, space, space),
                (1, stride, stride),
                (0, space // 2, space // 2) if config.padding else 0,
            )
            for inputs, outputs, space, time, stride in layers
        ]
        start_convs(*convs)
        self.convs = nn.ModuleList(convs)
        self.norms = nn.ModuleList(
            nn.BatchNorm3d(width, momentum=config.batch_norm_momentum) for width in config.channels
        )

    def forward(self, video: Tensor, behavior: Tensor, pupil_center: Tensor) -> Tensor:
        """(batch, frames, height, width), … -> (batch, channels, frames - receptive_field + 1, h, w)."""
        features = stack_planes(video, behavior)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features = F.elu(norm(conv(features)))
        return features


def build(config: Config, population: Population) -> Encoder:
    """Core and a readout of its feature maps."""
    shape = map_shape(config.spatial_kernels, config.stride, config.padding)
    return Encoder(
        population,
        Core(config, population.behavior_channels),
        map_readout(config.readout, population, config.channels[-1], shape),
        config.normalisation,
        receptive_field=1 + sum(kernel - 1 for kernel in config.temporal_kernels),
    )
