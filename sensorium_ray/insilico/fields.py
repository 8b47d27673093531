"""Where a receptive field lies, and how large it is, from its map."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import ndimage

_HALF = 0.5
"""Share of its greatest energy above which a place belongs to a field."""

_STRIPES = 4.0
"""Standard deviation of the Gaussian that makes one of a field's stripes, degrees."""


def envelope(filters: xr.DataArray) -> xr.DataArray:
    """Energy of filters (neuron, elevation, azimuth) with degrees as coordinates, whose stripes are made one."""
    pixels = [_STRIPES / abs(np.diff(filters[axis][:2]).item()) for axis in ("elevation", "azimuth")]
    energy = filters.transpose("neuron", "elevation", "azimuth") ** 2
    return energy.copy(data=ndimage.gaussian_filter(energy.values, (0, *pixels)))


def describe_fields(energy: xr.DataArray) -> dict[str, xr.DataArray]:
    """Centre, size and clearness of fields.

    A field is the region about the greatest energy in which there is at least half of it; its centre is the centroid
    of the energy in that region.

    Parameters
    ----------
    energy : (neuron, elevation, azimuth), 0 or more, with degrees as coordinates.

    Returns
    -------
    field_azimuth, field_elevation : (neuron,) degrees; NaN where there is no field.
    field_diameter : (neuron,) degrees, of a disc of the region's area.
    field_clearness : (neuron,) the greatest energy less the map's mean, in its standard deviations.
    """
    maps = energy.transpose("neuron", "elevation", "azimuth").values.astype(np.float64)
    elevation, azimuth = energy["elevation"].values, energy["azimuth"].values
    # Two neighbouring places are all that tells how large one is.
    place = abs(np.diff(azimuth[:2]).item() * np.diff(elevation[:2]).item())
    found = np.array([_describe(one, elevation, azimuth, place) for one in maps]).reshape(-1, 4)
    names = ("field_azimuth", "field_elevation", "field_diameter", "field_clearness")
    return {name: xr.DataArray(found[:, column], dims="neuron") for column, name in enumerate(names)}


def _describe(
    energy: np.ndarray, elevation: np.ndarray, azimuth: np.ndarray, place: float
) -> tuple[float, float, float, float]:
    peak = energy.max()
    spread = energy.std()
    if not peak > 0 or spread == 0:
        return np.nan, np.nan, np.nan, 0.0
    regions, _ = ndimage.label(energy >= _HALF * peak)
    inside = np.where(regions == regions[np.unravel_index(energy.argmax(), energy.shape)], energy, 0.0)
    weight = inside / inside.sum()
    diameter = 2 * np.sqrt(np.count_nonzero(inside) * place / np.pi)
    clear = (peak - energy.mean()) / spread
    return float(weight.sum(0) @ azimuth), float(weight.sum(1) @ elevation), float(diameter), float(clear)
