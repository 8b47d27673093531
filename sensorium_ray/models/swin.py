"""Attention within shifted windows of space and time (Liu et al. 2021, arXiv 2103.14030; of videos: 2106.13230).

Tokens lie as (batch, time, height, width, channels) throughout; three sizes are those of time, height and width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_MASKED = -100.0
"""Added to the score of two tokens that only the roll brought together."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How a grid of tokens is cut into windows.

    Parameters
    ----------
    grid : three sizes.
    window : three sizes of a window, at most the grid's.
    shift : how far the windows are shifted along each axis.
    """

    grid: tuple[int, ...]
    window: tuple[int, ...]
    shift: tuple[int, ...]

    @classmethod
    def of(cls, grid: tuple[int, ...], window: tuple[int, ...]) -> Windows:
        """Windows shifted by half their size; an axis that is no longer than a window is one window, not shifted."""
        axes = [(most, most // 2) if size > most else (size, 0) for size, most in zip(grid, window, strict=True)]
        return cls(grid, tuple(size for size, _ in axes), tuple(shift for _, shift in axes))

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of windows along each axis, the last of which may reach beyond the grid."""
        return tuple(-(-size // window) for size, window in zip(self.grid, self.window, strict=True))

    def cut(self, tokens: Tensor) -> Tensor:
        """(batch, time, height, width, channels) -> (batch, windows, tokens of a window, channels).

        The grid is filled up with zeros at its ends.
        """
        time, rows, columns = (n * w - size for n, w, size in zip(self.counts, self.window, self.grid, strict=True))
        filled = F.pad(tokens, (0, 0, 0, columns, 0, rows, 0, time))
        return self._split(filled.roll([-shift for shift in self.shift], (1, 2, 3)))

    def join(self, windows: Tensor) -> Tensor:
        """Inverse of `cut`."""
        batch, _, _, channels = windows.shape
        (t, h, w), (many_t, many_h, many_w) = self.window, self.counts
        apart = windows.reshape(batch, many_t, many_h, many_w, t, h, w, channels).permute(0, 1, 4, 2, 5, 3, 6, 7)
        filled = apart.reshape(batch, many_t * t, many_h * h, many_w * w, channels).roll(self.shift, (1, 2, 3))
        return filled[:, : self.grid[0], : self.grid[1], : self.grid[2]]

    def mask(self, like: Tensor) -> Tensor:
        """What is added to the scores between a window's tokens: (windows, tokens, tokens), of the type of `like`.

        After the roll, the last window of a shifted axis holds tokens of both ends of the grid.
        """
        places = [torch.arange(n * w, device=like.device) for n, w in zip(self.counts, self.window, strict=True)]
        time, rows, columns = (
            (place >= len(place) - shift) & (shift > 0) for place, shift in zip(places, self.shift, strict=True)
        )
        end = 4 * time[:, None, None] + 2 * rows[:, None] + 1 * columns
        ends = self._split(end[None, ..., None])[0, :, :, 0]
        return (ends[:, None] != ends[:, :, None]).to(like.dtype) * _MASKED

    def _split(self, filled: Tensor) -> Tensor:
        batch, *_, channels = filled.shape
        (t, h, w), (many_t, many_h, many_w) = self.window, self.counts
        apart = filled.reshape(batch, many_t, t, many_h, h, many_w, w, channels).permute(0, 1, 3, 5, 2, 4, 6, 7)
        return apart.reshape(batch, many_t * many_h * many_w, t * h * w, channels)


class WindowAttention(nn.Module):
    """Self-attention among a window's tokens, with a learned bias for each way that two of them may lie apart.

    Zeros beyond the grid take part as keys, as in torchvision's.
    """

    places: Tensor

    def __init__(self, channels: int, heads: int, window: tuple[int, ...]) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        places = relative_places(window)
        self.bias_table = nn.Parameter(nn.init.trunc_normal_(torch.empty(int(places.max()) + 1, heads), std=0.02))
        self.register_buffer("places", places.reshape(*window, *window), persistent=False)

    def forward(self, tokens: Tensor, windows: Windows, mask: Tensor) -> Tensor:
        """Attend.

        Parameters
        ----------
        tokens : (batch, time, height, width, channels).
        windows, mask : of the tokens' grid.

        Returns
        -------
        Same shape as `tokens`.
        """
        cut = self.qkv(windows.cut(tokens)).unflatten(3, (3, self.heads, -1))
        # Windows and heads share an axis: along it the scores' bias differs, and over the batch it is the same.
        query, key, value = (part.transpose(2, 3).flatten(1, 2) for part in cut.unbind(3))
        bias = (mask[:, None] + self._bias(windows.window)).flatten(0, 1)[None]
        attended = F.scaled_dot_product_attention(query, key, value, bias)
        return windows.join(self.out(attended.unflatten(1, (-1, self.heads)).transpose(2, 3).flatten(3)))

    def _bias(self, window: tuple[int, ...]) -> Tensor:
        """(heads, tokens, tokens) of a window, which may be smaller than the table's."""
        t, h, w = window
        places = self.places[:t, :h, :w, :t, :h, :w].reshape(t * h * w, t * h * w)
        return self.bias_table[places].permute(2, 0, 1)


def relative_places(window: tuple[int, ...]) -> Tensor:
    """Row of the table of biases for each pair of a window's tokens: (tokens, tokens) int64.

    Rows count the differences in time, height and width, the last one fastest.
    """
    tokens = torch.cartesian_prod(*(torch.arange(size) for size in window)).reshape(-1, 3)
    apart = tokens[:, None] - tokens + torch.tensor(window) - 1
    _, h, w = window
    return (apart * torch.tensor([(2 * h - 1) * (2 * w - 1), 2 * w - 1, 1])).sum(2)
