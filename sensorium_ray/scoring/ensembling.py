"""Learn an ensemble: its members' weights come from the oracle tier alone, streamed through the batch job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from ..benchmark import DEFAULT_WINDOW, EvalWindow
from ..bundle.ensemble import fit_weights, write_ensemble
from ..bundle.manifest import Manifest
from ..data.store import FrameStore
from ..errors import BundleError, DataError
from ..metrics.statistics import CoMoments
from ..progress import track
from ..storage import StrPath, require_new
from .job import PredictorSet, Row, check_bundles, pack_moments, require_frames, run_actors, unpack_moments

TIER = "oracle"


def learn_ensemble(
    store: StrPath,
    bundles: Sequence[StrPath],
    out: StrPath,
    *,
    window: EvalWindow = DEFAULT_WINDOW,
    address: str | None = None,
) -> Manifest:
    """Write the ensemble of `bundles` whose weights answer the oracle tier best.

    Raises
    ------
    DataError : the store has no oracle trial, or `out` exists.
    BundleError : fewer than two bundles, or one does not fit the store.
    """
    store, out = Path(store), Path(out)
    members = [Path(bundle) for bundle in bundles]
    require_new(out)
    if len(members) < 2:
        raise BundleError("an ensemble has two or more members", "ensemble", "name more bundles")
    data = FrameStore.open(store)
    check_bundles(data, members)
    names = [Manifest.read(bundle).name for bundle in members]
    items = _items(data, window)
    arguments = (data.path.resolve(), [bundle.resolve() for bundle in members], window)
    by_mouse: dict[str, CoMoments] = {}
    for row in track(run_actors(items, _OracleMoments, arguments, address), len(items), "ensemble"):
        found = unpack_moments(row, signals=len(names) + 1)
        mouse = row["mouse"]
        by_mouse[mouse] = by_mouse[mouse].merge(found) if mouse in by_mouse else found
    weights = fit_weights(list(by_mouse.values()))
    provenance = {"data_checksum": data.checksum, "tier": TIER, "window": window.name}
    return write_ensemble(dict(zip(names, members, strict=True)), list(weights), out, provenance)


def _items(store: FrameStore, window: EvalWindow) -> list[Row]:
    items: list[Row] = []
    for mouse in store.mice:
        trials = store[mouse].select(TIER)
        if not trials:
            raise DataError(f"has no trial of the {TIER} tier", mouse, "ingest the whole mouse folder")
        for info in trials:
            require_frames(window, mouse, info)
            items.append({"mouse": mouse, "trial": info.trial})
    return items


class _OracleMoments:
    """Actor: co-moments of recorded and predicted responses of one trial, members in the order of the bundles."""

    def __init__(self, store: Path, bundles: list[Path], window: EvalWindow) -> None:
        self._store, self._bundles, self._window = store, bundles, window

    # Opened with the first trial, as in the scoring job, so that an error keeps its type.
    @cached_property
    def _data(self) -> FrameStore:
        return FrameStore.open(self._store)

    @cached_property
    def _predictors(self) -> tuple[PredictorSet, list[str]]:
        return PredictorSet(self._bundles), [Manifest.read(bundle).name for bundle in self._bundles]

    def __call__(self, item: Row) -> Iterator[Row]:
        mouse, trial = self._data[item["mouse"]], int(item["trial"])
        predictors, names = self._predictors
        answers = predictors.predict(mouse.clip(trial), mouse.name)
        signals = np.stack([mouse.responses(trial), *(answers[name] for name in names)])
        moments = CoMoments.of(signals[:, :, self._window.slice(signals.shape[2])])
        yield {"mouse": mouse.name, **pack_moments(moments)}
