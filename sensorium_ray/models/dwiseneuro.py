"""DwiseNeuro: depth-wise 3D convolutions, a channel-shuffling cortex and pooled readouts.

The winner of Sensorium 2023 (retrospective: arXiv 2407.09100). The defaults are its published first stage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.windows import Overlapping
from ..errors import ConfigError
from .encoder import Encoder
from .layers import (
    DropPath,
    PositionalEncoding,
    SqueezeExcite,
    gated_pointwise_conv,
    pointwise_conv,
    spatial_conv,
    stack_planes,
    temporal_conv,
    tile_channels,
)
from .normalisation import Normalisation
from .population import Population
from .readouts import PooledReadout


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Sizes; the defaults are the published network.

    The video is averaged over `pooled_pixels` x `pooled_pixels` pixels first; `padded_shape` is the height and
    width that it is then zero-padded to, in the middle.
    """

    core_features: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256)
    spatial_strides: tuple[int, ...] = (2, 1, 1, 1, 2, 1, 1, 2, 1)
    spatial_kernel: int = 3
    temporal_kernel: int = 5
    expansion: int = 7
    se_reduce_ratio: int = 32
    cortex_features: tuple[int, ...] = (1024, 2048, 4096)
    dropout: float = 0.4
    drop_path: float = 0.1
    softplus_beta: float = 0.07
    pooled_pixels: int = 1
    padded_shape: tuple[int, int] = (64, 64)
    window_frames: int = 16
    window_stride: int = 2
    window_hop: int = 8
    normalisation: Normalisation = "raw"

    def __post_init__(self) -> None:
        if len(self.core_features) != len(self.spatial_strides):
            raise ConfigError(
                "core_features and spatial_strides differ in length", "dwiseneuro", "give one entry a block"
            )
        if not (self.spatial_kernel % 2 and self.temporal_kernel % 2):
            raise ConfigError("spatial_kernel or temporal_kernel is even", "dwiseneuro", "give odd sizes")
        if any(width % 2 for width in (self.core_features[-1], *self.cortex_features)):
            raise ConfigError("the last core width or a cortex width is odd", "dwiseneuro", "the cortex has two groups")


class Block(nn.Module):
    """Inverted residual: widen, filter space, filter time, gate, narrow; plus the encoded input."""

    def __init__(self, config: Config, inputs: int, outputs: int, stride: int, drop_path: float) -> None:
        super().__init__()
        middle = inputs * config.expansion
        space, time = config.spatial_kernel, config.temporal_kernel
        self.stride, self.outputs = stride, outputs
        self.encoding = PositionalEncoding(inputs)
        self.widen = nn.Conv3d(inputs, middle, 1, bias=False)
        self.space = nn.Conv3d(
            middle,
            middle,
            (1, space, space),
            (1, stride, stride),
            (0, space // 2, space // 2),
            groups=middle,
            bias=False,
        )
        self.time = nn.Conv3d(middle, middle, (time, 1, 1), padding=(time // 2, 0, 0), groups=middle, bias=False)
        self.narrow = nn.Conv3d(middle, outputs, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm3d(width) for width in (middle, middle, middle, outputs))
        self.gate = SqueezeExcite(middle, config.se_reduce_ratio)
        self.drop_path = DropPath(drop_path)
        self.shortcut_norm = nn.BatchNorm3d(outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs, frames, h, w) -> (batch, outputs, frames, h / stride, w / stride), rounded up."""
        encoded = self.encoding(inputs)
        features = F.silu(self.norms[0](pointwise_conv(encoded, self.widen)))
        features = F.silu(self.norms[1](spatial_conv(features, self.space)))
        features = F.silu(self.norms[2](temporal_conv(features, self.time)))
        features = self.norms[3](gated_pointwise_conv(features, self.gate(features), self.narrow))
        # Nearest neighbours of an integer stride: every stride-th pixel from the first.
        shortcut = tile_channels(encoded[..., :: self.stride, :: self.stride], self.outputs)
        return self.drop_path(features) + self.shortcut_norm(shortcut)


class Core(nn.Module):
    """Stem and blocks, then the mean over space."""

    def __init__(self, config: Config, behavior_channels: int) -> None:
        super().__init__()
        self.pooled_pixels, self.padded_shape = config.pooled_pixels, config.padded_shape
        widths = (*config.core_features, config.core_features[-1])
        planes = 1 + behavior_channels + 2  # video, behaviour, pupil centre
        self.stem = nn.Conv3d(planes, widths[0], 1, bias=False)
        self.stem_norm = nn.BatchNorm3d(widths[0])
        blocks = len(config.core_features)
        self.blocks = nn.ModuleList(
            Block(config, *sizes, stride, config.drop_path * place / blocks)
            for place, (sizes, stride) in enumerate(zip(pairwise(widths), config.spatial_strides, strict=True))
        )

    def forward(self, video: Tensor, behavior: Tensor, pupil_center: Tensor) -> Tensor:
        """(batch, frames, height, width), … -> (batch, features, frames)."""
        video = F.avg_pool2d(video, self.pooled_pixels) if self.pooled_pixels > 1 else video
        features = stack_planes(pad_centre(video, self.padded_shape), behavior, pupil_center)
        features = self.stem_norm(pointwise_conv(features, self.stem))
        for block in self.blocks:
            features = block(features)
        return features.mean(dim=(3, 4))


class CortexLayer(nn.Module):
    """Two-group linear map over channels, shuffled between the groups; plus the tiled input."""

    def __init__(self, inputs: int, outputs: int, drop_path: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, 1, groups=2, bias=False)
        self.norm = nn.BatchNorm1d(outputs)
        self.drop_path = DropPath(drop_path)
        self.shortcut_norm = nn.BatchNorm1d(outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs, frames) -> (batch, outputs, frames)."""
        features = F.silu(self.norm(self.conv(inputs)))
        batch, channels, frames = features.shape
        shuffled = features.reshape(batch, 2, channels // 2, frames).transpose(1, 2).reshape(batch, channels, frames)
        return self.drop_path(shuffled) + self.shortcut_norm(tile_channels(inputs, channels))


def pad_centre(video: Tensor, shape: tuple[int, int]) -> Tensor:
    """Zero-pad (…, height, width) to `shape` with the video in the middle; a larger video is left as it is."""
    rows, columns = (max(0, size - now) for size, now in zip(shape, video.shape[-2:], strict=True))
    return F.pad(video, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


def build(config: Config, population: Population) -> Encoder:
    """Core and cortex with one readout a mouse."""
    widths = (config.core_features[-1], *config.cortex_features)
    cortex = [CortexLayer(*pair, config.drop_path) for pair in pairwise(widths)]
    core = _CoreAndCortex(Core(config, population.behavior_channels), nn.Sequential(*cortex))
    _initialise(core)
    return Encoder(
        population,
        core,
        PooledReadout(population, widths[-1], config.dropout, config.softplus_beta, config.normalisation == "raw"),
        config.normalisation,
        cut=Overlapping(config.window_frames, config.window_stride, config.window_hop),
    )


class _CoreAndCortex(nn.Module):
    def __init__(self, core: Core, cortex: nn.Sequential) -> None:
        super().__init__()
        self.core = core
        self.cortex = cortex

    def forward(self, video: Tensor, behavior: Tensor, pupil_center: Tensor) -> Tensor:
        return self.cortex(self.core(video, behavior, pupil_center))


def _initialise(module: nn.Module) -> None:
    """Normal weights scaled by the fan-out, as the published model starts (He et al. 2015)."""
    for conv in module.modules():
        if isinstance(conv, nn.Conv1d | nn.Conv3d):
            fan_out = math.prod(conv.kernel_size) * conv.out_channels // conv.groups
            with torch.no_grad():
                conv.weight.normal_(0, math.sqrt(2 / fan_out))
