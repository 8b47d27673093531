"""Controversial images and videos: what one model says that a neuron answers strongly, and another that it does not.

Golan, Raju & Kriegeskorte 2020, PNAS 117:29330: shown to the mouse, such pictures tell which of two models is right,
also where they are equally good on every recorded stimulus.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...errors import ConfigError
from ...report.figures import COLOURS
from ..drawing import EXAMPLES, GUIDE, examples, page
from ..showing import PictureSettings, Showing, show
from ..subject import Subject


@dataclass(frozen=True, slots=True)
class Config(PictureSettings):
    """Settings: those of `showing.PictureSettings`."""


_SIDES = ("model", "against")


def measure(subject: Subject, config: Config) -> xr.Dataset:
    """Pictures over which two models differ most about each neuron, one way and the other.

    A model's drive of a picture is what this adds to its response to a blank screen, in what its best reference adds: a
    natural-like picture or a grating of the same contrast. Pictures are those of the greatest difference in drive.

    Parameters
    ----------
    subject : with another model beside it, see `Subject.beside`.

    Returns
    -------
    image : (neuron, excited, start, frame, elevation, azimuth) float32, grey levels; `excited` is which of the two
        answers strongly, 'model' or 'against'.
    drive : (neuron, excited, start, answering) of both models; `answering` has the same names.
    ascent : (neuron, excited, start, iteration) the excited model's drive less the other's, on the way.
    controversy : (neuron, excited) the greatest of them.
    best : (neuron, excited) the start whose image that is.

    Attributes say which model is against: against, against_checksum.

    Raises
    ------
    ConfigError : there is no other model.
    """
    if subject.against is None:
        raise ConfigError("has no other model to compare with", "controversial", "name one of the same neurons")
    sides = [_Side.of(Showing(asked, config)) for asked in (subject, subject.against)]
    showing, shape = sides[0].showing, (subject.neurons, 2, config.seeds)
    noise = showing.ascent.start(np.random.default_rng([config.seed, 0]), (config.seeds, *showing.shape))
    each = np.arange(subject.neurons).repeat(2 * config.seeds)
    sign = np.tile(np.array([1, -1], np.float32).repeat(config.seeds), subject.neurons)

    def difference(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        (drive, slope), (other, its_slope) = (side.drive(pictures, each) for side in sides)
        return sign * (drive - other), sign[:, None, None, None] * (slope - its_slope)

    images, worth = showing.ascent.climb(difference, np.tile(noise, (2 * subject.neurons, 1, 1, 1)), subject.track)
    azimuth, elevation = showing.screen.grid()
    drives = np.stack([side.drive(images, each)[0] for side in sides], axis=-1)
    result = xr.Dataset(
        {
            "image": ((*_KINDS, "frame", "elevation", "azimuth"), images.reshape(*shape, *images.shape[1:])),
            "drive": ((*_KINDS, "answering"), drives.reshape(*shape, 2)),
            "ascent": ((*_KINDS, "iteration"), worth.T.reshape(*shape, -1)),
        },
        {"excited": list(_SIDES), "answering": list(_SIDES), "elevation": elevation[:, 0], "azimuth": azimuth[0]},
        {"against": subject.against.model, "against_checksum": subject.against.checksum},
    )
    most = result["ascent"].max("iteration")
    return result.assign(controversy=most.max("start"), best=most.argmax("start"))


_KINDS = ("neuron", "excited", "start")


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the models; `blank` and `unit`, (neurons,), make drives of its responses."""

    showing: Showing
    blank: np.ndarray
    unit: np.ndarray

    @classmethod
    def of(cls, showing: Showing) -> _Side:
        blank, natural, gratings = (
            showing.respond(pictures).max(axis=0)
            for pictures in (showing.blank(), showing.natural(), showing.gratings())
        )
        return cls(showing, blank, np.maximum(np.maximum(natural, gratings) - blank, 1e-6))

    def drive(self, pictures: np.ndarray, neurons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Drive of one neuron by each picture, (pictures,), and its gradient."""
        response, slope = self.showing.differentiate(pictures, neurons)
        unit = self.unit[neurons]
        return (response - self.blank[neurons]) / unit, slope / unit[:, None, None, None]


def draw(result: xr.Dataset) -> Figure:
    """The most controversial neurons' pictures, with both models' drives, and how controversial all are."""
    shown = np.argsort(-result["controversy"].sum("excited").values, kind="stable")[:EXAMPLES]
    best = result.isel(start=result["best"])
    with page(1.4, 1.4, 3.0) as (figure, strips):
        for side, strip in zip(_SIDES, strips, strict=False):
            for axis, neuron in examples(strip, result, shown):
                one = best.isel(neuron=neuron).sel(excited=side)
                show(axis, one["image"])
                axis.set_xlabel(" : ".join(f"{float(drive):.1f}" for drive in one["drive"]), fontsize=8)
                if neuron == shown[0]:
                    axis.set_ylabel(result.attrs[side], fontsize=8)
        rising, compared = strips[2].subplots(1, 2)
        rising.plot(result["ascent"].max("start").isel(neuron=shown).mean("excited").T, linewidth=1)
        rising.set(xlabel="iteration", ylabel="difference in drive")
        for side, colour in zip(_SIDES, COLOURS, strict=False):
            model, against = (best["drive"].sel(excited=side, answering=name) for name in _SIDES)
            compared.scatter(model, against, 8, color=colour, label=f"excites {result.attrs[side]}")
        compared.axline((0, 0), slope=1, color=GUIDE, linewidth=1, zorder=0)
        compared.set(xlabel=f"drive, {result.attrs['model']}", ylabel=f"drive, {result.attrs['against']}")
        compared.legend()
        return figure
