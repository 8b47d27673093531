"""The two halves of every statistic: its exact total, and blocks of it that can be resampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .statistics import CoMoments

BLOCKS = 128
"""Trials, or videos, are resampled in at most so many blocks, so that memory does not grow with their number."""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Part:
    """Co-moments of some signals, and sums of other things over the same trials.

    Parameters
    ----------
    moments : of the signals; they may be none, and then only count.
    sums : by name; (neurons,), or () where all neurons have the same.
    """

    moments: CoMoments
    sums: Arrays

    def merge(self, other: Part) -> Part:
        """Both together."""
        sums = {name: total + other.sums[name] for name, total in self.sums.items()}
        return Part(self.moments.merge(other.moments), sums)

    def as_float32(self) -> Part:
        """The same in half the memory, which is exact enough for an interval."""
        moments = CoMoments(
            self.moments.count, self.moments.mean.astype(np.float32), self.moments.comoment.astype(np.float32)
        )
        return Part(moments, {name: np.asarray(total, np.float32) for name, total in self.sums.items()})

    def arrays(self) -> Arrays:
        """As plain arrays; of the co-moments only one of each pair."""
        upper = np.triu_indices(len(self.moments.mean))
        return {
            "count": np.array(self.moments.count, np.int64),
            "mean": self.moments.mean,
            "comoment": self.moments.comoment[upper],
            **{f"sum/{name}": total for name, total in self.sums.items()},
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Part:
        """Inverse of `arrays`."""
        signals, neurons = arrays["mean"].shape
        rows, columns = np.triu_indices(signals)
        comoment = np.empty((signals, signals, neurons), arrays["comoment"].dtype)
        comoment[rows, columns] = comoment[columns, rows] = arrays["comoment"]
        sums = {name.removeprefix("sum/"): array for name, array in arrays.items() if name.startswith("sum/")}
        return cls(CoMoments(int(arrays["count"]), arrays["mean"], comoment), sums)


@dataclass(frozen=True, slots=True)
class Tally:
    """One part of all trials, and of the blocks that are resampled for an interval.

    Parameters
    ----------
    total : float64.
    blocks : float32; of the trials whose running number modulo `BLOCKS` is the key. Up to `BLOCKS` trials, each
        is a block of its own.
    """

    total: Part
    blocks: dict[int, Part]

    @classmethod
    def of(cls, part: Part, unit: int) -> Tally:
        """Of one trial or video with this running number."""
        return cls(part, {unit % BLOCKS: part.as_float32()})

    def merge(self, other: Tally) -> Tally:
        """Both together."""
        blocks = dict(self.blocks)
        for key, part in other.blocks.items():
            blocks[key] = blocks[key].merge(part) if key in blocks else part
        return Tally(self.total.merge(other.total), blocks)

    def arrays(self) -> Arrays:
        """As plain arrays; those of the blocks are stacked, in the order of their keys."""
        keys = sorted(self.blocks)
        blocks = [self.blocks[key].arrays() for key in keys]
        return {
            **{f"total/{name}": array for name, array in self.total.arrays().items()},
            "keys": np.array(keys, np.int64),
            **{f"blocks/{name}": np.stack([block[name] for block in blocks]) for name in blocks[0]},
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Tally:
        """Inverse of `arrays`."""
        blocks = {
            int(key): Part.of_arrays({name: array[i] for name, array in below(arrays, "blocks").items()})
            for i, key in enumerate(arrays["keys"])
        }
        return cls(Part.of_arrays(below(arrays, "total")), blocks)


def below(arrays: Mapping[str, np.ndarray], name: str) -> Arrays:
    """Arrays whose names begin with '`name`/', without it."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
