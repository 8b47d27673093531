"""An experiment from its name to a labelled result."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from ..version import package_version
from . import find
from .subject import Subject

UNITS = "deconvolved calcium, arbitrary units"


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
    (JSON), model, checksum, mouse, version.

    Raises
    ------
    ConfigError : there is no such experiment or setting, or a value is impossible.
    DataError : the subject does not take such clips.
    """
    config = find.make_config(name, settings)
    result: xr.Dataset = find.experiment(name).measure(subject, config)
    if "neuron" in result.dims:
        result = result.assign_coords(unit_id=("neuron", subject.unit_ids))
    return result.assign_attrs(
        experiment=name,
        settings=json.dumps(asdict(config)),
        model=subject.model,
        checksum=subject.checksum,
        mouse=subject.mouse,
        version=package_version(),
    )


def draw_experiment(result: xr.Dataset) -> Figure:
    """Picture of a result, as its experiment draws it.

    Raises
    ------
    ConfigError : it is no result of an experiment.
    """
    figure: Figure = find.experiment(str(result.attrs.get("experiment", ""))).draw(result)
    return figure
