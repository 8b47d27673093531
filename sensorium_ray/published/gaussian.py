"""The starter kits' Gaussian readout and shifter, whose names other published formats share."""

from __future__ import annotations

from torch import Tensor

from .foreign import Weights, take


def readout(weights: Weights, readout_name: str, shifter_name: str | None, format_name: str) -> dict[str, Tensor]:
    """One mouse's `models.readouts.GaussianReadout` in our names.

    Parameters
    ----------
    readout_name, shifter_name : of the mouse's modules, such as 'readout.KEY'; None: it has no shifter.

    Raises
    ------
    BundleError : a weight is not there.
    """
    names = {"readout.sigma": "sigma", "readout.features": "_features", "readout.bias": "bias"}
    names |= {"readout.source_grid": "source_grid"}
    for part in ("weight", "bias"):
        names |= {f"readout.mu_hidden.{part}": f"mu_transform.0.{part}"}
        names |= {f"readout.mu_out.{part}": f"mu_transform.2.{part}"}
    full = {ours: f"{readout_name}.{theirs}" for ours, theirs in names.items()}
    if shifter_name is not None:
        for ours, theirs in enumerate((0, 2, 4)):
            for part in ("weight", "bias"):
                full[f"readout.shifter.{ours}.{part}"] = f"{shifter_name}.mlp.{theirs}.{part}"
    found = take(weights, full, format_name)
    found["readout.features"] = found["readout.features"][0, :, 0].T
    found["readout.sigma"] = found["readout.sigma"][0]
    return found


def keys(weights: Weights) -> list[str]:
    """Data keys of the mice, in the file's order: what follows 'readout.'."""
    return list(dict.fromkeys(name.split(".")[1] for name in weights if name.startswith("readout.")))
