"""A simulated mouse as a subject answers what the simulator expects of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sensorium_ray.data.simulate import simulated_mice
from sensorium_ray.data.truth import Truth
from sensorium_ray.errors import DataError
from sensorium_ray.insilico.simulated import simulated_subject, true_parameters
from sensorium_ray.insilico.subject import Subject


def test_it_answers_as_its_neurons_did(simulated: Path, mouse: str, subject: Subject) -> None:
    """A recorded trial's clip is answered with the rates that the simulation kept of it."""
    folder, truth = simulated / mouse / "data", Truth.open(simulated)
    trial = next(trial for trial in range(40) if truth.has_rates(mouse, trial))
    rates = truth.rates(mouse, trial)
    video, behavior, pupil_center = (
        np.load(folder / name / f"{trial}.npy").astype(np.float32)[..., : rates.shape[1]]
        for name in ("videos", "behavior", "pupil_center")
    )
    clip = subject.clip(np.moveaxis(video, -1, 0), behavior)
    object.__setattr__(clip, "pupil_center", pupil_center)
    (answer,) = subject.ask([clip], 1)
    np.testing.assert_allclose(answer, rates, rtol=1e-3, atol=1e-4)


def test_it_is_in_the_state_in_which_gains_are_1(simulated: Path, mouse: str, subject: Subject) -> None:
    cortex = next(made.cortex for made in simulated_mice(simulated) if made.name == mouse)
    video = np.random.default_rng(0).uniform(0, 255, (20, 36, 64)).astype(np.float32)
    (answer,) = subject.ask([subject.clip(video)], 1)
    still = np.repeat([[50.0], [0.0]], 20, axis=1)
    gaze = np.repeat(cortex.gaze[:, None], 20, axis=1)
    np.testing.assert_allclose(answer, cortex.rates(video, still, gaze), rtol=1e-4)


def test_parameters_are_the_neurons_own(simulated: Path, mouse: str, subject: Subject, truth: pd.DataFrame) -> None:
    cortex = next(made.cortex for made in simulated_mice(simulated) if made.name == mouse)
    assert truth.index.tolist() == subject.unit_ids.tolist()
    for name in ("rf_x", "direction", "running_gain"):
        np.testing.assert_allclose(truth[name], getattr(cortex.neurons, name))


def test_what_is_no_simulated_mouse_is_refused(simulated: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mouse: is missing; name one of dynamic"):
        simulated_subject(simulated)
    with pytest.raises(DataError, match="knows no mouse 'x'; known are dynamic"):
        simulated_subject(simulated, "x")
    with pytest.raises(DataError, match="name a folder that `sensorium simulate` wrote"):
        simulated_subject(tmp_path, "x")
    with pytest.raises(DataError, match="file is missing; run `sensorium simulate` again"):
        true_parameters(simulated, "x")
