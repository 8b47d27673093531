"""Checkpoints of the Sensorium 2022 starter kit (`sensorium_sota_model.pth` and its like): stacked 2D convolutions.

A plain state dictionary, without a configuration: sizes are read off the weights' shapes. What the shapes do not tell
is whether the ELUs were left out: the kit's LN models have three layers, its others four.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..benchmark import SENSORIUM_2022, folder_of_2022
from ..errors import BundleError
from . import gaussian
from .foreign import Foreign, ForeignMouse, Weights, take

_NAME = "sensorium2022"
_CONVS = ("in_depth_conv", "spatial_conv", "out_depth_conv")
_LAYERS_OF_LN = 3


def translate(checkpoint: Any) -> Foreign:
    """The checkpoint in our names.

    Raises
    ------
    BundleError : it is not of this format.
    """
    if not isinstance(checkpoint, dict) or "core.features.layer1.ds_conv.spatial_conv.weight" not in checkpoint:
        what = "is no checkpoint of the 2022 starter kit's"
        raise BundleError(what, "checkpoint", "it has no core of depth-separable 2D convolutions")
    if any(name.startswith("core.features.") and name.endswith("conv.bias") for name in checkpoint):
        raise BundleError("has convolutions with a bias", "checkpoint", "the kit's have none: set core_bias=False")
    layers = len({name.split(".")[2] for name in checkpoint if name.startswith("core.features.layer")})
    core = take(checkpoint, dict(_core_names(layers)), _NAME)
    shifter = any(name.startswith("shifter.") for name in checkpoint)
    mice = [_mouse(checkpoint, key, shifter) for key in gaussian.keys(checkpoint)]
    return Foreign("stacked2d", _config(core, layers, shifter), core, mice, SENSORIUM_2022)


def _config(core: Weights, layers: int, shifter: bool) -> dict[str, Any]:
    first = core["core.convs.0.weight"]
    later = [core[f"core.convs.{layer}.1.weight"] for layer in range(1, layers)]
    return {
        "channels": tuple(weight.shape[0] for weight in (first, *later)),
        "spatial_kernels": tuple(weight.shape[3] for weight in (first, *later)),
        "linear": layers == _LAYERS_OF_LN,
        "behavior": first.shape[1] > 1,
        "shifter": shifter,
        "normalisation": "published",
    }


def _mouse(weights: Weights, key: str, shifter: bool) -> ForeignMouse:
    found = gaussian.readout(weights, f"readout.{key}", f"shifter.{key}" if shifter else None, _NAME)
    return ForeignMouse(folder_of_2022(key), len(found["readout.bias"]), found)


def _core_names(layers: int) -> Iterator[tuple[str, str]]:
    """Ours and theirs."""
    yield "core.convs.0.weight", "core.features.layer0.conv.weight"
    for layer in range(layers):
        theirs = f"core.features.layer{layer}"
        for part in ("weight", "bias", "running_mean", "running_var"):
            yield f"core.norms.{layer}.{part}", f"{theirs}.norm.{part}"
        for place, conv in enumerate(_CONVS if layer else ()):
            yield f"core.convs.{layer}.{place}.weight", f"{theirs}.ds_conv.{conv}.weight"
