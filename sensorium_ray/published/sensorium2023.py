"""Checkpoints of the Sensorium 2023 starter kit (`final.pth`): the factorised 3D baseline and the GRU baseline.

A plain state dictionary, without a configuration: sizes are read off the weights' shapes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import BundleError
from . import gaussian
from .foreign import Foreign, ForeignMouse, Weights, take

_NAME = "sensorium2023"
_NORM = ("weight", "bias", "running_mean", "running_var")
_HERMITE = "core.features.layer0.hermite_conv.rotate_hermite"
_GRU = {
    "inputs": ("update_gate_input", "reset_gate_input", "out_gate_input"),
    "gates": ("update_gate_hidden", "reset_gate_hidden"),
    "candidate": ("out_gate_hidden",),
}
"""Convolutions of ours and those of theirs that they join."""


def translate(checkpoint: Any) -> Foreign:
    """The checkpoint in our names.

    Raises
    ------
    BundleError : it is not of this format.
    """
    for architecture, (mark, core) in _CORES.items():
        if isinstance(checkpoint, dict) and mark in checkpoint:
            mice = [_mouse(checkpoint, key) for key in gaussian.keys(checkpoint)]
            return Foreign(architecture, *core(checkpoint), mice)
    raise BundleError("is no checkpoint of the 2023 starter kit's", "checkpoint", "it has neither baseline's core")


def _mouse(weights: Weights, key: str) -> ForeignMouse:
    found = gaussian.readout(weights, f"readout.{key}", f"shifter.{key}", _NAME)
    return ForeignMouse(key, len(found["readout.bias"]), found)


def _factorised3d(weights: Weights) -> tuple[dict[str, Any], Weights]:
    """Configuration and core."""
    names, layers = {}, _layers(weights)
    for layer in range(layers):
        theirs, suffix = f"core.features.layer{layer}", f"_{layer}" if layer else ""
        for part in ("weight", "bias"):
            names[f"core.convs.{layer}.spatial.{part}"] = f"{theirs}.conv_spatial{suffix}.{part}"
            names[f"core.convs.{layer}.temporal.{part}"] = f"{theirs}.conv_temporal{suffix}.{part}"
        for part in _NORM:
            names[f"core.norms.{layer}.{part}"] = f"{theirs}.norm.{part}"
    core = take(weights, names, _NAME)
    spatial, temporal = (
        [core[f"core.convs.{n}.{kind}.weight"].shape for n in range(layers)] for kind in ("spatial", "temporal")
    )
    config = {
        "channels": tuple(shape[0] for shape in spatial),
        "spatial_kernels": tuple(shape[3] for shape in spatial),
        "temporal_kernels": tuple(shape[2] for shape in temporal),
        "normalisation": "published",
    }
    return config, core


def _gru(weights: Weights) -> tuple[dict[str, Any], Weights]:
    """Configuration and core, the Hermite functions and their rotations as in the checkpoint."""
    layers, rotations = _layers(weights), sum(name.startswith(f"{_HERMITE}.Rs.") for name in weights)
    core: dict[str, Tensor] = {}
    for layer in range(layers):
        ours, theirs = f"core.frames.convs.{layer}", f"core.features.layer{layer}"
        names = {f"{ours}.coefficients": "hermite_conv.coeffs", f"{ours}.functions": "hermite_conv.rotate_hermite.H"}
        names |= {f"core.frames.norms.{layer}.{part}": f"norm.batch_norm.{part}" for part in _NORM}
        core |= take(weights, {name: f"{theirs}.{part}" for name, part in names.items()}, _NAME)
        turns = {str(turn): f"{theirs}.hermite_conv.rotate_hermite.Rs.{turn}" for turn in range(rotations)}
        core[f"{ours}.rotations"] = torch.stack([*take(weights, turns, _NAME).values()])
    for ours, parts in _GRU.items():
        for part in ("weight", "bias"):
            names = {theirs: f"gru_module.gru.{theirs}.{part}" for theirs in parts}
            core[f"core.gru.{ours}.{part}"] = torch.cat([*take(weights, names, _NAME).values()])
    functions = [core[f"core.frames.convs.{layer}.functions"] for layer in (0, layers - 1)]
    config = {
        "features": core["core.frames.convs.0.coefficients"].shape[2],
        "rotations": rotations,
        "layers": layers,
        "input_kernel": functions[0].shape[1] // 2,
        "hidden_kernel": functions[1].shape[1] // 2,
        "recurrent_channels": core["core.gru.candidate.weight"].shape[0],
        "recurrent_kernel": core["core.gru.candidate.weight"].shape[2],
        "normalisation": "published",
    }
    return config, core


def _layers(weights: Weights) -> int:
    return len({name.split(".")[2] for name in weights if name.startswith("core.features.layer")})


_CORES = {
    "factorised3d": ("core.features.layer0.conv_spatial.weight", _factorised3d),
    "gru": (f"{_HERMITE}.H", _gru),
}
"""How each architecture's core is known and read."""
