"""Checkpoints of the Sensorium 2023 starter kit (`final.pth`): its 3D and recurrent models, with either readout.

A plain state dictionary, without a configuration: sizes are read off the weights' shapes. Padding and stride of a 3D
core show in the masks of factorised readouts; beside Gaussian ones nothing tells them, and they are taken for those
of the kit's notebooks: zeros around the maps of full 3D convolutions, none around those of factorised ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch

from ..errors import BundleError
from ..models.find import make_config
from ..models.layers import map_shape
from . import gaussian
from .foreign import Foreign, ForeignMouse, Weights, take
from .starter_cores import FORMAT, read_core

_STRIDES = range(1, 9)


def translate(checkpoint: Any) -> Foreign:
    """The checkpoint in our names.

    Raises
    ------
    BundleError : it is not of this format.
    """
    weights = checkpoint if isinstance(checkpoint, dict) else {}
    architecture, config, core = read_core(weights)
    mice = [_mouse(weights, key) for key in gaussian.keys(weights)]
    if mice and "readout.mask" in mice[0].weights:
        config |= _map_settings(architecture, config, mice[0].weights["readout.mask"].shape[1:])
    return Foreign(architecture, {**config, "normalisation": "published"}, core, mice)


def _mouse(weights: Weights, key: str) -> ForeignMouse:
    if f"readout.{key}.spatial" not in weights:
        found = gaussian.readout(weights, f"readout.{key}", f"shifter.{key}", FORMAT)
    else:
        names = {"readout.mask": f"readout.{key}.spatial", "readout.features": f"readout.{key}._features"}
        found = take(weights, names, FORMAT)
        nothing = torch.zeros(len(found["readout.mask"]))
        found["readout.bias"] = weights.get(f"readout.{key}.bias", nothing)
    return ForeignMouse(key, len(found["readout.bias"]), found)


def _map_settings(architecture: str, config: dict[str, Any], shape: Sequence[int]) -> dict[str, Any]:
    """Padding and stride that make feature maps of the masks' shape; the architecture's own if they do.

    Raises
    ------
    BundleError : none do.
    """
    usual = make_config(architecture, {}).padding
    for padding, stride in product((usual, not usual), _STRIDES):
        if map_shape(config["spatial_kernels"], stride, padding) == tuple(shape):
            return {"readout": "factorised", "padding": padding, "stride": stride}
    what = f"has masks of {'x'.join(map(str, shape))} pixels, which no padding or stride of its core gives"
    raise BundleError(what, "checkpoint", "was it trained on frames of 36x64 pixels?")
