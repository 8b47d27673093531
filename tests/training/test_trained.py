"""Weights to begin with: the core, and the readouts of mice and neurons that are the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import still_network, trained
from safetensors.torch import save_file
from small import SMALL
from world import World

from sensorium_ray.bundle.manifest import Manifest, MouseEntry
from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import BundleError, ConfigError
from sensorium_ray.models.hierarchical import LEVELS
from sensorium_ray.models.population import Population
from sensorium_ray.training.checkpoint import Checkpoint
from sensorium_ray.training.settings import TrainSettings
from sensorium_ray.training.trained import Trained, read_start, stacked
from sensorium_ray.training.trainer import Trainer


@pytest.fixture(scope="module")
def population(world: World) -> Population:
    return Population.from_store(FrameStore.open(world.store))


@pytest.mark.parametrize("name", sorted(SMALL))
def test_what_belongs_to_mice_and_neurons_is_told_from_what_is_shared(name: str, population: Population) -> None:
    axes = stacked(name, SMALL[name], population)
    state = still_network(population, name).state_dict()
    sizes = {"mouse": len(population.mice), "neuron": population.neurons}
    assert all(len(state[key]) == sizes[axis] for key, axis in axes.items() if axis != "group")
    assert {key.split(".")[1] for key, axis in axes.items() if axis == "group"} <= {"levels"}
    assert not any(key.startswith("core.") for key in axes)
    assert axes["normaliser.response_scale"] == "neuron"
    assert axes["normaliser.video_mean"] == "mouse"


@pytest.mark.parametrize("name", sorted(SMALL))
def test_mice_and_neurons_are_known_by_name_and_unit_id(name: str, population: Population) -> None:
    """The new population has the second mouse with its neurons the other way round, and a mouse of its own."""
    first, second = population.mice
    turned = replace(
        second,
        unit_ids=second.unit_ids[::-1].copy(),
        coordinates=second.coordinates[::-1].copy(),
    )
    stranger = replace(first, name="stranger")
    theirs, ours = still_network(population, name, seed=1), Population([stranger, turned])
    network = still_network(ours, name, seed=2)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    trained(theirs, population, name).transfer(network, ours)
    axes, found, expected = stacked(name, SMALL[name], population), network.state_dict(), theirs.state_dict()
    neurons = population.neuron_range(second.name)
    for key, _ in network.named_parameters():
        if key not in axes:
            torch.testing.assert_close(found[key], expected[key])
        elif axes[key] == "mouse":
            torch.testing.assert_close(found[key][1], expected[key][1])
            torch.testing.assert_close(found[key][0], before[key][0])
        elif axes[key] == "group":
            torch.testing.assert_close(found[key], before[key])
        else:
            torch.testing.assert_close(found[key][list(ours.neuron_range(second.name))[::-1]], expected[key][neurons])
            strange = list(ours.neuron_range("stranger"))
            torch.testing.assert_close(found[key][strange], before[key][strange])


def test_groups_are_the_same_where_a_mouse_has_the_same_neurons_in_the_same_order(population: Population) -> None:
    first, second = population.mice
    theirs, ours = still_network(population, "dynamic_v1fm", seed=1), Population([replace(first, name="new"), second])
    network = still_network(ours, "dynamic_v1fm", seed=2)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    trained(theirs, population, "dynamic_v1fm").transfer(network, ours)
    found, expected = network.state_dict(), theirs.state_dict()
    for level, size in enumerate(LEVELS):
        key, groups = f"readout.levels.{level}.features", first.neurons // size
        torch.testing.assert_close(found[key][:groups], before[key][:groups])
        torch.testing.assert_close(found[key][groups:], expected[key][groups:])


def _bundle(saved: Checkpoint, folder: Path) -> None:
    """What of a bundle a training begins with."""
    folder.mkdir()
    save_file(saved.weights, folder / "weights.safetensors")
    mice = tuple(MouseEntry(name=mouse.name, unit_ids=tuple(mouse.unit_ids)) for mouse in saved.population.mice)
    about = {"name": "bundle", "architecture": saved.architecture, "config": saved.config, "mice": mice}
    Manifest(kind="model", frame_shape=(36, 64), files={}, provenance={}, **about).write(folder)


def test_a_checkpoint_and_its_bundle_begin_the_same_training(world: World, tmp_path: Path) -> None:
    store, config = FrameStore.open(world.store), SMALL["factorised3d"]
    settings = TrainSettings(epochs=1, steps=3, batch=2, frames=8)
    first = Trainer(store, "factorised3d", config, settings)
    first.run_epoch()
    saved = first.checkpoint()
    saved.write(tmp_path / "checkpoint")
    _bundle(saved, tmp_path / "bundle")
    for kind in ("checkpoint", "bundle"):
        start = read_start(tmp_path / kind, "factorised3d")
        begun = Trainer(store, "factorised3d", config, settings, start=start).checkpoint()
        for name, value in begun.weights.items():
            torch.testing.assert_close(value, saved.weights[name])
        assert begun.provenance["start"] == {"path": start.path, "checksum": start.checksum}


def test_another_architecture_or_size_is_refused(population: Population, world: World, tmp_path: Path) -> None:
    found = trained(still_network(population), population)
    wider = {**SMALL["factorised3d"], "channels": (4, 8)}
    with pytest.raises(BundleError, match="give the network the settings that it was trained with"):
        Trainer(FrameStore.open(world.store), "factorised3d", wider, TrainSettings(), start=found)
    Trainer(FrameStore.open(world.store), "factorised3d", SMALL["factorised3d"], TrainSettings()).checkpoint().write(
        tmp_path
    )
    with pytest.raises(ConfigError, match="holds a factorised3d, to be trained is a dwiseneuro"):
        read_start(tmp_path, "dwiseneuro")


def test_an_ensemble_is_refused_and_names_its_members(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"kind": "ensemble", "members": [{"name": "a"}, {"name": "b"}]}')
    with pytest.raises(BundleError, match="name one of its members: members/a, members/b"):
        Trained.read(tmp_path)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a whole checkpoint"):
        Trained.read(tmp_path)


def test_the_random_numbers_of_a_training_are_those_without_a_start(population: Population) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    stacked("factorised3d", SMALL["factorised3d"], population)
    np.testing.assert_array_equal(torch.rand(3), expected)
