"""What a published checkpoint says, in this project's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..benchmark import SENSORIUM_2023, Benchmark
from ..errors import BundleError
from ..models.encoder import Encoder

Weights = Mapping[str, Tensor]
Renaming = Mapping[str, str]
"""Names of ours to names of theirs."""


@dataclass(frozen=True, slots=True)
class ForeignMouse:
    """One mouse of a checkpoint.

    Parameters
    ----------
    name : what the checkpoint calls it, or for formats that number their mice 'mouse0', 'mouse1', ….
    neurons : number of its neurons.
    weights : its part of the network, in our names; of parameters that are stacked over mice, its entry.
    """

    name: str
    neurons: int
    weights: Weights


@dataclass(frozen=True, slots=True)
class Foreign:
    """A checkpoint in this project's names.

    Parameters
    ----------
    architecture, config : of the network here.
    core : weights that all mice share, in our names.
    mice : in the checkpoint's order.
    benchmark : that it was trained on.
    """

    architecture: str
    config: dict[str, Any]
    core: Weights
    mice: Sequence[ForeignMouse]
    benchmark: Benchmark = SENSORIUM_2023

    def load_into(self, encoder: Encoder, mice: Sequence[ForeignMouse]) -> None:
        """Give a freshly built network of `architecture` and `config` for some of the mice their weights.

        Every parameter and running statistic must be in the checkpoint; constants may be.

        Raises
        ------
        BundleError : the checkpoint lacks one, or it has another shape.
        """
        state = encoder.state_dict()
        given = dict(self.core)
        for name in mice[0].weights:
            parts = [mouse.weights[name] for mouse in mice]
            given[name] = torch.stack(parts) if parts[0].ndim < state[name].ndim else torch.cat(parts)
        needed = {name for name, _ in encoder.named_parameters()} | {name for name in state if ".running_" in name}
        for name in sorted(needed - set(given)):
            raise BundleError(f"has nothing for {name}", "checkpoint", f"is it a {self.architecture}?")
        for name, value in given.items():
            if value.shape != state[name].shape:
                what = f"{name} has shape {tuple(value.shape)}, the network's is {tuple(state[name].shape)}"
                raise BundleError(what, "checkpoint", f"it is another {self.architecture}")
        encoder.load_state_dict({**state, **given})


def take(weights: Weights, names: Renaming, format_name: str) -> dict[str, Tensor]:
    """Weights under other names.

    Raises
    ------
    BundleError : one is not there, so that the file is not of this format.
    """
    for theirs in names.values():
        if theirs not in weights:
            raise BundleError(f"has no '{theirs}'", "checkpoint", f"is it of the format {format_name}?")
    return {ours: weights[theirs] for ours, theirs in names.items()}
