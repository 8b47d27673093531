"""What is to be scored: the trials of a store in shards, each a piece of work that can be done anywhere and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..benchmark import EvalWindow
from ..data.store import TrialInfo
from ..errors import DataError
from .actors import require_frames
from .recording import Recording

_SHARD_FRAMES = 600
"""Frames that make a shard: a video of 2023 with its repeats, or some hundred images of 2022."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Some videos of one family, tier and mouse, each with all its repeats.

    Repeats stay together, since the metrics over them need them at once.

    Parameters
    ----------
    name : unlike any other's of the plan, made of nothing but the store's content; a path on every disk.
    mouse, tier, family : whose.
    videos : trials of each video.
    first_unit : running number of the first trial among those of the tier and mouse, for resampling.
    ceiling : whether the expected responses of all trials of the tier and mouse are known.
    traced : whether its first trial's traces are kept for pictures: the first shard of a mouse and family is.
    """

    name: str
    mouse: str
    tier: str
    family: str
    videos: tuple[tuple[int, ...], ...]
    first_unit: int
    ceiling: bool
    traced: bool

    @property
    def trials(self) -> int:
        """Number of trials."""
        return sum(map(len, self.videos))


def plan(recording: Recording, sections: Iterable[tuple[str, str]], window: EvalWindow) -> list[Shard]:
    """Shards of the tiers and mice of `sections`, in their order.

    Raises
    ------
    DataError : there is no trial of them, a trial is too short for the window, or the responses of a tier are
        withheld.
    """
    sections = list(sections)
    traced: set[tuple[str, str]] = set()
    shards = [shard for tier, mouse in sections for shard in _of_mouse(recording, mouse, tier, window, traced)]
    if not shards:
        what = f"has no trial of {', '.join(dict.fromkeys(tier for tier, _ in sections)) or 'this track'}"
        raise DataError(what, str(recording.store.path), "name another track or stage")
    return shards


def _of_mouse(
    recording: Recording, mouse: str, tier: str, window: EvalWindow, traced: set[tuple[str, str]]
) -> Iterator[Shard]:
    infos = recording.store[mouse].select(tier)
    if not infos:
        return
    for info in infos:
        require_frames(window, mouse, info)
    recording.require_responses(mouse, tier, (info.trial for info in infos))
    truth, unit = recording.truth, 0
    ceiling = truth is not None and all(truth.has_rates(mouse, info.trial) for info in infos)
    for number, (family, videos) in enumerate(_shards(recording, mouse, infos)):
        first = (mouse, family) not in traced
        traced.add((mouse, family))
        yield Shard(f"{mouse}/{tier}/{number}-{family}", mouse, tier, family, videos, unit, ceiling, first)
        unit += sum(map(len, videos))


def _shards(
    recording: Recording, mouse: str, infos: Sequence[TrialInfo]
) -> Iterator[tuple[str, tuple[tuple[int, ...], ...]]]:
    """Families and videos of each shard; the videos in the order in which they were first shown."""
    videos: dict[tuple[str, str], list[TrialInfo]] = {}
    for info in infos:
        videos.setdefault((recording.family(mouse, info), info.video), []).append(info)
    for family, of_family in groupby(sorted(videos.items(), key=lambda item: item[0][0]), key=lambda item: item[0][0]):
        shard: list[tuple[int, ...]] = []
        frames = 0
        for _, shown in of_family:
            shard.append(tuple(info.trial for info in shown))
            frames += sum(info.frames for info in shown)
            if frames >= _SHARD_FRAMES:
                yield family, tuple(shard)
                shard, frames = [], 0
        if shard:
            yield family, tuple(shard)
