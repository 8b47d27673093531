"""Predictions of a scoring job, kept for those who want to look at them: Parquet, one row a trial and neuron."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..storage import atomic_path

Keep = Literal["float16", "float32"]


class KeptPredictions:
    """Collects the predictions of one shard and writes them to `FOLDER/<bundle>/<shard>.parquet`.

    Columns: trial and neuron (index in the mouse), int32, and prediction, a list of all valid frames of the trial,
    also those that do not count.

    Parameters
    ----------
    folder : where they go, on disk or s3://; None: nowhere.
    shard : its name.
    dtype : of a prediction; float16 has a relative error of up to 5e-4.
    """

    def __init__(self, folder: Path | None, shard: str, dtype: Keep) -> None:
        self._folder = folder
        self._shard = shard
        self._dtype = np.dtype(dtype)
        self._tables: dict[str, list[pa.Table]] = {}

    def add(self, trial: int, predictions: dict[str, np.ndarray]) -> None:
        """Add one trial: (neurons, frames) of every bundle."""
        if self._folder is None:
            return
        for name, prediction in predictions.items():
            self._tables.setdefault(name, []).append(self._table(trial, prediction))

    def write(self) -> None:
        """Write a file a bundle, each whole or not there."""
        for name, tables in self._tables.items():
            assert self._folder is not None
            with atomic_path(self._folder / name / f"{self._shard}.parquet") as partial:
                pq.write_table(pa.concat_tables(tables), partial, compression="zstd", use_dictionary=["trial"])

    def _table(self, trial: int, prediction: np.ndarray) -> pa.Table:
        neurons, frames = prediction.shape
        values = pa.array(np.ascontiguousarray(prediction, self._dtype).ravel())
        columns = {
            "trial": pa.array(np.full(neurons, trial, np.int32)),
            "neuron": pa.array(np.arange(neurons, dtype=np.int32)),
            "prediction": pa.ListArray.from_arrays(np.arange(neurons + 1, dtype=np.int32) * np.int32(frames), values),
        }
        return pa.table(columns)
