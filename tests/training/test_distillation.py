"""Distillation: what a teacher says of the mice that did not see a clip."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from networks import gradient, step_of, still_network, trained, windows_of
from small import SMALL
from world import World

from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import ConfigError
from sensorium_ray.models.population import Population
from sensorium_ray.training.distillation import Teachers
from sensorium_ray.training.settings import TrainSettings
from sensorium_ray.training.step import StepLoss
from sensorium_ray.training.trained import Trained
from sensorium_ray.training.trainer import Trainer

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(world: World) -> FrameStore:
    return FrameStore.open(world.store)


@pytest.fixture(scope="module")
def population(store: FrameStore) -> Population:
    return Population.from_store(store)


def _losses(store: FrameStore, population: Population, share: float, teacher: Trained | None) -> StepLoss:
    student = still_network(population)
    teachers = None if teacher is None else Teachers([teacher], store, student, CPU)
    return StepLoss(population, "float32", teachers, share)


def test_the_share_parts_the_loss_between_recorded_and_taught(store: FrameStore, population: Population) -> None:
    student, batch, windows = still_network(population), step_of(store).read(), windows_of(store)
    teacher = trained(still_network(population, seed=1), population)
    recorded, _ = gradient(_losses(store, population, 0.0, None), student, batch, windows)
    taught, _ = gradient(_losses(store, population, 1.0, teacher), student, batch, windows)
    both, _ = gradient(_losses(store, population, 0.36, teacher), student, batch, windows)
    assert both == pytest.approx(0.64 * recorded + 0.36 * taught, rel=1e-5)
    assert abs(taught - recorded) > 1e-3


def test_a_student_that_says_what_its_teacher_says_has_nothing_to_learn(
    store: FrameStore, population: Population
) -> None:
    student, batch, windows = still_network(population), step_of(store).read(), windows_of(store)
    same, other = (trained(still_network(population, seed=seed), population) for seed in (0, 1))
    _, none = gradient(_losses(store, population, 1.0, same), student, batch, windows)
    _, some = gradient(_losses(store, population, 1.0, other), student, batch, windows)
    largest = {name: value.abs().max().item() for name, value in some.items()}
    assert max(value.abs().max().item() for value in none.values()) < 1e-6
    assert max(largest.values()) > 1e-3


def test_each_mouse_is_taught_with_the_clips_of_the_other(store: FrameStore, population: Population) -> None:
    """Of a batch of one mouse, teachers speak for the other mouse's neurons alone."""
    student, teacher = still_network(population), trained(still_network(population, seed=1), population)
    first, second = store.mice
    batch = {first: step_of(store).read()[first]}
    _, found = gradient(_losses(store, population, 1.0, teacher), student, batch, {first: 3})
    own, others = population.neuron_range(first), population.neuron_range(second)
    assert found["readout.features"][list(own)].abs().max() == 0
    assert found["readout.features"][list(others)].abs().max() > 0


def test_several_teachers_teach_their_mean(store: FrameStore, population: Population) -> None:
    student, batch, windows = still_network(population), step_of(store).read(), windows_of(store)
    two = [trained(still_network(population, seed=seed), population) for seed in (1, 2)]

    def taught(teachers: list[Trained]) -> float:
        loss = StepLoss(population, "float32", Teachers(teachers, store, student, CPU), 1.0)
        return gradient(loss, student, batch, windows)[0]

    # The Poisson loss is linear in what is taught.
    assert taught(two) == pytest.approx((taught(two[:1]) + taught(two[1:])) / 2, rel=1e-4)


def test_a_teacher_of_other_mice_is_refused(store: FrameStore, population: Population) -> None:
    teacher = trained(still_network(population), population)
    mice = {name: ids[1:] for name, ids in teacher.mice.items()}
    with pytest.raises(ConfigError, match=r"knows nothing of .*, or not of all its neurons"):
        Teachers([replace(teacher, mice=mice)], store, still_network(population), CPU)


def test_a_teacher_of_other_windows_is_refused(store: FrameStore, population: Population) -> None:
    teacher = trained(still_network(population, "dwiseneuro"), population, "dwiseneuro")
    with pytest.raises(ConfigError, match="choose a teacher with windows like the student's"):
        Teachers([teacher], store, still_network(population), CPU)


def test_a_student_follows_its_teacher_where_nothing_was_recorded(store: FrameStore, population: Population) -> None:
    teacher = trained(still_network(population, seed=5), population)
    settings = TrainSettings(epochs=1, steps=2, batch=4, mice=2, frames=16, distil=0.5)
    taught = Trainer(store, "factorised3d", SMALL["factorised3d"], settings, teachers=[teacher])
    alone = Trainer(store, "factorised3d", SMALL["factorised3d"], settings)
    assert taught.run_epoch().loss != alone.run_epoch().loss
    assert taught.checkpoint().provenance["teachers"] == [teacher.checksum]
