"""Parts of the two ViV1T: tokens of video patches, and transformers over space, then over time.

A video vision transformer with factorised encoders (ViViT, Arnab et al. 2021, arXiv 2103.15691, model 2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ConfigError
from .layers import DropPath, over_frames

_XPOS_OFFSET = 0.4
_XPOS_BASE = 512
"""Of xPos' scale; the values are its paper's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VivitConfig:
    """What both ViV1T are made of.

    Parameters
    ----------
    patch_frames, patch_pixels, patch_stride : of the patches, which lie one frame and `patch_stride` pixels apart.
    width : of a token.
    spatial_depth, temporal_depth : blocks of the transformer over a frame's tokens, and over a place's in time.
    heads, head_width : of the attention.
    hidden : width of the feed-forward networks.
    attention_dropout, hidden_dropout : of what the attention gives, and within the feed-forward networks.
    token_dropout : of the tokens as they enter.
    drop_path : of the branches of the blocks.
    max_frames : frames that a clip has at most, see the architectures; longer ones are cut.
    """

    patch_frames: int
    patch_pixels: int = 7
    patch_stride: int = 2
    width: int = 112
    spatial_depth: int
    temporal_depth: int
    heads: int
    head_width: int
    hidden: int
    attention_dropout: float
    hidden_dropout: float
    token_dropout: float
    drop_path: float
    max_frames: int = 300

    def __post_init__(self) -> None:
        if not self.patch_pixels >= self.patch_stride >= 1:
            raise ConfigError("patch_stride is not in 1..patch_pixels", "vivit", "let patches touch or overlap")


class Tokens(nn.Module):
    """One token a patch: layer norm of its values, linear map, layer norm.

    The map is a convolution of the video, and the norm's mean and variance are averages over windows of it; the
    patches themselves, of thousands of values each, would take gigabytes a trial.
    """

    def __init__(self, config: VivitConfig, planes: int) -> None:
        super().__init__()
        self.patch = (planes, config.patch_frames, config.patch_pixels, config.patch_pixels)
        self.stride = (1, config.patch_stride, config.patch_stride)
        self.patch_norm = nn.LayerNorm(math.prod(self.patch))
        self.linear = nn.Linear(math.prod(self.patch), config.width)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, planes: Tensor) -> Tensor:
        """(batch, planes, frames, h, w) -> (batch, frames - patch_frames + 1, rows, columns, width)."""
        weight = self.linear.weight * self.patch_norm.weight
        mapped = F.conv3d(planes, weight.unflatten(1, self.patch), stride=self.stride).movedim(1, -1)
        mean = self._patch_mean(planes)
        variance = (self._patch_mean(planes**2) - mean**2).clamp(min=0)
        mapped = (mapped - mean * weight.sum(1)) * (variance + self.patch_norm.eps).rsqrt()
        return self.norm(mapped + F.linear(self.patch_norm.bias, self.linear.weight, self.linear.bias))

    def _patch_mean(self, planes: Tensor) -> Tensor:
        """(batch, frames, rows, columns, 1)."""
        return F.avg_pool3d(planes.mean(1), self.patch[1:], self.stride)[..., None]


class Rotary(nn.Module):
    """Rotary position embedding (Su et al. 2021, arXiv 2104.09864) scaled as xPos does (Sun et al. 2022, 2212.10554).

    As in ViV1T's code, the scale multiplies queries and keys alike, where xPos divides the keys by it.
    """

    inverse_frequency: Tensor
    scale: Tensor

    def __init__(self, head_width: int) -> None:
        super().__init__()
        pairs = torch.arange(0, head_width, 2).float()
        self.register_buffer("inverse_frequency", 1 / 10000 ** (pairs / head_width))
        self.register_buffer("scale", (pairs + _XPOS_OFFSET * head_width) / ((1 + _XPOS_OFFSET) * head_width))

    def forward(self, tokens: int, longest: int, registers: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines of every position, scaled; 1 and 0 for the registers behind them, which have none.

        The tables are computed here, since a table kept would freeze an exported graph to one length.

        Parameters
        ----------
        longest : the scale is 1 at the middle of as many tokens, or of all of them if they are more.

        Returns
        -------
        (tokens + registers, head_width / 2) each.
        """
        place = torch.arange(tokens, device=self.scale.device)
        middle = (place[-1:] + 1).clamp(min=longest) // 2
        scale = self.scale ** ((place - middle)[:, None] / _XPOS_BASE)
        angle = place[:, None] * self.inverse_frequency
        still = (0, 0, 0, registers)
        return F.pad(angle.cos() * scale, still, value=1.0), F.pad(angle.sin() * scale, still)


class Block(nn.Module):
    """Attention and a feed-forward network side by side on the same normed tokens, and added to the tokens."""

    def __init__(self, config: VivitConfig, activation: nn.Module) -> None:
        super().__init__()
        self.heads, inner = config.heads, config.heads * config.head_width
        self.widths = (2 * inner, inner, config.hidden)
        self.norm = nn.LayerNorm(config.width)
        self.fused = nn.Linear(config.width, sum(self.widths), bias=False)
        self.attention_out = nn.Linear(inner, config.width, bias=False)
        self.hidden_out = nn.Linear(config.hidden, config.width, bias=False)
        self.activation = activation
        self.attention_dropout = nn.Dropout(config.attention_dropout)
        self.hidden_dropout = nn.Dropout(config.hidden_dropout)
        self.drop_path = DropPath(config.drop_path)
        for linear in (self.fused, self.attention_out, self.hidden_out):
            nn.init.trunc_normal_(linear.weight, std=0.02)

    def forward(self, sequences: Tensor, turns: tuple[Tensor, Tensor] | None, causal: bool) -> Tensor:
        """Same shape.

        Parameters
        ----------
        sequences : (rows, tokens, width).
        turns : `Rotary`'s tables; None: the attention knows no places.
        causal : tokens see those before them and themselves alone.
        """
        both, value, hidden = self.fused(self.norm(sequences)).split(self.widths, dim=-1)
        both = both.unflatten(-1, (2 * self.heads, -1)).transpose(1, 2)
        query, key = (both if turns is None else _turned(both, *turns)).chunk(2, dim=1)
        value = value.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=causal).transpose(1, 2).flatten(2)
        attended = self.attention_out(self.attention_dropout(attended))
        hidden = self.hidden_out(self.hidden_dropout(self.activation(hidden)))
        return sequences + self.drop_path(attended) + self.drop_path(hidden)


class Transformer(nn.Module):
    """Blocks over sequences of tokens.

    Parameters
    ----------
    depth : number of blocks.
    registers : learned tokens behind each sequence, that only the blocks see (Darcet et al. 2024, arXiv 2309.16588).
    rotary : whether the attention knows the tokens' places, see `Rotary`.
    longest : of the sequences, for `Rotary`.
    """

    def __init__(
        self,
        config: VivitConfig,
        depth: int,
        activation: nn.Module,
        registers: int = 0,
        rotary: bool = False,
        longest: int = 1,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(config, activation) for _ in range(depth))
        self.registers = nn.Parameter(torch.randn(registers, config.width)) if registers else None
        self.rotary = Rotary(config.head_width) if rotary else None
        self.longest, self.causal = longest, causal

    def forward(self, sequences: Tensor) -> Tensor:
        """(rows, tokens, width) -> same shape."""
        if not torch.compiler.is_exporting():
            return self._attend(sequences)
        # An exported graph takes sequence by sequence: what all of a trial's attend to is gigabytes.
        nothing = torch.zeros_like(sequences[0])
        return over_frames(lambda _, sequence: self._attend(sequence[None])[0], nothing, sequences)

    def _attend(self, sequences: Tensor) -> Tensor:
        rows, tokens, _ = sequences.shape
        count = 0 if self.registers is None else len(self.registers)
        if self.registers is not None:
            sequences = torch.cat([sequences, self.registers.expand(rows, -1, -1)], dim=1)
        turns = None if self.rotary is None else self.rotary(tokens, self.longest, count)
        for block in self.blocks:
            sequences = block(sequences, turns, self.causal)
        return sequences[:, :tokens]


def space_then_time(tokens: Tensor, spatial: Transformer, temporal: Transformer) -> Tensor:
    """One transformer over the tokens of each frame, then one over those of each place.

    Parameters
    ----------
    tokens : (batch, frames, rows, columns, width).

    Returns
    -------
    (batch, width, frames, rows, columns).
    """
    batch, frames, rows, columns, width = tokens.shape
    places = spatial(tokens.reshape(batch * frames, rows * columns, width))
    times = places.reshape(batch, frames, rows * columns, width).transpose(1, 2)
    times = temporal(times.reshape(batch * rows * columns, frames, width))
    return times.reshape(batch, rows, columns, frames, width).permute(0, 4, 3, 1, 2)


def _turned(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = heads.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
