"""Checkpoints of ViV1T as of 2023 (`ckpt/model_state.pt`): a dictionary whose `model` is the state dictionary.

Sizes are read off the weights' shapes; what no shape tells (patch size and stride, dropouts) is as published.
"""

from __future__ import annotations

from typing import Any

from ..errors import BundleError
from . import vivit
from .foreign import Foreign, take

_NAME = "viv1t2023"
_TOKENS = "core.vivit.tokenizer"
_PLACE, _TIME = f"{_TOKENS}.spatial_pos_embedding", f"{_TOKENS}.temporal_pos_embedding"
_SHARED = {
    f"core.tokens.{ours}.{part}": f"{_TOKENS}.tokenizer.{theirs}.{part}"
    for ours, theirs in (("patch_norm", 1), ("linear", 2), ("norm", 3))
    for part in ("weight", "bias")
} | {"core.place": _PLACE, "core.time": _TIME}
"""Ours and theirs."""
_STATE = {
    **{f"readout.state_in.{part}": f"state_encoder.0.{part}" for part in ("weight", "bias")},
    **{f"readout.norm_{part}": f"state_encoder.1.{part}" for part in ("weight", "bias")},
    **{f"readout.state_out.{part}": f"state_encoder.4.{part}" for part in ("weight", "bias")},
}
"""Ours and theirs, of a mouse's readout."""
_SCALE = "core.vivit.spatial_transformer.blocks.0.scale"
"""One over the root of the head's width."""


def translate(checkpoint: Any) -> Foreign:
    """The checkpoint in our names.

    Raises
    ------
    BundleError : it is not of this format.
    """
    weights = checkpoint.get("model") if isinstance(checkpoint, dict) else None
    if not isinstance(weights, dict) or _PLACE not in weights:
        raise BundleError("is no checkpoint of ViV1T's of 2023", "checkpoint", "it has none of its embeddings")
    core = vivit.core(weights, _SHARED, _NAME)
    core["core.place"], core["core.time"] = core["core.place"][0, 0], core["core.time"][0, :, 0]
    head_width = round(take(weights, {"scale": _SCALE}, _NAME)["scale"].item() ** -2)
    config = vivit.sizes(core, head_width)
    frames = len(core["core.time"]) + config["patch_frames"] - 1
    config |= {"max_frames": frames, "normalisation": "extremes"}
    return Foreign("viv1t2023", config, core, vivit.mice(weights, _NAME, _STATE))
