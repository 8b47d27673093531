"""The Sensorium 2023 starter kit's cores: settings and weights in our names, read off a checkpoint.

A checkpoint tells channels and kernels by its weights' shapes, but neither padding nor stride.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import BundleError
from .foreign import Weights, take

FORMAT = "sensorium2023"
Core = tuple[dict[str, Any], dict[str, Tensor]]
"""Configuration and weights."""

_AXES_3D = 5  # of the weights of a 3D convolution
_NORM = ("weight", "bias", "running_mean", "running_var")
_GRU = {
    "inputs": ("update_gate_input", "reset_gate_input", "out_gate_input"),
    "gates": ("update_gate_hidden", "reset_gate_hidden"),
    "candidate": ("out_gate_hidden",),
}
"""Convolutions of ours and those of theirs that they join."""


def read_core(weights: Weights) -> tuple[str, dict[str, Any], dict[str, Tensor]]:
    """Architecture, configuration and weights of the core.

    Raises
    ------
    BundleError : it is none of the kit's, or a weight is not there.
    """
    first = "core.features.layer0"
    if f"{first}.conv_spatial.weight" in weights:
        return "factorised3d", *_convolutions(weights, [("spatial.", "conv_spatial"), ("temporal.", "conv_temporal")])
    if f"{first}.hermite_conv.coeffs" in weights:
        return "gru", *_turned_gru(weights)
    if f"{first}.conv.weight" not in weights:
        raise BundleError("is no checkpoint of the 2023 starter kit's", "checkpoint", "it has none of the kit's cores")
    if weights[f"{first}.conv.weight"].ndim == _AXES_3D:
        return "convolution3d", *_convolutions(weights, [("", "conv")])
    return "gru", *_plain_gru(weights)


def _convolutions(weights: Weights, parts: Sequence[tuple[str, str]]) -> Core:
    """A 3D core, whose layers are convolutions of our and their names: the first tells height, the last time."""
    names: dict[str, str] = {}
    layers = _layers(weights)
    for layer in range(layers):
        block, suffix = f"core.features.layer{layer}", f"_{layer}" if layer else ""
        for ours, theirs in parts:
            names |= {f"core.convs.{layer}.{ours}{of}": f"{block}.{theirs}{suffix}.{of}" for of in ("weight", "bias")}
        names |= _norm(f"core.norms.{layer}", f"{block}.norm")
    core = take(weights, names, FORMAT)
    spatial, temporal = (
        [core[f"core.convs.{layer}.{part}weight"].shape for layer in range(layers)]
        for part in (parts[0][0], parts[-1][0])
    )
    config = {
        "channels": tuple(shape[0] for shape in spatial),
        "spatial_kernels": tuple(shape[3] for shape in spatial),
        "temporal_kernels": tuple(shape[2] for shape in temporal),
    }
    return config, core


def _turned_gru(weights: Weights) -> Core:
    """The rotation-equivariant one: Hermite functions and their rotations as in the checkpoint."""
    hermite = "hermite_conv.rotate_hermite"
    rotations = sum(name.startswith(f"core.features.layer0.{hermite}.Rs.") for name in weights)
    core: dict[str, Tensor] = {}
    for layer in range(_layers(weights)):
        ours, theirs = f"core.frames.convs.{layer}", f"core.features.layer{layer}"
        names = {f"{ours}.coefficients": f"{theirs}.hermite_conv.coeffs"}
        names |= {f"{ours}.functions": f"{theirs}.{hermite}.H"}
        core |= take(weights, names | _norm(f"core.frames.norms.{layer}", f"{theirs}.norm.batch_norm"), FORMAT)
        turns = {str(turn): f"{theirs}.{hermite}.Rs.{turn}" for turn in range(rotations)}
        core[f"{ours}.rotations"] = torch.stack([*take(weights, turns, FORMAT).values()])
    features = core["core.frames.convs.0.coefficients"].shape[2]
    kernels = [core[f"core.frames.convs.{layer}.functions"].shape[1] // 2 for layer in range(_layers(weights))]
    return _with_gru(weights, core, {"features": features, "rotations": rotations}, kernels)


def _plain_gru(weights: Weights) -> Core:
    """The one of ordinary convolutions."""
    core: dict[str, Tensor] = {}
    for layer in range(_layers(weights)):
        theirs, norm = f"core.features.layer{layer}", f"core.frames.norms.{layer}"
        names = {f"core.frames.convs.{layer}.weight": f"{theirs}.conv.weight", **_norm(norm, f"{theirs}.norm")}
        core |= take(weights, names, FORMAT)
        # Ours have no bias before the normalisation, which takes it away again.
        bias = weights.get(f"{theirs}.conv.bias", torch.zeros(()))
        core[f"{norm}.running_mean"] = core[f"{norm}.running_mean"] - bias
    shapes = [core[f"core.frames.convs.{layer}.weight"].shape for layer in range(_layers(weights))]
    return _with_gru(weights, core, {"features": shapes[0][0], "rotations": 1}, [shape[2] for shape in shapes])


def _with_gru(weights: Weights, core: dict[str, Tensor], config: dict[str, Any], kernels: Sequence[int]) -> Core:
    """The core of frames, whose kernels are given, and the unit after it."""
    for ours, parts in _GRU.items():
        for part in ("weight", "bias"):
            names = {theirs: f"gru_module.gru.{theirs}.{part}" for theirs in parts}
            core[f"core.gru.{ours}.{part}"] = torch.cat([*take(weights, names, FORMAT).values()])
    config |= {
        "layers": len(kernels),
        "input_kernel": kernels[0],
        "hidden_kernel": kernels[-1],
        "recurrent_channels": core["core.gru.candidate.weight"].shape[0],
        "recurrent_kernel": core["core.gru.candidate.weight"].shape[2],
    }
    return config, core


def _norm(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}.{part}": f"{theirs}.{part}" for part in _NORM}


def _layers(weights: Weights) -> int:
    return len({name.split(".")[2] for name in weights if name.startswith("core.features.layer")})
