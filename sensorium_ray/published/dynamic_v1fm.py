"""Dynamic-V1FM's checkpoints of Sensorium 2023: `pretrained_weights_<mean or adaptive>/model_<levels>.pth`.

The plain state dictionary of a network in `DataParallel`, without a configuration: sizes are read off the weights'
shapes. Which levels take part is said by the file's name alone; every file holds the weights of all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import BundleError
from ..models.hierarchical import LEVELS
from ..models.swin import relative_places
from . import gaussian
from .foreign import Foreign, ForeignMouse, Weights, take

_NAME = "dynamic_v1fm"
_PATCH = "core.patch_embedding.proj.weight"
_BLOCK = {
    "state.hidden": "b-mlp.model.0",
    "state.out": "b-mlp.model.3",
    "attention.qkv": "mha.qkv",
    "attention.out": "mha.proj",
    "mlp.widen": "mlp.linear1.0",
    "mlp.mix": "mlp.dwconv.0.conv",
    "mlp.narrow": "mlp.linear2.0",
}
_PARTS = ("weight", "bias")


def translate(checkpoint: Any) -> Foreign:
    """The checkpoint in our names; all levels take part.

    Raises
    ------
    BundleError : it is not of this format.
    """
    weights = {name.removeprefix("module."): value for name, value in _items(checkpoint)}
    if _PATCH not in weights:
        raise BundleError("is no checkpoint of Dynamic-V1FM's", "checkpoint", "it has no patch embedding")
    blocks = len({name.split(".")[3] for name in weights if name.startswith("core.transformer.blocks.")})
    core = take(weights, dict(_core_names(blocks)), _NAME)
    adaptive = any(".fusion_block" in name for name in weights)
    mice = [_mouse(weights, key, adaptive) for key in gaussian.keys(weights)]
    return Foreign(_NAME, {**_config(weights, blocks), "fusion": "adaptive" if adaptive else "mean"}, core, mice)


def named_settings(file: Path) -> dict[str, Any]:
    """What a file's name says: 'model_2_8.pth' has the levels 2 and 8, 'model_0.pth' none."""
    if not re.fullmatch(r"model(_\d+)+", file.stem):
        return {}
    sizes = [int(size) for size in file.stem.split("_")[1:]]
    return {"levels": tuple(size for size in sizes if size)}


def _items(checkpoint: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(checkpoint, dict):
        yield from ((name, value) for name, value in checkpoint.items() if isinstance(name, str))


def _core_names(blocks: int) -> Iterator[tuple[str, str]]:
    """Ours and theirs."""
    for part in _PARTS:
        yield f"core.patch.{part}", f"core.patch_embedding.proj.{part}"
        yield f"core.norm.{part}", f"core.patch_embedding.norm.{part}"
    for block in range(blocks):
        ours, theirs = f"core.blocks.{block}", f"core.transformer.blocks.{block}"
        yield f"{ours}.attention.bias_table", f"{theirs}.mha.relative_position_bias_table"
        for layer, old in _BLOCK.items():
            for part in _PARTS:
                yield f"{ours}.{layer}.{part}", f"{theirs}.{old}.{part}"


def _config(weights: Weights, blocks: int) -> dict[str, Any]:
    first = "core.transformer.blocks.0"
    channels, _, *patch = weights[_PATCH].shape
    table, places = (weights[f"{first}.mha.relative_position_{name}"] for name in ("bias_table", "index"))
    return {
        "channels": channels,
        "blocks": blocks,
        "heads": table.shape[1],
        "mlp_features": weights[f"{first}.mlp.dwconv.0.conv.weight"].shape[0],
        "patch": tuple(patch),
        "window": _window(places),
        "normalisation": "published",
    }


def _window(places: Tensor) -> tuple[int, ...]:
    """The window whose pairs of tokens have these rows of the table of biases."""
    volume = len(places)
    sizes = [size for size in range(1, volume + 1) if volume % size == 0]
    for rows in sizes:
        for columns in sizes:
            window = (volume // (rows * columns), rows, columns)
            if window[0] * rows * columns == volume and torch.equal(relative_places(window), places):
                return window
    raise BundleError("numbers the pairs of a window's tokens in no known way", "checkpoint")


def _mouse(weights: Weights, key: str, adaptive: bool) -> ForeignMouse:
    found = gaussian.readout(weights, f"readout.{key}", f"shifter.{key}", _NAME)
    names: dict[str, str] = {}
    for place, size in enumerate(LEVELS):
        ours = f"readout.levels.{place}"
        names |= {f"{ours}.features": f"_features{size}", f"{ours}.refined": f"up_refine{size}.2.weight"}
        names |= {f"{ours}.refine.{part}": f"up_refine{size}.0.{part}" for part in _PARTS}
    for place in range(len(LEVELS) if adaptive else 0):
        for ours, theirs in (("hidden", 0), ("out", 2)):
            for part in _PARTS:
                names[f"readout.fusions.{place}.{ours}.{part}"] = f"fusion_block{place + 2}.module.{theirs}.{part}"
    levels = take(weights, {ours: f"readout.{key}.{theirs}" for ours, theirs in names.items()}, _NAME)
    for place in range(len(LEVELS)):
        ours = f"readout.levels.{place}"
        levels[f"{ours}.features"] = levels[f"{ours}.features"][0, :, 0].T
        levels[f"{ours}.refine.weight"] = levels[f"{ours}.refine.weight"][:, 0]
        levels[f"{ours}.refined"] = levels[f"{ours}.refined"][0]
    return ForeignMouse(key, len(found["readout.bias"]), {**found, **levels})
