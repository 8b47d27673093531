"""The winner's checkpoints of Sensorium 2023: `experiments/<experiment>/fold_<k>/model-<epoch>-<score>.pth`.

A dictionary of `model_name`, `params` (the configuration) and `nn_state_dict` (the running average of the weights).
Readouts are numbered; the published order of the mice is F to J, then A to E.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from ..benchmark import MICE
from ..errors import BundleError
from .foreign import Foreign, ForeignMouse, Weights, take

_NORM = ("weight", "bias", "running_mean", "running_var")
_CONVS = {"widen": "conv_pw", "space": "spat_covn_dw", "time": "temp_covn_dw", "narrow": "conv_pwl"}
_ORDER = (*MICE[5:], *MICE[:5])


def translate(checkpoint: Any) -> Foreign:
    """The checkpoint in our names.

    Raises
    ------
    BundleError : it is not of this format.
    """
    try:
        network, weights = checkpoint["params"]["nn_module"], checkpoint["nn_state_dict"]
        name, settings = network
        neurons, config = settings["readout_outputs"], _config(settings, checkpoint["params"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            "is no checkpoint of the 2023 winner's", "checkpoint", "it lacks params or weights"
        ) from error
    if name != "dwiseneuro":
        raise BundleError(f"is a '{name}'", "checkpoint", "only dwiseneuro is known")
    renamed = dict(_core_names(len(config["core_features"]), len(config["cortex_features"])))
    core = take(weights, renamed, "dwiseneuro")
    for key in core:
        if ".gate." in key and key.endswith("weight"):
            core[key] = core[key].flatten(1)
    published = tuple(neurons) == tuple(mouse.neurons for mouse in _ORDER)
    names = [mouse.folder for mouse in _ORDER] if published else [f"mouse{place}" for place in range(len(neurons))]
    mice = [
        ForeignMouse(name, count, _readout(weights, place, count))
        for place, (name, count) in enumerate(zip(names, neurons, strict=True))
    ]
    return Foreign("dwiseneuro", config, core, mice)


def _config(settings: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    stack, size = params["frame_stack"], params["inputs_processor"][1]["size"]
    return {
        "core_features": tuple(settings["core_features"]),
        "spatial_strides": tuple(settings["spatial_strides"]),
        "spatial_kernel": settings["spatial_kernel"],
        "temporal_kernel": settings["temporal_kernel"],
        "expansion": settings["expansion_ratio"],
        "se_reduce_ratio": settings["se_reduce_ratio"],
        "cortex_features": tuple(settings["cortex_features"]),
        "dropout": settings["drop_rate"],
        "drop_path": settings["drop_path_rate"],
        "softplus_beta": settings["softplus_beta"],
        "padded_shape": (size[1], size[0]),
        "window_frames": stack["size"],
        "window_stride": stack["step"],
        "window_hop": 1,
    }


def _core_names(blocks: int, layers: int) -> Iterator[tuple[str, str]]:
    """Ours and theirs."""
    yield "core.core.stem.weight", "core.stem.0.weight"
    yield from _norm("core.core.stem_norm", "core.stem.1.bn")
    for block in range(blocks):
        ours, theirs = f"core.core.blocks.{block}", f"core.blocks.{2 * block + 1}"
        yield f"{ours}.encoding.inverse_frequency", f"core.blocks.{2 * block}.inv_freq"
        for place, (conv, old) in enumerate(_CONVS.items()):
            yield f"{ours}.{conv}.weight", f"{theirs}.{old}.0.weight"
            yield from _norm(f"{ours}.norms.{place}", f"{theirs}.{old}.1.bn")
        for gate in ("reduce", "expand"):
            for part in ("weight", "bias"):
                yield f"{ours}.gate.{gate}.{part}", f"{theirs}.se.conv_{gate}.{part}"
        yield from _norm(f"{ours}.shortcut_norm", f"{theirs}.bn_sc.bn")
    for layer in range(layers):
        ours, theirs = f"core.cortex.{layer}", f"cortex.layers.{layer}"
        yield f"{ours}.conv.weight", f"{theirs}.conv.weight"
        yield from _norm(f"{ours}.norm", f"{theirs}.bn.bn")
        yield from _norm(f"{ours}.shortcut_norm", f"{theirs}.bn_sc.bn")


def _norm(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    for part in _NORM:
        yield f"{ours}.{part}", f"{theirs}.{part}"


def _readout(weights: Weights, place: int, neurons: int) -> dict[str, Tensor]:
    """A mouse's readout; the published one has an output more where neurons are odd in number."""
    names = {f"readout.{part}": f"readouts.{place}.layer.1.{part}" for part in ("weight", "bias")}
    found = take(weights, names, "dwiseneuro")
    return {"readout.weight": found["readout.weight"][:neurons, :, 0], "readout.bias": found["readout.bias"][:neurons]}
