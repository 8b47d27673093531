"""The published statistics over training trials: mean, median, standard deviation, least and most."""

from __future__ import annotations

from pathlib import Path

import numpy as np

STATISTICS = ("mean", "median", "std", "min", "max")
_BLOCK_BYTES = 64 * 2**20  # of training data held at once


def summarise(files: list[Path]) -> dict[str, np.ndarray]:
    """Mean, median, std (ddof 0), min and max over trials of equal shape, NaN left out, element by element.

    The trials stay on disk: a block of rows of all of them is in memory at once. Where no trial has a value
    the statistics are NaN.
    """
    # Read in pieces rather than through memory maps, whose pages count as resident until others need them.
    heads = [np.load(file, mmap_mode="r", allow_pickle=False) for file in files]
    shape, offsets = heads[0].shape, [head.offset for head in heads]
    del heads
    size = int(np.prod(shape))
    out = {name: np.empty(size) for name in STATISTICS}
    step = max(_BLOCK_BYTES // (8 * len(files)), 1)
    for start in range(0, size, step):
        part = slice(start, min(start + step, size))
        pieces = [
            np.fromfile(file, np.float64, part.stop - start, offset=offset + 8 * start)
            for file, offset in zip(files, offsets, strict=True)
        ]
        for name, values in _summaries(np.stack(pieces, axis=1)).items():
            out[name][part] = values
    return {name: values.reshape(shape) for name, values in out.items()}


def _summaries(values: np.ndarray) -> dict[str, np.ndarray]:
    """The published statistics of each row of `values` (elements, trials), NaN left out."""
    values = np.sort(values, axis=1)  # NaN go last
    count = values.shape[1] - np.isnan(values).sum(axis=1)
    rows, last = np.arange(len(values)), np.maximum(count - 1, 0)
    with np.errstate(invalid="ignore"):
        mean = np.nansum(values, axis=1) / count
        std = np.sqrt(np.nansum((values - mean[:, None]) ** 2, axis=1) / count)
    # Of an even number of values the median is the mean of the middle two.
    median = (values[rows, last // 2] + values[rows, (last + 1) // 2]) / 2
    return {"mean": mean, "median": median, "std": std, "min": values[:, 0], "max": values[rows, last]}


def summarise_grey(files: list[Path]) -> dict[str, np.ndarray]:
    """The same, each a scalar, over all pixels of images that hold whole grey levels."""
    counts = np.zeros(256, np.int64)
    for file in files:
        counts += np.bincount(np.load(file, allow_pickle=False).astype(np.uint8).ravel(), minlength=256)
    levels, total = np.arange(256.0), counts.sum()
    mean = counts @ levels / total
    upto = np.cumsum(counts)
    middle = [int(np.searchsorted(upto, place, side="right")) for place in ((total - 1) // 2, total // 2)]
    there = np.flatnonzero(counts)
    summaries = {
        "mean": mean,
        "median": sum(middle) / 2,
        "std": np.sqrt(counts @ (levels - mean) ** 2 / total),
        "min": there[0],
        "max": there[-1],
    }
    return {name: np.asarray(value, np.float64) for name, value in summaries.items()}
