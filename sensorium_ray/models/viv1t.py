"""ViV1T as of 2025: a causal video transformer of the mouse visual cortex (Li et al. 2025).

The defaults are its published network. It answers every frame, and sees no frame after the one that it answers for.
Attention reaches back to the first frame of what the network is given: up to `max_frames` a clip is one piece, as
published; of a longer one every further piece begins with the last third of `max_frames` before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from ..data.windows import Chunks
from ..errors import ConfigError
from .encoder import Encoder
from .layers import stack_planes
from .normalisation import Normalisation
from .population import Population
from .readouts import GaussianReadout
from .vivit import Tokens, Transformer, VivitConfig, space_then_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(VivitConfig):
    """Sizes, see `VivitConfig`; the defaults are the published network.

    `registers` are learned tokens behind each sequence. Those in time, being last, are never seen by a frame.
    """

    patch_frames: int = 13
    spatial_depth: int = 14
    temporal_depth: int = 14
    heads: int = 2
    head_width: int = 80
    hidden: int = 224
    registers: int = 24
    attention_dropout: float = 0.04
    hidden_dropout: float = 0.21
    token_dropout: float = 0.17
    drop_path: float = 0.43
    normalisation: Normalisation = "pooled"

    def __post_init__(self) -> None:
        VivitConfig.__post_init__(self)
        if self.head_width % 2:
            raise ConfigError("head_width is odd", "viv1t", "rotary embeddings turn pairs of features")


class Core(nn.Module):
    """Tokens of the zero-padded video, and its two transformers."""

    def __init__(self, config: Config, behavior_channels: int) -> None:
        super().__init__()
        margin = config.patch_pixels - config.patch_stride
        before, after = margin // 2, margin - margin // 2
        self.padding = (before, after, before, after, config.patch_frames - 1, 0)
        self.tokens = Tokens(config, 1 + behavior_channels + 2)  # video, behaviour, pupil centre
        self.token_dropout = nn.Dropout1d(config.token_dropout)
        self.spatial = Transformer(config, config.spatial_depth, nn.ReLU(), config.registers, rotary=True)
        self.temporal = Transformer(
            config,
            config.temporal_depth,
            nn.ReLU(),
            config.registers,
            rotary=True,
            longest=config.max_frames,
            causal=True,
        )

    def forward(self, video: Tensor, behavior: Tensor, pupil_center: Tensor) -> Tensor:
        """(batch, frames, height, width), … -> (batch, width, frames, rows, columns)."""
        tokens = self.tokens(F.pad(stack_planes(video, behavior, pupil_center), self.padding))
        dropped = self.token_dropout(tokens.flatten(1, 3)).reshape(tokens.shape)
        return space_then_time(dropped, self.spatial, self.temporal)


def build(config: Config, population: Population) -> Encoder:
    """Core and Gaussian readout with shifter."""
    past = config.max_frames // 3
    return Encoder(
        population,
        Core(config, population.behavior_channels),
        GaussianReadout(population, config.width),
        config.normalisation,
        cut=Chunks(frames=config.max_frames - past, past=past),
    )
