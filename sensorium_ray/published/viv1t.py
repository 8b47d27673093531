"""Checkpoints of ViV1T as of 2025 (`ckpt/model.pt`): a plain state dictionary.

Sizes are read off the weights' shapes; what no shape tells (patch size and stride, the longest clip, dropouts) is
as published.
"""

from __future__ import annotations

from typing import Any

from ..errors import BundleError
from . import vivit
from .foreign import Foreign

_NAME = "viv1t"
_TOKENS = "core.tokenizer.tokenizer"
_SHARED = {
    **{f"core.tokens.patch_norm.{part}": f"{_TOKENS}.norm.{part}" for part in ("weight", "bias")},
    **{f"core.tokens.linear.{part}": f"{_TOKENS}.linear.{part}" for part in ("weight", "bias")},
    **{f"core.tokens.norm.{part}": f"core.tokenizer.norm.{part}" for part in ("weight", "bias")},
    "core.spatial.registers": "core.vivit.reg_s_tokens",
    "core.temporal.registers": "core.vivit.reg_t_tokens",
    **{
        f"core.{stack}.rotary.{ours}": f"core.vivit.{stack}_transformer.blocks.0.rotary_position_embedding.{theirs}"
        for stack in vivit.STACKS
        for ours, theirs in (("inverse_frequency", "inv_freq"), ("scale", "scale"))
    },
}
"""Ours and theirs. Every block has the same rotary constants; here a stack has them once."""


def translate(checkpoint: Any) -> Foreign:
    """The checkpoint in our names.

    Raises
    ------
    BundleError : it is not of this format.
    """
    if not isinstance(checkpoint, dict) or f"{_TOKENS}.linear.weight" not in checkpoint:
        raise BundleError("is no checkpoint of ViV1T's of 2025", "checkpoint", "it has none of its tokens' weights")
    core = vivit.core(checkpoint, _SHARED, _NAME)
    config = {
        **vivit.sizes(core, head_width=2 * len(core["core.spatial.rotary.scale"])),
        "registers": len(core["core.spatial.registers"]),
        "normalisation": "pooled",
    }
    return Foreign("viv1t", config, core, vivit.mice(checkpoint, _NAME))
