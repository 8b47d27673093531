"""ViV1T as of 2023, third place of Sensorium 2023 (retrospective: arXiv 2407.09100).

The defaults are its published network. It answers a window of `max_frames` for all but the first `patch_frames - 1`
of its frames, every one of which sees the whole window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.windows import Blocks
from ..errors import ConfigError
from .encoder import Encoder
from .layers import stack_planes
from .normalisation import Normalisation
from .population import Population
from .readouts import GaussianReadout, StackedLinear
from .vivit import Tokens, Transformer, VivitConfig, space_then_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(VivitConfig):
    """Sizes, see `VivitConfig`; the defaults are the published network.

    `frame_shape` is the height and width of the video, for whose places there is an embedding. The published weights
    want the normalisation 'extremes'.
    """

    patch_frames: int = 25
    spatial_depth: int = 3
    temporal_depth: int = 5
    heads: int = 11
    head_width: int = 48
    hidden: int = 136
    attention_dropout: float = 0.358
    hidden_dropout: float = 0.0592
    token_dropout: float = 0.1338
    drop_path: float = 0.0505
    frame_shape: tuple[int, int] = (36, 64)
    normalisation: Normalisation = "pooled"

    def __post_init__(self) -> None:
        VivitConfig.__post_init__(self)
        if self.max_frames < self.patch_frames:
            raise ConfigError("max_frames is less than patch_frames", "viv1t2023", "a window holds a patch at least")
        if min(self.frame_shape) < self.patch_pixels:
            raise ConfigError("frame_shape is less than patch_pixels", "viv1t2023", "a frame holds a patch at least")


class Core(nn.Module):
    """Tokens with learned embeddings of their place and time, and two transformers."""

    def __init__(self, config: Config, behavior_channels: int) -> None:
        super().__init__()
        sides = [(side - config.patch_pixels) // config.patch_stride + 1 for side in config.frame_shape]
        self.tokens = Tokens(config, 1 + behavior_channels + 2)  # video, behaviour, pupil centre
        self.token_dropout = nn.Dropout(config.token_dropout)
        self.place = nn.Parameter(torch.randn(math.prod(sides), config.width))
        self.time = nn.Parameter(torch.randn(config.max_frames - config.patch_frames + 1, config.width))
        self.spatial = Transformer(config, config.spatial_depth, nn.GELU())
        self.temporal = Transformer(config, config.temporal_depth, nn.GELU())

    def forward(self, video: Tensor, behavior: Tensor, pupil_center: Tensor) -> Tensor:
        """(batch, frames, height, width), … -> (batch, width, frames - patch_frames + 1, rows, columns)."""
        tokens = self.token_dropout(self.tokens(stack_planes(video, behavior, pupil_center)))
        frames, *shape = tokens.shape[1:]
        tokens = tokens + self.place.reshape(shape) + self.time[:frames, None, None]
        return space_then_time(tokens, self.spatial, self.temporal)


class StateReadout(GaussianReadout):
    """Gaussian readout that adds to each neuron's features a code of what the mouse does, and answers with exp."""

    def __init__(self, population: Population, channels: int) -> None:
        super().__init__(population, channels)
        mice = len(population.mice)
        self.state_in = StackedLinear(mice, population.behavior_channels + 2, channels)
        self.norm_weight = nn.Parameter(torch.ones(mice, channels))
        self.norm_bias = nn.Parameter(torch.zeros(mice, channels))
        self.state_out = StackedLinear(mice, channels, channels)

    def forward(
        self, features: Tensor, behavior: Tensor, pupil_center: Tensor, mouse: Tensor, neurons: Tensor
    ) -> Tensor:
        """Read the feature map; see `GaussianReadout.forward`."""
        drive = self.drive(features, pupil_center, mouse, neurons)
        state = self._state(behavior, pupil_center, features.shape[2], mouse)
        return (drive + state @ self.features[neurons].T).exp().transpose(1, 2)

    def _state(self, behavior: Tensor, pupil_center: Tensor, frames: int, mouse: Tensor) -> Tensor:
        """(batch, frames, channels)."""
        state = torch.cat([behavior, pupil_center], dim=1)[:, :, behavior.shape[2] - frames :].transpose(1, 2)
        hidden = self.state_in(state, mouse)
        normed = F.layer_norm(hidden, hidden.shape[-1:])
        hidden = F.gelu(normed * self.norm_weight[mouse][:, None] + self.norm_bias[mouse][:, None])
        return torch.tanh(self.state_out(hidden, mouse))


def build(config: Config, population: Population) -> Encoder:
    """Core, and Gaussian readout with shifter and state encoder."""
    lost = config.patch_frames - 1
    return Encoder(
        population,
        Core(config, population.behavior_channels),
        StateReadout(population, config.width),
        config.normalisation,
        cut=Blocks(frames=config.max_frames, lost=lost, offset=lost),
    )
