"""The rules of the benchmarks: tiers, tracks, stages, stimulus families, frame windows and the ten mice.

Source: Turishcheva et al. 2023 (arXiv 2305.19654) and its retrospective (arXiv 2407.09100).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .errors import ConfigError

Track = Literal["main", "ood"]
Stage = Literal["live", "final"]

FRAME_RATE = 30.0
"""Frames per second of every published video."""
FRAME_SHAPE = (36, 64)
"""Height and width of every published 2023 video, pixels."""

TIERS = (
    "train",
    "oracle",
    "live_test_main",
    "live_test_bonus",
    "final_test_main",
    "final_test_bonus",
    "none",
)
"""The values of `meta/trials/tiers.npy`; 'none' marks a trial that is not part of the benchmark."""

TRACKS: tuple[Track, ...] = ("main", "ood")
STAGES: tuple[Stage, ...] = ("live", "final")

FAMILIES = ("movie", "pink_noise", "gaussian_dots", "random_dots", "drifting_gabor", "images")
"""Stimulus families: natural movies, then the five out-of-distribution ones."""

TEST_TIERS = tuple(tier for tier in TIERS if "_test_" in tier)
"""Tiers whose responses the organisers may withhold."""


def tier_of(track: Track, stage: Stage) -> str:
    """Name of the tier that a track is scored on in a stage: ('ood', 'live') is 'live_test_bonus'."""
    return f"{stage}_test_{'main' if track == 'main' else 'bonus'}"


def track_and_stage_of(tier: str) -> tuple[str, str]:
    """Inverse of `tier_of`; the oracle and train tiers are their own track, in stage 'dev'."""
    for track in TRACKS:
        for stage in STAGES:
            if tier_of(track, stage) == tier:
                return track, stage
    return tier, "dev"


@dataclass(frozen=True, slots=True)
class EvalWindow:
    """The frames of a trial that count: `start` included, `stop` excluded (None: to the end).

    The references disagree (2023 starter kit: 50 to the end; winner: 50..298; ViV1T: 50..299), so every
    result names the window that made it.
    """

    start: int = 50
    stop: int | None = 300

    @property
    def name(self) -> str:
        """'50..299', both ends included as the papers write it, or '50..end'."""
        return f"{self.start}..{'end' if self.stop is None else self.stop - 1}"

    @classmethod
    def parse(cls, name: str) -> EvalWindow:
        """Read a name such as '50..299' or '50..end'.

        Raises
        ------
        ConfigError : the name is not of that form, or names no frame.
        """
        first, dots, last = name.partition("..")
        if dots and first.isdigit() and (last == "end" or (last.isdigit() and int(last) >= int(first))):
            return cls(int(first), None if last == "end" else int(last) + 1)
        raise ConfigError(f"'{name}' names no frames", "--frames", "write it as 50..299 or 50..end")

    def slice(self, frames: int) -> slice:
        """Slice of a trial of `frames` valid frames; empty where the trial is too short."""
        stop = frames if self.stop is None else min(self.stop, frames)
        return slice(min(self.start, stop), stop)


DEFAULT_WINDOW = EvalWindow()


@dataclass(frozen=True, slots=True)
class MouseFacts:
    """One of the ten mice of the 2023 benchmark and the families of its bonus tiers."""

    letter: str
    folder: str
    neurons: int
    live_families: tuple[str, ...]
    final_families: tuple[str, ...]


_FIRST = "Video-8744edeac3b4d1ce16b680916b5267ce"
_ADDED = "Video-9b4f6a1a067fe51e15306b9628efea20"

MICE = (
    MouseFacts("A", f"dynamic29156-11-10-{_FIRST}", 7440, ("pink_noise",), ("gaussian_dots", "random_dots")),
    MouseFacts("B", f"dynamic29228-2-10-{_FIRST}", 7928, ("drifting_gabor",), ("pink_noise", "images")),
    MouseFacts("C", f"dynamic29234-6-9-{_FIRST}", 8285, ("random_dots",), ("drifting_gabor", "images")),
    MouseFacts("D", f"dynamic29513-3-5-{_FIRST}", 7671, ("images",), ("pink_noise", "gaussian_dots")),
    MouseFacts("E", f"dynamic29514-2-9-{_FIRST}", 7495, ("gaussian_dots",), ("random_dots", "drifting_gabor")),
    MouseFacts("F", f"dynamic29515-10-12-{_ADDED}", 7863, ("pink_noise",), ("gaussian_dots", "random_dots")),
    MouseFacts("G", f"dynamic29623-4-9-{_ADDED}", 7908, ("drifting_gabor",), ("random_dots", "images")),
    MouseFacts("H", f"dynamic29647-19-8-{_ADDED}", 8202, ("gaussian_dots",), ("pink_noise", "images")),
    MouseFacts("I", f"dynamic29712-5-9-{_ADDED}", 7939, ("random_dots",), ("gaussian_dots", "drifting_gabor")),
    MouseFacts("J", f"dynamic29755-2-8-{_ADDED}", 8122, ("images",), ("pink_noise", "drifting_gabor")),
)
"""The published mice, in the order of the paper; A-E came first, F-J are the competition's."""


def family_of(mouse: str, tier: str) -> str:
    """Stimulus family of a published mouse's trial as far as its tier tells it.

    A final bonus tier holds two families, which the published folders do not tell apart: those trials,
    and bonus trials of mice not in `MICE`, are 'ood'.
    """
    if not tier.endswith("_bonus"):
        return "movie"
    for facts in MICE:
        if facts.folder == mouse:
            families = facts.live_families if tier.startswith("live") else facts.final_families
            return families[0] if len(families) == 1 else "ood"
    return "ood"
