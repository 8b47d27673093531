"""Weights that were trained before: to begin with, or to learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from ..data.store import Statistics
from ..errors import BundleError, ConfigError
from ..models import find
from ..models.encoder import Encoder
from ..models.population import MouseSpec, Population
from ..storage import StrPath, is_file, locate, read_bytes, read_json, sha256_of
from .checkpoint import Checkpoint

Axis = Literal["mouse", "neuron", "group"]
Rows = tuple[Tensor, Tensor]
_TOLD_APART = 97  # neurons of which no usual number of neighbours makes one group, or as many groups


@dataclass(frozen=True, slots=True)
class Trained:
    """A network's weights, from a checkpoint or a bundle.

    Parameters
    ----------
    path : where they are from.
    architecture, config : of the network.
    mice : unit ids by mouse, in the weights' order.
    weights : state of the network.
    """

    path: str
    architecture: str
    config: dict[str, Any]
    mice: Mapping[str, np.ndarray]
    weights: Mapping[str, Tensor]

    @classmethod
    def read(cls, path: StrPath) -> Trained:
        """Read a checkpoint folder or a bundle of one model.

        Raises
        ------
        BundleError : it is neither, is damaged, or is an ensemble.
        """
        folder = locate(path)
        if not is_file(folder / "manifest.json"):
            saved = Checkpoint.read(folder)
            ids = {mouse.name: mouse.unit_ids for mouse in saved.population.mice}
            return cls(str(path), saved.architecture, saved.config, ids, saved.weights)
        about = read_json(folder / "manifest.json")
        if about["kind"] == "ensemble":
            members = ", ".join(f"members/{member['name']}" for member in about["members"])
            raise BundleError("is an ensemble", str(path), f"name one of its members: {members}")
        try:
            weights = load(read_bytes(folder / "weights.safetensors"))
        except (SafetensorError, OSError) as error:
            raise BundleError(f"has no readable weights ({error})", str(path), "export it again") from error
        ids = {mouse["name"]: np.array(mouse["unit_ids"]) for mouse in about["mice"]}
        return cls(str(path), about["architecture"], about["config"], ids, weights)

    @property
    def checksum(self) -> str:
        """Of the weights."""
        return sha256_of(*(value.contiguous().numpy().tobytes() for _, value in sorted(self.weights.items())))

    def transfer(self, encoder: Encoder, population: Population) -> None:
        """Give a network of the same architecture what all mice share, and what belongs to mice that it has too.

        Neurons are known by mouse and unit id. Groups of neighbours by number are the same where a mouse's neurons are
        the same, in the same order. What a normalisation knows of a mouse is left as it is.

        Raises
        ------
        BundleError : the network's sizes are others.
        """
        axes, rows = stacked(self.architecture, self.config, population), self._rows(population)
        groups = [name for name, axis in axes.items() if axis == "group"]
        grouped = self._group_rows(groups, population, rows["mouse"]) if groups else {}
        state = encoder.state_dict()
        learned = [name for name, _ in encoder.named_parameters()]
        for name in (*learned, *(name for name in state if ".running_" in name or name.endswith("_tracked"))):
            ours, theirs = state[name], self.weights.get(name)
            axis = axes.get(name)
            rest = 0 if axis is None else 1
            if theirs is None or theirs.shape[rest:] != ours.shape[rest:]:
                found = "is not there" if theirs is None else f"has shape {tuple(theirs.shape)}"
                what = f"{name} {found}, the network's has shape {tuple(ours.shape)}"
                raise BundleError(what, self.path, "give the network the settings that it was trained with")
            if axis is None:
                ours.copy_(theirs)
            else:
                from_rows, to_rows = grouped[name] if axis == "group" else rows[axis]
                ours[to_rows.to(ours.device)] = theirs[from_rows].to(ours.device)

    def _rows(self, population: Population) -> dict[Axis, Rows]:
        """Of what is stacked over mice or neurons: entries of these weights, and of the population's, that are same."""
        mice: list[tuple[int, int]] = []
        neurons: list[np.ndarray] = [np.empty((2, 0), np.int64)]
        ours = {mouse.name: (place, mouse) for place, mouse in enumerate(population.mice)}
        first = 0
        for number, (name, ids) in enumerate(self.mice.items()):
            if name in ours:
                place, mouse = ours[name]
                _, theirs_at, ours_at = np.intersect1d(ids, mouse.unit_ids, return_indices=True)
                mice.append((number, place))
                neurons.append(np.stack([theirs_at + first, ours_at + population.offsets[place]]))
            first += len(ids)
        pairs = torch.tensor(mice, dtype=torch.int64).reshape(-1, 2).T
        both = torch.from_numpy(np.concatenate(neurons, axis=1))
        return {"mouse": (pairs[0], pairs[1]), "neuron": (both[0], both[1])}

    def _group_rows(self, names: Sequence[str], population: Population, mice: Rows) -> dict[str, Rows]:
        """The same of each part that is stacked over groups, which `mice` have by their number of neurons."""
        theirs, ours = list(self.mice.values()), [mouse.unit_ids for mouse in population.mice]
        sizes = {
            neurons: _state(self.architecture, self.config, [_resized(population.mice[0], neurons)])
            for neurons in sorted({len(ids) for ids in (*theirs, *ours)})
        }
        same = [(a, b) for a, b in torch.stack(mice).T.tolist() if np.array_equal(theirs[a], ours[b])]
        rows: dict[str, Rows] = {}
        for name in names:
            from_all, to_all = ([len(sizes[len(ids)][name]) for ids in those] for those in (theirs, ours))
            from_rows, to_rows = (torch.arange(sum(counts)).split(counts) for counts in (from_all, to_all))
            none = torch.empty(0, dtype=torch.int64)
            rows[name] = (
                torch.cat([none, *(from_rows[a] for a, _ in same)]),
                torch.cat([none, *(to_rows[b] for _, b in same)]),
            )
        return rows


def stacked(architecture: str, config: dict[str, Any], population: Population) -> dict[str, Axis]:
    """Which parts of a network's state have an entry a mouse, a neuron or a group, by name; all others are shared.

    They are those that get longer when the same mouse comes twice.
    """
    mouse = _resized(population.mice[0], _TOLD_APART)
    once, twice = (_state(architecture, config, [mouse] * n) for n in (1, 2))
    axes: dict[str, Axis] = {}
    kinds: dict[int, Axis] = {1: "mouse", mouse.neurons: "neuron"}
    for name, value in once.items():
        if value.shape != twice[name].shape:
            axes[name] = kinds.get(len(value), "group")
    return axes


def read_start(path: StrPath, architecture: str) -> Trained:
    """Weights for a training to begin with.

    Raises
    ------
    BundleError : as `Trained.read`.
    ConfigError : they are another architecture's.
    """
    found = Trained.read(path)
    if found.architecture != architecture:
        what = f"holds a {found.architecture}, to be trained is a {architecture}"
        raise ConfigError(what, str(path), f"choose --arch {found.architecture}, or another start")
    return found


def _state(architecture: str, config: dict[str, Any], mice: Sequence[MouseSpec]) -> dict[str, Tensor]:
    """State of a new network, which costs the process none of its random numbers."""
    with torch.random.fork_rng(devices=[]):
        return find.build(architecture, config, Population(mice)).state_dict()


def _resized(mouse: MouseSpec, neurons: int) -> MouseSpec:
    """A mouse with another number of neurons, the same ones over and over."""
    taken = np.resize(np.arange(mouse.neurons), neurons)
    known = {part.name: getattr(mouse.statistics, part.name) for part in fields(Statistics)}
    known |= {name: value[taken] for name, value in known.items() if name.startswith("response")}
    published = {
        name: value[taken] if name.startswith("response") else value for name, value in mouse.published.items()
    }
    return MouseSpec(mouse.name, taken, mouse.coordinates[taken], Statistics(**known), published)
