"""Subjects that are simulated mice themselves: what an experiment finds on them, and what is true of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ..benchmark import FRAME_RATE, FRAME_SHAPE
from ..data.clip import Clip
from ..data.cortex import Cortex
from ..data.simulate import simulated_mice
from ..data.truth import Truth
from ..errors import DataError
from ..settings import named_or_only
from ..storage import StrPath, sha256
from .subject import Subject


def simulated_subject(folder: StrPath, mouse: str | None = None) -> Subject:
    """A simulated mouse, whose responses are the expected ones, without noise.

    Parameters
    ----------
    folder : that `sensorium simulate` wrote, on a disk.
    mouse : may be left out where there is only one.

    Raises
    ------
    DataError : the folder holds no finished simulation of this version, or not that mouse.
    """
    mice = {simulation.name: simulation for simulation in simulated_mice(folder)}
    name = named_or_only("mouse", mouse, [*mice])
    if name not in mice:
        raise DataError(f"knows no mouse '{name}'", str(folder), f"known are {', '.join(mice)}")
    cortex = mice[name].cortex
    truth = Truth.open(folder)
    return Subject(
        model="simulation",
        checksum=sha256(truth.path / "truth.json"),
        mouse=name,
        unit_ids=true_parameters(folder, name).index.to_numpy(),
        frame_shape=FRAME_SHAPE,
        rate=FRAME_RATE,
        behavior=np.array([50.0, 0.0], np.float32),  # the state in which gains are 1
        pupil_center=np.asarray(cortex.gaze, np.float32),
        respond=partial(_respond, cortex),
    )


def true_parameters(folder: StrPath, mouse: str) -> pd.DataFrame:
    """The simulator's parameters of a mouse's neurons, one row a neuron by its unit id: see `data.cortex.Neurons`.

    Raises
    ------
    DataError : there is no truth of that mouse.
    """
    path = Path(Truth.open(folder).path) / mouse / "neurons.csv"
    if not path.is_file():
        raise DataError("file is missing", str(path), "run `sensorium simulate` again")
    return pd.read_csv(path, index_col="unit_id")


def _respond(cortex: Cortex, clips: Iterable[Clip]) -> Iterator[np.ndarray]:
    for clip in clips:
        yield cortex.rates(clip.video, clip.behavior, clip.pupil_center)
