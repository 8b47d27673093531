"""2D core, convolutional GRU and Gaussian readout: the Sensorium 2023 starter kit's recurrent baseline.

arXiv 2305.19654; the core sees the same at every orientation (Ecker et al. 2019, arXiv 1809.10504).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.windows import Chunks
from ..errors import ConfigError
from .encoder import Encoder
from .hermite import HermiteConv
from .layers import over_frames, stack_planes
from .normalisation import Normalisation
from .population import Population
from .readouts import GaussianReadout


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Sizes; the defaults are the published network.

    The core has `features` in each of `rotations` orientations, made of Hermite functions; with 1 rotation it is
    plain: ordinary convolutions. `stride` is its first layer's.
    """

    features: int = 8
    rotations: int = 8
    layers: int = 4
    input_kernel: int = 9
    hidden_kernel: int = 7
    stride: int = 1
    recurrent_channels: int = 64
    recurrent_kernel: int = 9
    batch_norm_momentum: float = 0.9
    normalisation: Normalisation = "pooled"

    def __post_init__(self) -> None:
        if min(self.features, self.rotations, self.layers) < 1:
            raise ConfigError("features, rotations or layers are none", "gru", "give 1 or more of each")
        if not (self.hidden_kernel % 2 and self.recurrent_kernel % 2):
            raise ConfigError("hidden_kernel or recurrent_kernel is even", "gru", "give odd sizes")


class FrameCore(nn.Module):
    """Layers of 2D convolution, batch normalisation and ELU, a frame at a time; no ELU after the last.

    The orientations of a feature are normalised alike. The first layer has no padding, the others keep the size.
    """

    def __init__(self, config: Config, inputs: int) -> None:
        super().__init__()
        channels = config.features * config.rotations
        self.convs = nn.ModuleList(
            _conv(config, channels if layer else inputs, hidden=layer > 0) for layer in range(config.layers)
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(config.features, momentum=config.batch_norm_momentum) for _ in range(config.layers)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """(frames, inputs, height, width) -> (frames, rotations * features, smaller height, smaller width)."""
        for layer, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            maps = conv(F.elu(frames) if layer else frames)
            frames = norm(maps.reshape(-1, norm.num_features, *maps.shape[2:])).reshape(maps.shape)
        return frames


class ConvGru(nn.Module):
    """Gated recurrent unit whose maps are convolutions; the state starts at zero.

    u, r = sigmoid(input + state convolutions), c = tanh(input convolution + convolution of r h), and
    h' = (1 - u) h + u c, as in the starter kit: `torch.nn.GRU` resets after the map, and its u is our 1 - u.

    Attributes
    ----------
    inputs : convolutions of the input for u, r and c, channels in that order.
    gates : of the state for u and r.
    candidate : of the reset state for c.
    """

    def __init__(self, inputs: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.channels = channels
        self.inputs = nn.Conv2d(inputs, 3 * channels, kernel, padding=kernel // 2)
        self.gates = nn.Conv2d(channels, 2 * channels, kernel, padding=kernel // 2)
        self.candidate = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
        for conv in (self.inputs, self.gates, self.candidate):
            for weight in conv.weight.detach().split(channels):
                nn.init.xavier_normal_(weight)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(frames, batch, inputs, height, width) -> (frames, batch, channels, height, width)."""
        state = features.new_zeros(features.shape[1], self.channels, *features.shape[3:])
        return over_frames(self._step, state, features)

    def _step(self, state: Tensor, features: Tensor) -> Tensor:
        # The input's convolutions are done here too: those of all frames at once are no faster and take the memory.
        gates, candidate = self.inputs(features).split([2 * self.channels, self.channels], dim=1)
        update, reset = torch.sigmoid(gates + self.gates(state)).chunk(2, dim=1)
        candidate = torch.tanh(candidate + self.candidate(state * reset))
        return state * (1 - update) + candidate * update


class RecurrentCore(nn.Module):
    """Frame core, then the recurrent unit over time."""

    def __init__(self, config: Config, behavior_channels: int) -> None:
        super().__init__()
        self.frames = FrameCore(config, 1 + behavior_channels)
        self.gru = ConvGru(config.features * config.rotations, config.recurrent_channels, config.recurrent_kernel)

    def forward(self, video: Tensor, behavior: Tensor, pupil_center: Tensor) -> Tensor:
        """(batch, frames, height, width), … -> (batch, channels, frames, smaller height, smaller width)."""
        planes = stack_planes(video, behavior).permute(2, 0, 1, 3, 4)
        features = self.frames(planes.flatten(0, 1))
        return self.gru(features.unflatten(0, planes.shape[:2])).permute(1, 2, 0, 3, 4)


def build(config: Config, population: Population) -> Encoder:
    """Recurrent core and Gaussian readout with shifter."""
    return Encoder(
        population,
        RecurrentCore(config, population.behavior_channels),
        GaussianReadout(population, config.recurrent_channels),
        config.normalisation,
        cut=Chunks(frames=200, past=100),
    )


def _conv(config: Config, inputs: int, hidden: bool) -> nn.Module:
    size, padding = (config.hidden_kernel, config.hidden_kernel // 2) if hidden else (config.input_kernel, 0)
    stride = 1 if hidden else config.stride
    if config.rotations > 1:
        return HermiteConv(inputs, config.features, config.rotations, size, padding, stride, turned=hidden)
    conv = nn.Conv2d(inputs, config.features, size, stride, padding, bias=False)
    nn.init.xavier_normal_(conv.weight)
    return conv
