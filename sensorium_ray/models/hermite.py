"""Convolutions that see the same at every orientation: filters of 2D Hermite functions, rotated by a linear map.

Rotation-equivariant networks after Ecker et al. 2019 (arXiv 1809.10504). Channels are rotation-major:
channel = rotation * features + feature.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import eval_genlaguerre
from torch import Tensor, nn


def hermite_functions(size: int) -> np.ndarray:
    """2D Hermite functions in polar form, of ranks 0 to size - 1, on a grid of twice the resolution.

    Of rank n and angular order m (n, n - 2, …, 0 or 1) it is r^m L(r²/2) exp(-r²/4), L the Laguerre polynomial of
    degree (n - m) / 2 and order m, times cos(m θ) and, for m > 0, times sin(m θ) (the basis of Ecker et al.).

    Parameters
    ----------
    size : of the filters, pixels.

    Returns
    -------
    (size * (size + 1) / 2, 2 * size, 2 * size) float64, each of unit norm; by rank, then angular order, cos before sin.
    """
    reach = 2 * math.sqrt(size) * (1 - 1 / (2 * size))
    place = np.linspace(-reach, reach, 2 * size)
    rows, columns = np.meshgrid(place, place, indexing="ij")
    squared, angle = rows**2 + columns**2, np.arctan2(rows, columns)
    functions = []
    for rank, order in _ranks_and_orders(size):
        degree = (rank - order) // 2
        radial = squared ** (order / 2) * eval_genlaguerre(degree, order, squared / 2) * np.exp(-squared / 4)
        waves = (np.cos(order * angle), np.sin(order * angle))[: 2 if order else 1]
        functions += [(-1) ** degree * radial * wave for wave in waves]
    return np.stack([function / np.linalg.norm(function) for function in functions])


def rotation_matrices(size: int, rotations: int) -> np.ndarray:
    """What turns coefficients of `hermite_functions` by each multiple of a full turn / rotations.

    Returns
    -------
    (rotations, functions, functions) float64: a pair of angular order m turns by m times the angle.
    """
    count = size * (size + 1) // 2
    matrices = np.zeros((rotations, count, count))
    angles, row = 2 * math.pi * np.arange(rotations) / rotations, 0
    for _, order in _ranks_and_orders(size):
        cos, sin = np.cos(order * angles), np.sin(order * angles)
        matrices[:, row, row] = cos
        if order:
            matrices[:, row + 1, row + 1] = cos
            matrices[:, row, row + 1], matrices[:, row + 1, row] = sin, -sin
        row += 2 if order else 1
    return matrices


def _ranks_and_orders(size: int) -> list[tuple[int, int]]:
    return [(rank, order) for rank in range(size) for order in range(rank % 2, rank + 1, 2)]


class HermiteConv(nn.Module):
    """2D convolution whose filters are `rotations` copies, turned, of `features` sums of Hermite functions.

    Parameters
    ----------
    inputs : channels of the input.
    turned : the input's channels are rotations themselves: a filter's rotation moves them on cyclically.
    """

    functions: Tensor
    rotations: Tensor

    def __init__(
        self, inputs: int, features: int, rotations: int, size: int, padding: int, stride: int, turned: bool
    ) -> None:
        super().__init__()
        self.padding, self.stride, self.turned = padding, stride, turned
        self.register_buffer("functions", torch.from_numpy(hermite_functions(size)).float())
        self.register_buffer("rotations", torch.from_numpy(rotation_matrices(size, rotations)).float())
        self.coefficients = nn.Parameter(torch.empty(len(self.functions), inputs, features).normal_(0, 0.1))

    def forward(self, inputs: Tensor) -> Tensor:
        """(frames, inputs, height, width) -> (frames, rotations * features, smaller height, smaller width)."""
        return F.conv2d(inputs, self.weight(), stride=self.stride, padding=self.padding)

    def weight(self) -> Tensor:
        """Filters: (rotations * features, inputs, size, size), each pixel the sum of 2 x 2 of the finer grid."""
        turned = torch.einsum("rkl,lif->rfik", self.rotations, self.coefficients)
        if self.turned:
            by = self.coefficients.shape[1] // len(self.rotations)
            turned = torch.stack([part.roll(place * by, dims=1) for place, part in enumerate(turned)])
        pixels = 4 * F.avg_pool2d(self.functions, 2)
        return torch.einsum("rfik,kyx->rfiyx", turned, pixels).flatten(0, 1)
