"""Checkpoints of the Sensorium 2023 starter kit (`final.pth`): the factorised 3D baseline and the GRU baseline.

A plain state dictionary, without a configuration: sizes are read off the weights' shapes.
"""

from __future__ import annotations

from typing import Any

from ..errors import BundleError
from . import gaussian
from .foreign import Foreign, ForeignMouse, Weights, take

_NAME = "sensorium2023"


def translate(checkpoint: Any) -> Foreign:
    """The checkpoint in our names.

    Raises
    ------
    BundleError : it is not of this format.
    """
    if not isinstance(checkpoint, dict) or "core.features.layer0.conv_spatial.weight" not in checkpoint:
        raise BundleError("is no checkpoint of the 2023 starter kit's", "checkpoint", "it has no factorised 3D core")
    mice = [_mouse(checkpoint, key) for key in gaussian.keys(checkpoint)]
    return Foreign("factorised3d", *_factorised3d(checkpoint), mice)


def _mouse(weights: Weights, key: str) -> ForeignMouse:
    found = gaussian.readout(weights, f"readout.{key}", f"shifter.{key}", _NAME)
    return ForeignMouse(key, len(found["readout.bias"]), found)


def _factorised3d(weights: Weights) -> tuple[dict[str, Any], Weights]:
    """Configuration and core."""
    names, layers = {}, len({name.split(".")[2] for name in weights if name.startswith("core.features.layer")})
    for layer in range(layers):
        theirs, suffix = f"core.features.layer{layer}", f"_{layer}" if layer else ""
        for part in ("weight", "bias"):
            names[f"core.convs.{layer}.spatial.{part}"] = f"{theirs}.conv_spatial{suffix}.{part}"
            names[f"core.convs.{layer}.temporal.{part}"] = f"{theirs}.conv_temporal{suffix}.{part}"
        for part in ("weight", "bias", "running_mean", "running_var"):
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
