"""Dynamic-V1FM: a video Swin transformer that behaviour is added to, and a hierarchical Gaussian readout.

Second place of Sensorium 2023 (retrospective: arXiv 2407.09100). The defaults are one of its published networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.windows import Blocks
from ..errors import ConfigError
from .encoder import Encoder
from .hierarchical import LEVELS, Fusion, HierarchicalReadout
from .normalisation import Normalisation
from .population import Population
from .swin import WindowAttention, Windows

_FIRST_ANSWERED = 50  # published windows answer from here on


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Sizes; the defaults are the published network.

    Of `patch`, in frames and pixels, and `window`, in patches, the sizes are those of time, height and width.
    `frames` are the network's at a time, of which it answers the last `frames / patch[0]`.
    `levels` are those of the readout beside its single neurons: any of 2, 4, 8 and 16.
    """

    channels: int = 224
    blocks: int = 4
    heads: int = 4
    mlp_features: int = 488
    patch: tuple[int, int, int] = (2, 2, 2)
    window: tuple[int, int, int] = (8, 7, 7)
    fusion: Fusion = "mean"
    levels: tuple[int, ...] = LEVELS
    frames: int = 30
    normalisation: Normalisation = "pooled"

    def __post_init__(self) -> None:
        if self.channels % self.heads or self.channels % self.patch[0] or self.frames % self.patch[0]:
            raise ConfigError(
                f"{self.channels} channels and {self.frames} frames do not divide",
                "dynamic_v1fm",
                "channels are a multiple of heads and of patch[0], frames of patch[0]",
            )
        if not set(self.levels) <= set(LEVELS) or self.fusion not in get_args(Fusion):
            raise ConfigError(
                f"levels {self.levels} or fusion '{self.fusion}' do not exist",
                "dynamic_v1fm",
                f"levels are among {LEVELS}, fusion is one of {get_args(Fusion)}",
            )


class Core(nn.Module):
    """Patches of the video, then blocks."""

    def __init__(self, config: Config, behavior_channels: int) -> None:
        super().__init__()
        self.window = config.window
        self.patch = nn.Conv3d(1, config.channels, config.patch, config.patch)
        self.norm = nn.LayerNorm(config.channels)
        self.blocks = nn.ModuleList(Block(config, behavior_channels + 2) for _ in range(config.blocks))

    def forward(self, video: Tensor, behavior: Tensor, pupil_center: Tensor) -> Tensor:
        """(batch, frames, height, width), … -> (batch, channels, frames / patch[0], h / patch[1], w / patch[2])."""
        _, rows, columns = self.patch.kernel_size
        video = F.pad(video, (0, -video.shape[3] % columns, 0, -video.shape[2] % rows))
        tokens = self.norm(self.patch(video[:, None]).movedim(1, -1))
        state = torch.cat([behavior, pupil_center], dim=1).transpose(1, 2)
        windows = Windows.of(tuple(tokens.shape[1:4]), self.window)
        mask = windows.mask(tokens)
        for block in self.blocks:
            tokens = block(tokens, state, windows, mask)
        return tokens.movedim(-1, 1)


class Block(nn.Module):
    """Adds to the tokens what the mouse does, then what they attend to, then a gated network of theirs; no norms."""

    def __init__(self, config: Config, state_channels: int) -> None:
        super().__init__()
        self.state = StateMlp(state_channels, config.channels, config.patch[0])
        self.attention = WindowAttention(config.channels, config.heads, config.window)
        self.mlp = GatedMlp(config.channels, config.mlp_features)

    def forward(self, tokens: Tensor, state: Tensor, windows: Windows, mask: Tensor) -> Tensor:
        """(batch, time, height, width, channels), (batch, frames, behaviour and pupil), … -> as the tokens."""
        tokens = tokens + self.state(state)[:, :, None, None]
        tokens = tokens + self.attention(tokens, windows, mask)
        return tokens + self.mlp(tokens)


class StateMlp(nn.Module):
    """What the mouse does in each frame, as features; those of a patch's frames lie one behind the other."""

    def __init__(self, inputs: int, channels: int, frames: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, channels // frames)
        self.out = nn.Linear(channels // frames, channels // frames)
        self.frames = frames

    def forward(self, state: Tensor) -> Tensor:
        """(batch, frames, inputs) -> (batch, patches, channels)."""
        return torch.tanh(self.out(torch.tanh(self.hidden(state)))).unflatten(1, (-1, self.frames)).flatten(2)


class GatedMlp(nn.Module):
    """A value times SiLU of a gate (Shazeer 2020, arXiv 2002.05202), mixed with neighbouring tokens in between."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.widen = nn.Linear(channels, 2 * hidden)
        self.mix = nn.Conv3d(hidden, hidden, 3, padding=1, groups=hidden)
        self.narrow = nn.Linear(hidden, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Same shape."""
        value, gate = self.widen(tokens).chunk(2, dim=-1)
        mixed = self.mix((value * F.silu(gate)).movedim(-1, 1)).movedim(1, -1)
        return self.narrow(F.gelu(mixed))


def build(config: Config, population: Population) -> Encoder:
    """Core and hierarchical readout."""
    core = Core(config, population.behavior_channels)
    _initialise(core)
    return Encoder(
        population,
        core,
        HierarchicalReadout(population, config.channels, config.fusion, config.levels),
        config.normalisation,
        cut=Blocks(config.frames, config.frames - config.frames // config.patch[0], _FIRST_ANSWERED),
    )


def _initialise(core: nn.Module) -> None:
    """Small weights and no bias in linear layers, as the published network starts."""
    for layer in core.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
