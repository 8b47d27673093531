"""Which trials a simulated mouse of 2023 sees: how many, of what tier and family, in what order, which repeat.

What a schedule of 2022 has in common with it is here too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..benchmark import FAMILIES, MICE

CALIBRATION, VIDEO, SCHEDULE, MOUSE, BEHAVIOR, NOISE = range(6)
"""Purposes of random numbers, see `generator`."""

_REPEATED_MOVIES = 6
"""Videos of a tier that is repeated; an artificial family has as many stimuli, random dots have eight."""
_MOVIE_TIERS = ("oracle", "live_test_main", "final_test_main")
_NONE_SHARE = 0.02  # trials that were shown but are not part of the benchmark


@dataclass(frozen=True)
class Scale:
    """How large a simulation is; each release has scales of its own.

    Parameters
    ----------
    name : what the command line calls it.
    neurons : of the first mouse, the second, ...; its length is the number of mice.
    train : training stimuli of a mouse, each shown once.
    repeats : presentations of a stimulus that is repeated.
    missing : share of the repeated stimuli that lack one presentation.
    calibration : movies of 300 frames that fix the neurons' scale.
    """

    name: str
    neurons: tuple[int, ...]
    train: int
    repeats: int
    missing: float
    calibration: int

    def with_mice(self, count: int) -> Self:
        """The same with another number of mice; the sizes of these take turns."""
        return replace(self, neurons=tuple(self.neurons[i % len(self.neurons)] for i in range(count)))


@dataclass(frozen=True)
class VideoScale(Scale):
    """How large a simulation of the 2023 release is.

    Parameters
    ----------
    frames, padded : valid frames of an ordinary trial, and of all arrays with their NaN tail.
    cut : valid frames of the few shorter trials: the barely and the much shorter.
    """

    frames: int
    padded: int
    cut: tuple[int, int]


SCALES: dict[str, VideoScale] = {
    scale.name: scale
    for scale in (
        VideoScale("tiny", (24, 18), 12, 2, 0.0, calibration=4, frames=60, padded=72, cut=(59, 48)),
        VideoScale("demo", (500, 400), 110, 3, 0.02, calibration=12, frames=300, padded=324, cut=(299, 239)),
        VideoScale("full", (7900, 7900), 350, 10, 0.15, calibration=12, frames=300, padded=324, cut=(299, 239)),
    )
}
"""For tests, for a first look, and as large as the published mice."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """One trial that is part of the benchmark.

    Parameters
    ----------
    trial : index of the trial, N of N.npy.
    tier, family : as in `benchmark`.
    number : of the stimulus within its family; the same number is the same stimulus, whichever mouse sees it.
    frames : valid frames.
    """

    trial: int
    tier: str
    family: str
    number: int
    frames: int

    @property
    def video(self) -> str:
        """Name of the video, shared by its repeats."""
        return f"{self.family}-{self.number:05d}"

    @property
    def judged(self) -> bool:
        """Whether models are judged on it, so that its expected responses are kept."""
        return self.tier != "train"

    @property
    def withheld(self) -> bool:
        """Whether the published responses are zeros."""
        return "test" in self.tier


def generator(seed: int, purpose: int, *index: int) -> np.random.Generator:
    """Random numbers that depend on nothing but what they are for, so that trials can be made in any order."""
    return np.random.default_rng(np.random.SeedSequence((seed, purpose, *index)))


def mouse_name(pattern: str, scale: Scale, seed: int, mouse: int) -> str:
    """Name of a simulated mouse's folder, such as `pattern` 'dynamic{}-Video-{}'.

    No published mouse has an animal number this small.
    """
    digest = hashlib.md5(f"{scale.name} {seed} {mouse}".encode(), usedforsecurity=False).hexdigest()
    return pattern.format(f"{mouse + 1:05d}-1-1", digest)


def schedule(scale: VideoScale, seed: int, mouse: int) -> tuple[np.ndarray, list[Presentation]]:
    """Draw the trials of one mouse.

    Returns
    -------
    tiers : (trials,) unicode, 'none' where a trial is not part of the benchmark.
    presentations : the others, ordered by trial.
    """
    rng = generator(seed, SCHEDULE, mouse)
    shown = _training(scale, rng)
    for position, tier in enumerate(_MOVIE_TIERS):
        numbers = range(position * _REPEATED_MOVIES, (position + 1) * _REPEATED_MOVIES)
        shown += _repeats(scale, rng, tier, "movie", numbers)
    # The sixth to tenth published mice are the competition's; the first two of them see all five families.
    facts = MICE[(5 + mouse) % len(MICE)]
    for tier, families in (
        ("live_test_bonus", facts.live_families),
        ("final_test_bonus", facts.final_families),
    ):
        for family in families:
            first = 100 * mouse
            stimuli = 8 if family == "random_dots" else _REPEATED_MOVIES
            shown += _repeats(scale, rng, tier, family, range(first, first + stimuli))
    none = max(round(_NONE_SHARE * len(shown)), 1)
    places = rng.permutation(len(shown) + none)
    tiers = np.full(len(places), "none", dtype=f"<U{max(len(tier) for tier, *_ in shown)}")
    presentations = []
    for place, (tier, family, number, frames) in zip(places, shown, strict=False):
        tiers[place] = tier
        presentations.append(Presentation(int(place), tier, family, number, frames))
    return tiers, sorted(presentations, key=lambda presentation: presentation.trial)


_Shown = tuple[str, str, int, int]  # tier, family, number, frames


def _training(scale: VideoScale, rng: np.random.Generator) -> list[_Shown]:
    """Training movies, drawn from a library that all mice share in part; a few of them are shorter."""
    first = _REPEATED_MOVIES * len(_MOVIE_TIERS)
    library = first + np.arange(round(1.3 * scale.train))
    numbers = rng.choice(library, scale.train, replace=False)
    barely, much = max(scale.train // 50, 1), max(scale.train // 100, 1)
    frames = [scale.cut[0]] * barely + [scale.cut[1]] * much
    frames += [scale.frames] * (scale.train - len(frames))
    return [("train", "movie", int(number), length) for number, length in zip(numbers, frames, strict=True)]


def _repeats(scale: VideoScale, rng: np.random.Generator, tier: str, family: str, numbers: range) -> list[_Shown]:
    """All presentations of a repeated tier's videos; the last oracle and live movie miss a frame."""
    shown: list[_Shown] = []
    for number in numbers:
        barely = number == numbers[-1] and tier in ("oracle", "live_test_main")
        frames = scale.cut[0] if barely else scale.frames
        shown += [(tier, family, number, frames)] * (scale.repeats - int(rng.random() < scale.missing))
    return shown


def family_index(family: str) -> int:
    """Number of a family, for `generator`."""
    return FAMILIES.index(family)
