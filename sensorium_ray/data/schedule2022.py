"""Which images a simulated mouse of 2022 sees: how many, of what tier, in what order, and which repeat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .schedule import SCHEDULE, Presentation, Scale, generator

_TEST_TIERS = ("test", "final_test")


@dataclass(frozen=True)
class ImageScale(Scale):
    """How large a simulation of the 2022 release is.

    Parameters
    ----------
    validation : validation images of a mouse, each shown once.
    tested : images of a test tier, each repeated; the same ones for all mice.
    """

    validation: int
    tested: int


SCALES_2022: dict[str, ImageScale] = {
    scale.name: scale
    for scale in (
        ImageScale("tiny", (24, 18), 24, 3, 0.0, calibration=4, validation=6, tested=4),
        ImageScale("demo", (500, 400), 600, 5, 0.02, calibration=12, validation=60, tested=20),
        ImageScale("full", (7800, 7500), 4500, 10, 0.05, calibration=12, validation=500, tested=100),
    )
}
"""For tests, for a first look, and as large as the published mice."""


@dataclass(frozen=True, slots=True)
class ImagePresentation(Presentation):
    """One trial; its `number` is the image's id."""

    @property
    def video(self) -> str:
        """The image's id."""
        return str(self.number)


def schedule_images(scale: ImageScale, seed: int, mouse: int) -> tuple[np.ndarray, list[ImagePresentation]]:
    """Draw the trials of one mouse; no trial is left out of the benchmark.

    Returns
    -------
    tiers : (trials,) unicode.
    presentations : ordered by trial.
    """
    rng = generator(seed, SCHEDULE, mouse)
    shown: list[tuple[str, int]] = []
    for position, tier in enumerate(_TEST_TIERS):
        for number in range(position * scale.tested, (position + 1) * scale.tested):
            shown += [(tier, number)] * (scale.repeats - int(rng.random() < scale.missing))
    once = scale.train + scale.validation
    # Mice share a part of the images that are shown once.
    library = len(_TEST_TIERS) * scale.tested + np.arange(round(1.3 * once))
    numbers = rng.choice(library, once, replace=False).tolist()
    shown += [("train", number) for number in numbers[: scale.train]]
    shown += [("validation", number) for number in numbers[scale.train :]]
    order = rng.permutation(len(shown)).tolist()
    presentations = [
        ImagePresentation(trial, shown[place][0], "images", shown[place][1], frames=1)
        for trial, place in enumerate(order)
    ]
    return np.array([presentation.tier for presentation in presentations]), presentations
