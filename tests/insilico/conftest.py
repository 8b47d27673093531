"""A simulated mouse of few neurons, of which everything is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sensorium_ray.data.clip import Clip
from sensorium_ray.data.simulate import SCALES, simulate
from sensorium_ray.insilico.simulated import simulated_subject, true_parameters
from sensorium_ray.insilico.subject import Subject


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a simulation of two mice, of 60 and of 20 neurons; nobody writes into it."""
    folder = tmp_path_factory.mktemp("simulated")
    few = replace(SCALES["tiny"], neurons=(60, 20), train=2, repeats=1, frames=20, padded=24, cut=(19, 16))
    simulate(folder, few, seed=0)
    return folder


@pytest.fixture(scope="session")
def mouse(simulated: Path) -> str:
    """Name of the first mouse."""
    return sorted(path.name for path in simulated.glob("dynamic*"))[0]


@pytest.fixture(scope="session")
def subject(simulated: Path, mouse: str) -> Subject:
    """The first mouse itself."""
    return simulated_subject(simulated, mouse)


@pytest.fixture(scope="session")
def truth(simulated: Path, mouse: str) -> pd.DataFrame:
    """The simulator's parameters of its neurons, in the subject's order."""
    return true_parameters(simulated, mouse)


@pytest.fixture(scope="session")
def few(subject: Subject) -> Subject:
    """Its first twenty neurons."""

    def respond(clips: Iterable[Clip]) -> Iterator[np.ndarray]:
        return (answer[:20] for answer in subject.respond(clips))

    return replace(subject, unit_ids=subject.unit_ids[:20], respond=respond)
