"""Layers that architectures share. Axes: (batch, channels, frames, height, width) unless said otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from ..benchmark import FRAME_SHAPE
from ..errors import ConfigError


def stack_planes(video: Tensor, *planes: Tensor) -> Tensor:
    """Video and behaviour as channels: each behaviour channel becomes a constant plane.

    Parameters
    ----------
    video : (batch, frames, height, width).
    planes : (batch, channels, frames) each.

    Returns
    -------
    (batch, 1 + channels, frames, height, width), channels last in memory: from here on CPUs convolve two to
    three times faster so, and GPUs no slower.
    """
    height, width = video.shape[2:]
    spread = [plane[..., None, None].expand(-1, -1, -1, height, width) for plane in planes]
    return torch.cat([video[:, None], *spread], dim=1).contiguous(memory_format=torch.channels_last_3d)


def over_frames(step: Callable[..., Tensor], state: Tensor, *inputs: Tensor) -> Tensor:
    """Go through frames one after another: `state = step(state, *frame of each input)`.

    An exported graph keeps a loop, of any number of rounds; a Python loop would freeze it to the frames that it is
    traced with.

    Parameters
    ----------
    state : before the first frame.
    inputs : (frames, …) each.

    Returns
    -------
    The state after every frame: (frames, *state.shape).
    """
    if torch.compiler.is_exporting():

        def step_and_keep(state: Tensor, frame: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
            after = step(state, *frame)
            return after, after.clone()  # carried and kept may not be one tensor

        return scan(step_and_keep, state, inputs)[1]
    states = []
    for frame in zip(*inputs, strict=True):
        state = step(state, *frame)
        states.append(state)
    return torch.stack(states)


def spatial_conv(inputs: Tensor, conv: nn.Conv3d) -> Tensor:
    """Apply a (1, k, k) convolution frame by frame as a 2D one, which CPUs run several times faster."""
    batch, channels, frames, height, width = inputs.shape
    flat = inputs.transpose(1, 2).reshape(batch * frames, channels, height, width)
    out = F.conv2d(flat, conv.weight[:, :, 0], conv.bias, conv.stride[1:], conv.padding[1:], groups=conv.groups)
    return out.reshape(batch, frames, *out.shape[1:]).transpose(1, 2)


def temporal_conv(inputs: Tensor, conv: nn.Conv3d) -> Tensor:
    """Apply a (k, 1, 1) convolution over time as a 2D one with all pixels on the second axis."""
    batch, channels, frames, height, width = inputs.shape
    flat = inputs.reshape(batch, channels, frames, height * width)
    out = F.conv2d(flat, conv.weight[..., 0], conv.bias, padding=(int(conv.padding[0]), 0), groups=conv.groups)
    return out.reshape(*out.shape[:3], height, width)


def pointwise_conv(inputs: Tensor, conv: nn.Conv3d) -> Tensor:
    """Apply a (1, 1, 1) convolution as a linear map of the channels, which lie last in memory."""
    weight = conv.weight.flatten(1)
    return F.linear(inputs.movedim(1, -1), weight, conv.bias).movedim(-1, 1)


def gated_pointwise_conv(inputs: Tensor, gate: Tensor, conv: nn.Conv3d) -> Tensor:
    """Apply a (1, 1, 1) convolution without bias to inputs times a gate, (batch, channels).

    The gate goes into each sample's weights, which are far fewer than its features.
    """
    rows = inputs.movedim(1, -1)
    weight = gate[:, :, None] * conv.weight.flatten(1).T
    return (rows.flatten(1, 3) @ weight).reshape(*rows.shape[:-1], conv.out_channels).movedim(-1, 1)


class FactorisedConv(nn.Module):
    """Spatial, then temporal convolution; time loses `temporal - 1` frames at the front.

    Parameters
    ----------
    padding : zeros around the map make up for what the kernel would take from its border.
    """

    def __init__(
        self, inputs: int, outputs: int, spatial: int, temporal: int, stride: int = 1, padding: bool = False
    ) -> None:
        super().__init__()
        reach = spatial // 2 if padding else 0
        self.spatial = nn.Conv3d(inputs, outputs, (1, spatial, spatial), (1, stride, stride), (0, reach, reach))
        self.temporal = nn.Conv3d(outputs, outputs, (temporal, 1, 1))
        start_convs(self.spatial, self.temporal)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs, frames, h, w) -> (batch, outputs, frames - temporal + 1, h', w')."""
        return temporal_conv(spatial_conv(inputs, self.spatial), self.temporal)


def start_convs(*convs: nn.Conv2d | nn.Conv3d) -> None:
    """Start weights as Xavier normal (Glorot & Bengio 2010) and biases at 0, as the starter kits do."""
    for conv in convs:
        nn.init.xavier_normal_(conv.weight)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)


def check_layers(
    architecture: str,
    channels: Sequence[int],
    spatial_kernels: Sequence[int],
    temporal_kernels: Sequence[int],
    padding: bool,
) -> None:
    """Refuse settings of 3D convolutions that make no network.

    Raises
    ------
    ConfigError : they are not one a layer; `padding` of even kernels, which would not keep the size.
    """
    if not len(channels) == len(spatial_kernels) == len(temporal_kernels) > 0:
        what = "channels, spatial_kernels and temporal_kernels differ in length"
        raise ConfigError(what, architecture, "give one entry a layer")
    if padding and not all(kernel % 2 for kernel in spatial_kernels):
        raise ConfigError("a spatial kernel is even", architecture, "give odd sizes, or padding=False")


def map_shape(kernels: Sequence[int], stride: int, padding: bool = False) -> tuple[int, int]:
    """Height and width of the feature map that convolutions make of a frame of the benchmark.

    Parameters
    ----------
    kernels : sizes of the square kernels, one a layer.
    stride : of the first layer.
    padding : kernels are odd, and zeros around the map make up for what they would take from its border.
    """
    height, width = FRAME_SHAPE
    for place, kernel in enumerate(kernels):
        lost, step = 0 if padding else kernel - 1, 1 if place else stride
        height, width = ((size - lost - 1) // step + 1 for size in (height, width))
    return height, width


@torch.no_grad()
def start_as_gabors(weight: Tensor) -> None:
    """Set spatial filters, (filters, size, size), to Gabors of all orientations, in pairs a quarter period apart.

    A random filter of natural video sees mostly its mean luminance; Gabors see contrast from the first step, so
    that a short training gets further. The norms stay those of the random filters. Wavelength and envelope
    are those of mouse V1 in the published 64-pixel videos (about 0.04 cycles per degree; Niell & Stryker 2008).
    """
    filters, size = weight.shape[:2]
    place = torch.arange(size) - (size - 1) / 2
    rows, columns = torch.meshgrid(place, place, indexing="ij")
    for number in range(filters):
        angle = math.pi * (number // 2) / max(1, filters // 2)
        along = columns * math.cos(angle) + rows * math.sin(angle)
        envelope = torch.exp(-(rows**2 + columns**2) / (2 * (size / 5) ** 2))
        gabor = envelope * torch.cos(2 * math.pi * 0.12 * along + number % 2 * math.pi / 2)
        gabor -= gabor.mean()
        weight[number] = gabor * weight[number].norm() / gabor.norm()


class PositionalEncoding(nn.Module):
    """Sines and cosines of time, height and width, added to the features.

    The table is computed in `forward`: a table kept in a buffer would freeze an exported graph to one length.
    """

    inverse_frequency: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        per_axis = 2 * math.ceil(channels / 6)
        per_axis += per_axis % 2
        self.register_buffer("inverse_frequency", 10000.0 ** (-torch.arange(0, per_axis, 2).float() / per_axis))

    def forward(self, inputs: Tensor) -> Tensor:
        """Same shape."""
        frames, height, width = inputs.shape[2:]
        time, rows, columns = (self._waves(n, inputs.device) for n in (frames, height, width))
        table = torch.cat(
            [
                time[:, :, None, None].expand(-1, -1, height, width),
                rows[:, None, :, None].expand(-1, frames, -1, width),
                columns[:, None, None, :].expand(-1, frames, height, -1),
            ]
        )
        return inputs + table[: self.channels]

    def _waves(self, positions: int, device: torch.device) -> Tensor:
        phase = self.inverse_frequency[:, None] * torch.arange(positions, device=device, dtype=torch.float32)
        return torch.cat([phase.sin(), phase.cos()])


class SqueezeExcite(nn.Module):
    """Gates of the channels: a small network of their means over time and space (Hu et al. 2018)."""

    def __init__(self, channels: int, reduce_ratio: int) -> None:
        super().__init__()
        hidden = max(1, channels // reduce_ratio)
        self.reduce = nn.Linear(channels, hidden)
        self.expand = nn.Linear(hidden, channels)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels, frames, h, w) -> (batch, channels) in 0..1."""
        return torch.sigmoid(self.expand(F.silu(self.reduce(inputs.mean(dim=(2, 3, 4))))))


class DropPath(nn.Module):
    """Drop a residual branch for whole samples in training, rescaling the rest (Huang et al. 2016)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, inputs: Tensor) -> Tensor:
        """Same shape."""
        if not self.training or self.probability == 0:
            return inputs
        keep = 1 - self.probability
        mask = torch.rand(inputs.shape[0], *[1] * (inputs.ndim - 1), device=inputs.device) < keep
        return inputs * (mask / keep)


def tile_channels(inputs: Tensor, channels: int) -> Tensor:
    """Repeat the channels cyclically (c0, c1, …, c0, …) up to a width, or cut them to it."""
    repeats = math.ceil(channels / inputs.shape[1])
    return torch.cat([inputs] * repeats, dim=1)[:, :channels] if repeats > 1 else inputs[:, :channels]
