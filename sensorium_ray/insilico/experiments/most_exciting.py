"""Most exciting images and videos: what a neuron answers most strongly, found by gradient ascent on the pixels.

Walker et al. 2019, Nat. Neurosci. 22:2060 (images that excite neurons of mouse V1 most), and Bashivan, Kar & DiCarlo
2019, Science 364:eaav9436. With `variants`, images as different as may be that a neuron answers nearly as strongly,
which tell what it does not care about: Cadena et al. 2018, arXiv 1807.10589, and Ding et al. 2023, bioRxiv
2023.03.15.532836.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...data.stimuli import GREY
from ...errors import ConfigError
from ...report.figures import COLOURS
from ..conditions import require_least
from ..drawing import EXAMPLES, GUIDE, examples, page
from ..fields import describe_fields, envelope
from ..showing import PictureSettings, Showing, clearest_frame, show
from ..subject import Subject


@dataclass(frozen=True, slots=True)
class Config(PictureSettings):
    """Settings.

    Parameters
    ----------
    variants : how many images that differ to find of each neuron, beside the most exciting one; 0: none.
    share : of what the best image adds to the response to a blank screen, that a variant adds at least.

    The others are those of `showing.PictureSettings`.
    """

    variants: int = 0
    share: float = 0.85

    def __post_init__(self) -> None:
        PictureSettings.__post_init__(self)
        require_least("variants", self.variants, 0)
        if not 0 < self.share < 1:
            raise ConfigError(f"is {self.share}", "share", "give one between 0 and 1")


def measure(subject: Subject, config: Config) -> xr.Dataset:
    """Most exciting images of all neurons, from several noises each.

    Returns
    -------
    image : (neuron, start, frame, elevation, azimuth) float32, grey levels; one frame unless `moving`.
    activation : (neuron, start) mean response to it.
    ascent : (neuron, start, iteration) the same on the way.
    best : (neuron,) the start whose image excites most.
    natural, grating, blank : (neuron,) the greatest of the mean responses to natural-like pictures and to gratings of
        the same contrast, and that to a blank screen.
    variant_image, variant_activation : (neuron, variant, frame, elevation, azimuth) and (neuron, variant), if any.
    field_azimuth, field_elevation, field_diameter, field_clearness : (neuron,) of the best image's envelope, of a
        video of the frame of the greatest contrast, as in `fields.describe_fields`.
    """
    showing = Showing(subject, config)
    ascent, neurons = showing.ascent, np.arange(subject.neurons)
    references = {"natural": showing.natural(), "grating": showing.gratings(), "blank": showing.blank()}
    # The same noises for every neuron, so that its images do not depend on which others are asked about.
    noise = ascent.start(np.random.default_rng([config.seed, 0]), (config.seeds, *showing.shape))
    each = neurons.repeat(config.seeds)
    images, worth = ascent.climb(
        lambda pictures: showing.differentiate(pictures, each), np.tile(noise, (len(neurons), 1, 1, 1)), subject.track
    )
    azimuth, elevation = showing.screen.grid()
    images = images.reshape(len(neurons), config.seeds, *images.shape[1:])
    result = xr.Dataset(
        {
            "image": (("neuron", "start", *_PICTURE), images),
            "ascent": (("neuron", "start", "iteration"), worth.T.reshape(len(neurons), config.seeds, -1)),
            **{name: ("neuron", showing.respond(shown).max(axis=0)) for name, shown in references.items()},
        },
        {"elevation": elevation[:, 0], "azimuth": azimuth[0]},
    )
    result["activation"] = result["ascent"].max("iteration")
    result["best"] = result["activation"].argmax("start")
    best = result["image"].isel(start=result["best"])
    if config.variants:
        many = neurons.repeat(config.variants)
        floors = result["blank"] + config.share * (result["activation"].max("start") - result["blank"])
        found, kept = ascent.diversify(
            lambda pictures: showing.differentiate(pictures, many),
            best.values,
            config.variants,
            floors.values,
            np.random.default_rng([config.seed, 2]),
            subject.track,
        )
        result["variant_image"] = (("neuron", "variant", *_PICTURE), found)
        result["variant_activation"] = (("neuron", "variant"), kept)
    return result.assign(describe_fields(envelope(clearest_frame(best) - GREY)))


_PICTURE = ("frame", "elevation", "azimuth")


def draw(result: xr.Dataset) -> Figure:
    """The best images of the neurons that they excite most beyond gratings, with variants below; and how they rose."""
    best = result["activation"].max("start")
    grating = np.maximum(result["grating"], 1e-9)
    shown = np.argsort(-(best / grating).values, kind="stable")[:EXAMPLES]
    variants = min(result.sizes.get("variant", 0), 3)
    with page(*[1.3] * (variants + 1), 3.0) as (figure, strips):
        for row, strip in enumerate(strips[:-1]):
            for axis, neuron in examples(strip, result, shown):
                one = result.isel(neuron=neuron)
                show(axis, one["variant_image"].isel(variant=row - 1) if row else one["image"].isel(start=one["best"]))
                if row:
                    axis.set_title("")
                if neuron == shown[0]:
                    axis.set_ylabel("variant" if row else "best", fontsize=8)
        rising, compared = strips[-1].subplots(1, 2)
        rising.plot((result["ascent"].max("start") / grating).isel(neuron=shown).T, linewidth=1)
        rising.set(xlabel="iteration", ylabel="response, in that to the best grating")
        for name, colour in (("grating", COLOURS[0]), ("natural", COLOURS[1])):
            compared.scatter(result[name], best, 8, color=colour, label=name)
        compared.axline((0, 0), slope=1, color=GUIDE, linewidth=1, zorder=0)
        compared.set(xlabel="greatest response to a reference", ylabel="response to the best")
        compared.legend()
        return figure
