"""How sparsely a neuron responds."""

from __future__ import annotations

import xarray as xr


def lifetime_sparseness(responses: xr.DataArray, over: str | list[str]) -> xr.DataArray:
    """Lifetime sparseness of responses r, (1 - (Σr/n)² / (Σr²/n)) / (1 - 1/n) (Vinje & Gallant 2000, Science 287).

    Parameters
    ----------
    responses : 0 or more; NaN does not count.
    over : axes along which the n responses lie.

    Returns
    -------
    The other axes; 0 where all responses are alike, 1 where there is but one; NaN where there is none.
    """
    mean, power = responses.mean(over, dtype=float), (responses.astype(float) ** 2).mean(over)
    count = responses.count(over)
    return ((1 - mean**2 / power.where(power > 0)) / (1 - 1 / count.where(count > 1))).clip(0, 1)
