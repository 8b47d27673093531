"""Responses to the benchmark's families of stimuli: natural movies and the five out-of-distribution families.

The families are those of the 2023 benchmark (Turishcheva et al. 2023, arXiv 2305.19654), made anew from seeds; every
parameter of theirs can be set. Sparseness is the lifetime sparseness of Vinje & Gallant (2000, Science 287).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, make_dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...benchmark import FAMILIES
from ...errors import ConfigError
from ...report.figures import COLOURS
from ...settings import make_settings
from .. import conditions
from ..conditions import Timing
from ..drawing import examples, page, spread
from ..patterns import benchmark_stimulus, parameters_of
from ..screen import MONITOR, Screen
from ..sparseness import lifetime_sparseness
from ..subject import Subject

_GREATEST = 1000.0
"""Of a parameter, so that no video takes all memory."""


@dataclass(frozen=True, slots=True)
class Config:
    """Settings.

    Parameters
    ----------
    families : which ones, of `benchmark.FAMILIES`.
    parameters : of a family, where they differ from the benchmark's, such as 'random_dots.coherence=0.5' or
        'gaussian_dots.radius=[2,3]'; their names are those of the functions in `data.stimuli`.
    seeds : videos of each family.
    seed : of the first; the others follow.
    blank : seconds of a blank screen before each stimulus.
    settle : seconds of a stimulus before responses count.
    seconds : of a stimulus while they count.
    """

    families: tuple[str, ...] = FAMILIES
    parameters: tuple[str, ...] = ()
    seeds: int = 4
    seed: int = 0
    blank: float = 0.0
    settle: float = 1.7
    seconds: float = 8.3

    def __post_init__(self) -> None:
        if not self.families or len(set(self.families)) < len(self.families):
            raise ConfigError(f"are {self.families}", "families", "name one or more, each once")
        conditions.require_least("seeds", self.seeds, 1)
        conditions.require_least("seed", self.seed, 0)
        read_parameters(self.families, self.parameters)


def read_parameters(families: tuple[str, ...], given: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Parameters by family and name, checked, of texts such as 'random_dots.coherence=0.5'.

    Raises
    ------
    ConfigError : a text is not of that form, or the family, the parameter or its value is not known.
    """
    read: dict[str, dict[str, Any]] = {family: {} for family in families}
    usual = {family: parameters_of(str(family)) for family in families}
    for text in given:
        place, equals, value = str(text).partition("=")
        family, dot, name = place.strip().partition(".")
        if not (equals and dot) or family not in read:
            raise ConfigError(
                f"'{text}' is no parameter of {', '.join(families)}", "parameters", "write FAMILY.NAME=VALUE"
            )
        try:
            read[family][name] = json.loads(value)
        except ValueError as error:
            raise ConfigError(f"'{value}' is no number", place, "write one, or some as [1.5, 4]") from error
    for family, values in read.items():
        # As a dataclass, so that they are checked as all settings are.
        kind = make_dataclass(
            family, [(name, type(value), value) for name, value in usual[family].items()], frozen=True
        )
        checked: Any = make_settings(family, kind, values)
        read[family] = {name: getattr(checked, name) for name in values}
        for name, value in read[family].items():
            numbers = value if isinstance(value, tuple) else (value,)
            if not all(isinstance(number, int | float) and 0 <= number <= _GREATEST for number in numbers):
                raise ConfigError(f"is {value}", f"{family}.{name}", f"give numbers from 0 to {_GREATEST:g}")
    return read


def measure(subject: Subject, config: Config) -> xr.Dataset:
    """Mean responses to every video, and how families differ in them.

    Returns
    -------
    response : (neuron, family, seed) float32.
    mean_response : (neuron, family), over seeds.
    sparseness : (neuron, family) 0..1, over the frames of all seeds.
    similarity : (family, other_family) correlation over neurons of `mean_response`.
    """
    parameters = read_parameters(config.families, config.parameters)
    seeds = config.seed + np.arange(config.seeds)
    timing = Timing.of(subject, config.blank, config.settle, config.seconds)
    screen = Screen(MONITOR, subject.frame_shape)

    def videos() -> Iterator[np.ndarray]:
        for family in config.families:
            for seed in seeds:
                made = benchmark_stimulus(screen, family, int(seed), len(timing.times), **parameters[family])
                yield timing.after_blank(screen, made)

    traces = conditions.traces(subject, videos(), {"family": np.array(config.families), "seed": seeds}, timing)
    result = xr.Dataset({"response": traces.mean("frame")})
    result["mean_response"] = result["response"].mean("seed")
    result["sparseness"] = lifetime_sparseness(traces, ["seed", "frame"])
    others = result["mean_response"].rename(family="other_family")
    result["similarity"] = xr.corr(result["mean_response"], others, "neuron")
    return result


def draw(result: xr.Dataset) -> Figure:
    """Mean responses of neurons to every family, how sparse they are, and how alike families are."""
    with page(2.8, 3.2) as (figure, strips):
        families = [str(name).replace("_", " ") for name in result["family"].values]
        place = np.arange(len(families))
        colours = [COLOURS[each % len(COLOURS)] for each in place]
        chosen = spread(result["mean_response"].mean("family"))
        for axis, neuron in examples(strips[0], result, chosen):
            axis.bar(place, result["mean_response"].values[neuron], color=colours)
            axis.set_xticks(place, families, rotation=90, fontsize=7)
            if neuron == chosen[0]:
                axis.set_ylabel("response")
        sparse, alike = strips[1].subplots(1, 2)
        values = [column[np.isfinite(column)] for column in result["sparseness"].values.T]
        boxes = sparse.boxplot(values, positions=place, widths=0.6, patch_artist=True, showfliers=False)
        for box, colour in zip(boxes["boxes"], colours, strict=True):
            box.set_facecolor(colour)
        sparse.set_xticks(place, families, rotation=30, fontsize=7, ha="right")
        sparse.set(ylabel="lifetime sparseness", ylim=(0, 1))
        shade = alike.imshow(result["similarity"], vmin=0, vmax=1, cmap="viridis")
        alike.set_xticks(place, families, rotation=30, fontsize=7, ha="right")
        alike.set_yticks(place, families, fontsize=7)
        strips[1].colorbar(shade, ax=alike, label="correlation of mean responses")
        return figure
