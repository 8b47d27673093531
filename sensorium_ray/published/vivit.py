"""What the checkpoints of the two ViV1T have in common: transformer blocks, and mice that are letters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..benchmark import MICE
from ..errors import BundleError
from . import gaussian
from .foreign import ForeignMouse, Weights, take

STACKS = ("spatial", "temporal")
_BLOCK = {
    "norm.weight": "norm.weight",
    "norm.bias": "norm.bias",
    "fused.weight": "fused_linear.weight",
    "attention_out.weight": "attn_out.weight",
    "hidden_out.weight": "ff_out.2.weight",
}
"""Ours and theirs."""
_FRAME_VALUES = 5 * 7 * 7
"""Of a patch: the video, behaviour and pupil centre of 7 x 7 pixels."""
_MEND = "only the published kind is known"


def core(weights: Weights, names: dict[str, str], format_name: str) -> dict[str, Any]:
    """The weights that all mice share, in our names.

    Parameters
    ----------
    names : ours and theirs, of all but the transformers' blocks.

    Raises
    ------
    BundleError : a weight is not there.
    """
    return take(weights, names | dict(_block_names(weights)), format_name)


def sizes(shared: Weights, head_width: int) -> dict[str, Any]:
    """Configuration as far as the shapes of `core`'s weights and the width of a head tell it.

    Raises
    ------
    BundleError : the shapes do not fit the published patches or blocks.
    """
    blocks = {stack: [name for name in shared if name.startswith(f"core.{stack}.blocks.")] for stack in STACKS}
    if not all(blocks.values()):
        raise BundleError("has no blocks of parallel attention", "checkpoint", _MEND)
    width, values = shared["core.tokens.linear.weight"].shape
    fused = len(shared["core.spatial.blocks.0.fused.weight"])
    inner = shared["core.spatial.blocks.0.attention_out.weight"].shape[1]
    if values % _FRAME_VALUES or inner % head_width:
        raise BundleError(f"has patches of {values} values and heads of {head_width} of {inner}", "checkpoint", _MEND)
    return {
        "patch_frames": values // _FRAME_VALUES,
        "width": width,
        **{f"{stack}_depth": len(names) // len(_BLOCK) for stack, names in blocks.items()},
        "heads": inner // head_width,
        "head_width": head_width,
        "hidden": fused - 3 * inner,
    }


def mice(weights: Weights, format_name: str, extra: dict[str, str] | None = None) -> list[ForeignMouse]:
    """Each mouse's readout and shifter. A mouse with the published number of neurons is named by its folder.

    Parameters
    ----------
    extra : names, ours and theirs, of what a readout has beyond the Gaussian one.

    Raises
    ------
    BundleError : a weight is not there.
    """
    found = []
    for letter in gaussian.keys(weights, "readouts"):
        readout = f"readouts.{letter}"
        part = gaussian.readout(weights, readout, f"shifters.{letter}", format_name, "features")
        part |= take(weights, {ours: f"{readout}.{theirs}" for ours, theirs in (extra or {}).items()}, format_name)
        neurons = len(part["readout.bias"])
        published = {mouse.letter: mouse.folder for mouse in MICE if mouse.neurons == neurons}
        found.append(ForeignMouse(published.get(letter, letter), neurons, part))
    return found


def _block_names(weights: Weights) -> Iterator[tuple[str, str]]:
    for name in weights:
        for stack in STACKS:
            prefix = f"core.vivit.{stack}_transformer.blocks."
            if name.startswith(prefix) and name.endswith(".fused_linear.weight"):
                place = name.removeprefix(prefix).split(".")[0]
                for ours, theirs in _BLOCK.items():
                    yield f"core.{stack}.blocks.{place}.{ours}", f"{prefix}{place}.{theirs}"
