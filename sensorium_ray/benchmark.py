"""The rules of the benchmarks: tiers, tracks, stages, stimulus families, frame windows and the published mice.

Sources: Willeke et al. 2022 (arXiv 2206.08666); Turishcheva et al. 2023 (arXiv 2305.19654) and its retrospective
(arXiv 2407.09100).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from .errors import ConfigError

Stage = Literal["live", "final"]

STAGES: tuple[Stage, ...] = ("live", "final")

FRAME_RATE = 30.0
"""Frames per second of every published video."""
RESPONSE_UNITS = "deconvolved calcium, arbitrary units"
FRAME_SHAPE = (36, 64)
"""Height and width of every published 2023 video, and of a 2022 image as the models see it, pixels."""

FAMILIES = ("movie", "pink_noise", "gaussian_dots", "random_dots", "drifting_gabor", "images")
"""Stimulus families: natural movies, then the five out-of-distribution ones."""


@dataclass(frozen=True, slots=True)
class EvalWindow:
    """The frames of a trial that count: `start` included, `stop` excluded (None: to the end).

    The references disagree (2023 starter kit: 50 to the end; winner: 50..298; ViV1T: 50..299), so every
    result names the window that made it.
    """

    start: int
    stop: int | None

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
        with suppress(ValueError):  # of int, which takes some thousand digits at most
            if dots and first.isdecimal() and (last == "end" or (last.isdecimal() and int(last) >= int(first))):
                return cls(int(first), None if last == "end" else int(last) + 1)
        raise ConfigError(f"'{name}' names no frames", "--frames", "write it as 50..299 or 50..end")

    def slice(self, frames: int) -> slice:
        """Slice of a trial of `frames` valid frames; empty where the trial is too short."""
        stop = frames if self.stop is None else min(self.stop, frames)
        return slice(min(self.start, stop), stop)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The rules of one release.

    Parameters
    ----------
    name : what a frame store calls it.
    tiers : values of `meta/trials/tiers.npy`.
    oracle : the tier that models are compared and ensembles are learned on, its responses known to all.
    test_tiers : (track, stage) to the tier that is scored; their responses the organisers may withhold.
    window : frames of a trial that count.
    metrics : names in `metrics.definitions.METRICS`; the first one ranks.
    behavior : names of the behaviour channels.
    """

    name: str
    tiers: tuple[str, ...]
    oracle: str
    test_tiers: dict[tuple[str, Stage], str]
    window: EvalWindow
    metrics: tuple[str, ...]
    behavior: tuple[str, ...]

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks."""
        return tuple(dict.fromkeys(track for track, _ in self.test_tiers))

    def tier_of(self, track: str, stage: Stage) -> str:
        """Name of the tier that a track is scored on in a stage: ('ood', 'live') is 'live_test_bonus'.

        Raises
        ------
        ConfigError : the benchmark has no such track.
        """
        if (track, stage) not in self.test_tiers:
            raise ConfigError(f"{self.name} has no track '{track}'", "--track", f"it has {', '.join(self.tracks)}")
        return self.test_tiers[track, stage]

    def sections(
        self, mice: Sequence[str], tracks: Sequence[str] | None = None, stages: Sequence[Stage] = STAGES
    ) -> list[tuple[str, str]]:
        """Tiers and mice that tracks are scored on; of 2022 each track has its own mouse.

        Parameters
        ----------
        mice : there are.
        tracks : None: all.

        Raises
        ------
        ConfigError : the benchmark has no such track.
        """
        places = [(track, stage) for track in tracks or self.tracks for stage in stages]
        sections = [(mouse, self.tier_of(*place), place) for place in places for mouse in mice]
        return [(tier, mouse) for mouse, tier, place in sections if self.track_and_stage_of(mouse, tier) == place]

    def track_and_stage_of(self, mouse: str, tier: str) -> tuple[str, str]:
        """Inverse of `tier_of`; a tier that is no test is its own track, in stage 'dev'."""
        ranked_in = track_of(mouse)
        for (track, stage), known in self.test_tiers.items():
            if known == tier and ranked_in in (None, track):
                return track, stage
        return (ranked_in, _STAGE_OF_2022[tier]) if ranked_in and tier in _STAGE_OF_2022 else (tier, "dev")


SENSORIUM_2022 = Benchmark(
    name="sensorium2022",
    tiers=("train", "validation", "test", "final_test", "none"),
    oracle="validation",
    test_tiers={
        ("sensorium", "live"): "test",
        ("sensorium", "final"): "final_test",
        ("sensorium+", "live"): "test",
        ("sensorium+", "final"): "final_test",
    },
    window=EvalWindow(0, 1),
    metrics=("single_trial_correlation", "correlation_to_average_pooled", "fev", "feve", "poisson_loss"),
    behavior=("pupil dilation", "change of pupil dilation", "running speed"),
)
"""Grey images: a trial is a clip of one frame."""

SENSORIUM_2023 = Benchmark(
    name="sensorium2023",
    tiers=(
        "train",
        "oracle",
        "live_test_main",
        "live_test_bonus",
        "final_test_main",
        "final_test_bonus",
        "none",
    ),
    oracle="oracle",
    test_tiers={
        ("main", "live"): "live_test_main",
        ("main", "final"): "final_test_main",
        ("ood", "live"): "live_test_bonus",
        ("ood", "final"): "final_test_bonus",
    },
    window=EvalWindow(50, 300),
    metrics=(
        "single_trial_correlation",
        "correlation_to_average",
        "normalised_correlation",
        "fev",
        "feve",
        "poisson_loss",
    ),
    behavior=("pupil dilation", "running speed"),
)
"""Grey videos with behaviour; 'none' marks a trial that is not part of the benchmark."""

BENCHMARKS = {rules.name: rules for rules in (SENSORIUM_2022, SENSORIUM_2023)}

_STAGE_OF_2022 = {"test": "live", "final_test": "final"}
_TRACK_OF_2022 = {
    "static26872-17-20": "sensorium",
    "static27204-5-13": "sensorium+",
    "static21067-10-18": "pretraining",
    "static22846-10-16": "pretraining",
    "static23343-5-17": "pretraining",
    "static23656-14-22": "pretraining",
    "static23964-4-22": "pretraining",
}


def folder_of_2022(scan: str) -> str:
    """Name of a 2022 mouse's folder from its animal, session and scan; no more than 'static…' of one not published."""
    name = f"static{scan}"
    return f"{name}-GrayImageNet-94c6ff995dac583098847cfecd43e7b6" if name in _TRACK_OF_2022 else name


def track_of(mouse: str) -> str | None:
    """Track that a mouse of 2022 is ranked in, since each track has one; None: all tracks of its benchmark (2023).

    The other five published mice are 'pretraining', which is no track; a mouse that was not published counts
    for Sensorium+, since it has behaviour.
    """
    if not mouse.startswith("static"):
        return None
    return next((track for name, track in _TRACK_OF_2022.items() if mouse.startswith(name)), "sensorium+")


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
    and bonus trials of mice not in `MICE`, are 'ood'. All of 2022 are 'images'.
    """
    if mouse.startswith("static"):
        return "images"
    if not tier.endswith("_bonus"):
        return "movie"
    for facts in MICE:
        if facts.folder == mouse:
            families = facts.live_families if tier.startswith("live") else facts.final_families
            return families[0] if len(families) == 1 else "ood"
    return "ood"
