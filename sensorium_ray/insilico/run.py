"""An experiment from its name to a labelled result."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..benchmark import RESPONSE_UNITS
from ..errors import ConfigError
from ..storage import StrPath, atomic_path, locate
from ..version import package_version
from . import find
from .subject import Subject

PICTURES = (".png", ".svg", ".pdf")
"""How files of pictures end."""


def run_experiment(name: str, subject: Subject, **settings: Any) -> xr.Dataset:
    """Make an experiment.

    Parameters
    ----------
    name : one of `find.names()`, such as 'direction_tuning'.
    subject : from `open_subject`, or an endpoint's.
    settings : of the experiment's `Config`, in degrees of visual angle, Hz and seconds.

    Returns
    -------
    Labelled arrays; dimension 'neuron' has the coordinate unit_id. Attributes say what made them: experiment, settings
    (JSON), model, checksum, mouse, version, units (of responses), and grey_levels where the subject has them.

    Raises
    ------
    ConfigError : there is no such experiment or setting, or a value is impossible.
    DataError : the subject does not take such clips.
    """
    config = find.make_config(name, settings)
    result: xr.Dataset = find.experiment(name).measure(subject, config)
    if "neuron" in result.dims:
        result = result.assign_coords(unit_id=("neuron", subject.unit_ids))
    if subject.grey_levels is not None:
        result = result.assign_attrs(grey_levels=list(subject.grey_levels))
    return result.assign_attrs(
        experiment=name,
        settings=json.dumps(asdict(config)),
        model=subject.model,
        checksum=subject.checksum,
        mouse=subject.mouse,
        version=package_version(),
        units=RESPONSE_UNITS,
    )


def draw_experiment(result: xr.Dataset) -> Figure:
    """Picture of a result, as its experiment draws it.

    Raises
    ------
    ConfigError : it is no result of an experiment.
    """
    figure: Figure = find.experiment(str(result.attrs.get("experiment", ""))).draw(result)
    return figure


def write_picture(figure: Figure, path: StrPath) -> None:
    """Write the picture of a result into a file.

    Parameters
    ----------
    figure : from `draw_experiment`.
    path : ends as one of `PICTURES`; on a disk or s3://, and replaced where it exists.

    Raises
    ------
    ConfigError : the file ends otherwise.
    DataError : the file cannot be written.
    """
    place = locate(path)
    if place.suffix not in PICTURES:
        raise ConfigError("is no name of a picture", str(path), f"let it end in {' or '.join(PICTURES)}")
    with atomic_path(place) as partial:
        figure.savefig(partial, format=place.suffix[1:], dpi=150)


def summarise(result: xr.Dataset) -> dict[str, tuple[float, float, float]]:
    """Lower quartile, median and upper quartile over neurons of every number that a result has of each of them."""
    found = {}
    for name, array in result.data_vars.items():
        if array.dims == ("neuron",) and array.dtype.kind in "iuf" and np.isfinite(array).any():
            low, median, high = np.nanpercentile(array, [25, 50, 75]).tolist()
            found[str(name)] = (low, median, high)
    return found
