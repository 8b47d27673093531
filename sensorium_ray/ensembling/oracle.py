"""Statistics of members on the oracle tier, by group of videos and mouse: the one pass over the data for ensembles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from ..benchmark import EvalWindow
from ..bundle.manifest import Manifest
from ..data.store import FrameStore
from ..errors import DataError
from ..progress import track
from ..scoring.actors import PredictorSet, Row, require_frames, run_actors
from ..storage import absolute, locate
from .crossvalidation import Fold, split_videos
from .members import MemberMoments


def oracle_folds(
    store: FrameStore, bundles: Sequence[Path], tier: str, window: EvalWindow, address: str | None = None
) -> tuple[list[Fold], list[dict[str, int]]]:
    """Let the actors predict all trials of a tier.

    Returns
    -------
    Statistics of each fold by mouse, members in the order of the bundles; and how many `videos` and `trials` each has.

    Raises
    ------
    DataError : a mouse has no trial in the tier, or fewer than two videos.
    """
    items = _items(store, tier, window)
    arguments = (absolute(store.path), [absolute(bundle) for bundle in bundles], window)
    folds: list[dict[str, MemberMoments]] = [{} for _ in {item["fold"] for item in items}]
    for row in track(run_actors(items, _OracleMoments, arguments, address), len(items), "ensemble"):
        folds[row["fold"]][row["mouse"]] = _unpack(row)
    return list(folds), [_size([item for item in items if item["fold"] == fold]) for fold in range(len(folds))]


def _items(store: FrameStore, tier: str, window: EvalWindow) -> list[Row]:
    """Work: the trials of one mouse and group of videos."""
    trials = {mouse: store[mouse].select(tier) for mouse in store.mice}
    for mouse, found in trials.items():
        if not found:
            raise DataError(f"has no trial of the {tier} tier", mouse, "ingest the whole mouse folder")
        for info in found:
            require_frames(window, mouse, info)
    folds = split_videos({mouse: [info.video for info in found] for mouse, found in trials.items()})
    items: dict[tuple[str, int], Row] = {}
    for mouse, found in trials.items():
        for info in found:
            fold = folds[info.video]
            item = items.setdefault((mouse, fold), {"mouse": mouse, "fold": fold, "trials": [], "videos": []})
            item["trials"].append(info.trial)
            item["videos"].append(info.video)
    return list(items.values())


def _size(items: Sequence[Row]) -> dict[str, int]:
    videos = {video for item in items for video in item["videos"]}
    return {"videos": len(videos), "trials": sum(len(item["trials"]) for item in items)}


class _OracleMoments:
    """Actor: statistics of one mouse and group of videos."""

    def __init__(self, store: str, bundles: list[str], window: EvalWindow) -> None:
        self._store, self._bundles, self._window = store, [locate(bundle) for bundle in bundles], window

    # Opened with the first item, as in the scoring job, so that an error keeps its type.
    @cached_property
    def _data(self) -> FrameStore:
        return FrameStore.open(self._store)

    @cached_property
    def _predictors(self) -> tuple[PredictorSet, list[str]]:
        return PredictorSet(self._bundles), [Manifest.read(bundle).name for bundle in self._bundles]

    def __call__(self, item: Row) -> Iterator[Row]:
        first, *others = (int(trial) for trial in item["trials"])
        total = self._moments(item["mouse"], first)
        for trial in others:
            total = MemberMoments.merged([total, self._moments(item["mouse"], trial)])
        yield {"mouse": item["mouse"], "fold": item["fold"], **_pack(total)}

    def _moments(self, name: str, trial: int) -> MemberMoments:
        mouse = self._data[name]
        predictors, names = self._predictors
        answers = predictors.predict(mouse.clip(trial), name)
        signals = [mouse.responses(trial), *(answers[member] for member in names)]
        counted = self._window.slice(signals[0].shape[1])
        return MemberMoments.of([signal[:, counted] for signal in signals])


def _pack(moments: MemberMoments) -> Row:
    return {
        "count": moments.count,
        "neurons": moments.mean.shape[1],
        "mean": moments.mean.tobytes(),
        "comoment": moments.comoment.tobytes(),
    }


def _unpack(row: Row) -> MemberMoments:
    mean, comoment = (np.frombuffer(row[name]).reshape(-1, row["neurons"]) for name in ("mean", "comoment"))
    return MemberMoments(row["count"], mean, comoment)
