"""Take published mice into a frame store, in parallel; what was killed can be run again.

How a run survives a kill: every trial file is written atomically, a mouse's `mouse.json` after all its files,
the store's `store.json` after all its mice. A `source.json`, written first, tells the files that a mouse came
from; what lies in its folder is kept only where that still fits. Several machines need `raw` on a disk that they
share, and `store` on one or on s3://.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .. import compute, storage
from ..benchmark import Benchmark
from ..errors import DataError
from ..metrics.statistics import CoMoments
from ..progress import ProgressLine
from ..storage import StrPath
from .moments import FrameMoments
from .raw import RawMouse, RawTrial, find_mice
from .store import (
    FORMAT,
    FrameStore,
    Statistics,
    TrialInfo,
    mouse_checksum,
    row_dtype,
    store_checksum,
    trial_file,
    video_id,
    write_trials,
)

_BATCH_BYTES = 64 * 1024**2
"""Of the trials of a task: few enough trials to spread evenly, enough to hide a task's own cost."""
_CANCEL_SECONDS = 60.0

Dtype = Literal["float32", "float16"]


@dataclass(frozen=True, slots=True)
class TrialDone:
    """A trial taken in.

    Parameters
    ----------
    info : what it is.
    frame_shape : (height, width), pixels.
    moments : of its rows where its tier is train.
    rounding : co-moments of the responses as published and as stored, where the two differ and its tier is train.
    """

    info: TrialInfo
    frame_shape: tuple[int, int]
    moments: FrameMoments | None
    rounding: CoMoments | None


def ingest(raw: StrPath, store: StrPath, *, dtype: Dtype = "float32", address: str | None = None) -> FrameStore:
    """Check the mice in `raw` and write them to `store`; a `truth` folder is left out.

    Run again after a kill it goes on where it was; run again on a finished store it does nothing.

    Parameters
    ----------
    raw : a mouse folder, a mouse's zip, or a folder of some; all of the same release.
    store : the frame store to make, a folder or s3://bucket/folder.
    dtype : of video and responses. float32 is exact; float16 takes half the room, and what rounding the
        responses costs in correlation is measured on the train tier and kept (`MouseData.rounding`).
    address : Ray cluster to use; without one a small one is started on this machine.

    Raises
    ------
    DataError : a mouse's file is at fault, `store` holds something else, or the disk is too small or full.
    """
    raw, target = Path(raw).absolute(), storage.locate(storage.absolute(store))
    mice = find_mice(raw)
    benchmark = _common_benchmark(mice)
    sources = {mouse.name: storage.sha256_of(mouse.fingerprint(), dtype) for mouse in mice}
    if _is_finished(target, sources):
        print(f"{target} is complete already", file=sys.stderr)
        return FrameStore.open(target)
    _require_own(target, sources)
    _require_training(mice)
    if not storage.is_remote(target):
        _require_space(target, mice, dtype)
    compute.connect(address)
    with ProgressLine(sum(len(mouse.trials) for mouse in mice), "ingest") as line:
        checksums = {mouse.name: _ingest_mouse(mouse, target, dtype, sources[mouse.name], line) for mouse in mice}
    entries = {"format": FORMAT, "benchmark": benchmark.name, "mice": checksums}
    storage.write_json(target / "store.json", {**entries, "checksum": store_checksum(checksums)})
    return FrameStore.open(target)


def _common_benchmark(mice: list[RawMouse]) -> Benchmark:
    first = mice[0]
    for mouse in mice:
        if mouse.benchmark.name != first.benchmark.name:
            what = f"is of {mouse.benchmark.name}, {first.name} of {first.benchmark.name}"
            raise DataError(what, mouse.name, "ingest each release into a store of its own")
    return first.benchmark


def _source_of(folder: Path) -> str | None:
    """Fingerprint of what a mouse of the store was, or is being, made from."""
    file = folder / "source.json"
    return str(storage.read_json(file)) if storage.is_file(file) else None


def _is_finished(store: Path, sources: dict[str, str]) -> bool:
    if not storage.is_file(store / "store.json"):
        return False
    made_from = {mouse: _source_of(store / mouse) for mouse in FrameStore.open(store).mice}
    if made_from != sources:
        what = "exists already, made from other mice or from files that have changed since"
        raise DataError(what, str(store), "name another store or remove it first")
    return True


def _require_own(store: Path, sources: dict[str, str]) -> None:
    """Refuse a folder that holds anything but an unfinished ingest of the same mice."""
    if storage.is_file(store):
        raise DataError("is a file", str(store), "name a folder")
    for name in storage.names(store):
        known = name in sources and _is_ours(store / name)
        if not known and not name.startswith(("store.json", ".")):
            what = f"holds '{name}', which is no part of an unfinished ingest of these mice"
            raise DataError(what, str(store), "name another store or remove it first")


def _is_ours(folder: Path) -> bool:
    """A mouse of a store has a source.json, or nothing yet but what a killed writer left of it."""
    inside = storage.names(folder)
    if not inside and storage.is_file(folder):
        return False
    return "source.json" in inside or all(name.startswith("source.json") for name in inside)


def _require_training(mice: list[RawMouse]) -> None:
    for mouse in mice:
        if "train" not in mouse.tiers:
            what = "has no trial of tier 'train', so nothing to take statistics from"
            raise DataError(what, mouse.name, "get the whole mouse")


def _require_space(store: Path, mice: list[RawMouse], dtype: Dtype) -> None:
    """Refuse a disk that cannot hold the store."""
    needed = sum(_row_bytes(mouse, dtype) * mouse.shape()[2] * len(mouse.trials) for mouse in mice)
    there = sum(file.stat().st_size for file in store.rglob("*.npy")) if store.is_dir() else 0
    storage.require_space(store, needed, there)


def _row_bytes(mouse: RawMouse, dtype: Dtype) -> int:
    height, width, _ = mouse.shape()
    return row_dtype((height, width), mouse.neurons, len(mouse.benchmark.behavior), dtype).itemsize


def _ingest_mouse(mouse: RawMouse, store: Path, dtype: Dtype, source: str, line: ProgressLine) -> str:
    """Write one mouse; return its checksum."""
    folder = store / mouse.name
    if _source_of(folder) != source:
        storage.remove(folder)
    elif storage.is_file(folder / "mouse.json"):
        line.advance(len(mouse.trials), mouse.name)
        return str(storage.read_json(folder / "mouse.json")["checksum"])
    storage.remove_partials(folder)
    storage.write_json(folder / "source.json", source)
    storage.remove_partials(folder / "trials")
    done: list[TrialDone] = []
    for finished in _in_parallel(mouse, folder, dtype):
        done += finished
        line.advance(len(finished), mouse.name)
    return _finish_mouse(mouse, folder, dtype, sorted(done, key=lambda trial: trial.info.trial))


def _in_parallel(mouse: RawMouse, folder: Path, dtype: Dtype) -> Iterator[list[TrialDone]]:
    """Results of the mouse's trials as Ray finishes them, few in flight at a time."""
    import ray

    task = ray.remote(_ingest_trials)
    trials = mouse.trials
    there = set(storage.names(folder / "trials"))
    size = max(1, _BATCH_BYTES // (_row_bytes(mouse, dtype) * mouse.shape()[2]))
    batches = iter([trials[start : start + size] for start in range(0, len(trials), size)])
    shared = ray.put((mouse, str(folder), dtype, there))
    limit = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    running = [task.remote(shared, batch) for _, batch in zip(range(limit), batches, strict=False)]
    try:
        while running:
            (ready,), running = ray.wait(running, num_returns=1)
            yield _result(ready)
            running += [task.remote(shared, batch) for _, batch in zip(range(1), batches, strict=False)]
    finally:
        for left in running:
            ray.cancel(left)
        if running:
            ray.wait(running, num_returns=len(running), timeout=_CANCEL_SECONDS)


def _result(reference: object) -> list[TrialDone]:
    """A task's result, or the very error that it raised."""
    import ray

    try:
        done: list[TrialDone] = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise compute.original(error) from error
    return done


def _ingest_trials(shared: tuple[RawMouse, str, Dtype, set[str]], trials: list[int]) -> list[TrialDone]:
    """Write some trials; runs in a Ray worker."""
    mouse, folder, dtype, there = shared
    place = storage.locate(folder)
    return [_ingest_trial(mouse, trial, trial_file(place, trial), dtype, there) for trial in trials]


def _ingest_trial(mouse: RawMouse, trial: int, target: Path, dtype: Dtype, there: set[str]) -> TrialDone:
    """Write one trial, unless a killed run has: the same source makes the same file."""
    read = mouse.read(trial)
    rows = _rows(read, dtype)
    checksum = storage.sha256(target) if target.name in there else storage.write_npy(target, rows)
    tier = str(mouse.tiers[trial])
    info = TrialInfo(trial, tier, len(rows), video_id(rows["video"]), checksum, *mouse.published_ids(trial))
    trained = tier == "train"
    rounding = CoMoments.of(np.stack([read.responses, rows["responses"].T])) if trained and dtype != "float32" else None
    return TrialDone(info, rows["video"].shape[1:], FrameMoments.of(rows) if trained else None, rounding)


def _rows(trial: RawTrial, dtype: Dtype) -> np.ndarray:
    """A row a frame: (frames,) structured."""
    frames, height, width = trial.video.shape
    rows = np.empty(frames, row_dtype((height, width), len(trial.responses), len(trial.behavior), dtype))
    rows["video"] = trial.video
    rows["responses"] = trial.responses.T
    rows["behavior"] = trial.behavior.T
    rows["pupil_center"] = trial.pupil_center.T
    return rows


def _finish_mouse(mouse: RawMouse, folder: Path, dtype: Dtype, done: list[TrialDone]) -> str:
    """Write all but the trials, `mouse.json` last; return the mouse's checksum."""
    infos = [trial.info for trial in done]
    frame_shape = _common_frame_shape(mouse, done)
    neurons = {"unit_ids": mouse.unit_ids, "coordinates": mouse.coordinates}
    if mouse.areas is not None:
        neurons["areas"] = mouse.areas
    storage.write_npz(folder / "neurons.npz", neurons)
    storage.write_npz(folder / "statistics.npz", _statistics(done) | _published(mouse))
    write_trials(folder / "trials.csv", infos)
    checksum = mouse_checksum(mouse.unit_ids, infos)
    described: dict[str, Any] = {
        "neurons": mouse.neurons,
        "frame_shape": frame_shape,
        "behavior_channels": len(mouse.benchmark.behavior),
        "dtype": dtype,
        "rounding": _rounding(done),
        "absent": mouse.absent,
        "checksum": checksum,
        "files": {name: storage.sha256(folder / name) for name in ("neurons.npz", "statistics.npz", "trials.csv")},
    }
    storage.write_json(folder / "mouse.json", described)
    return checksum


def _common_frame_shape(mouse: RawMouse, done: list[TrialDone]) -> tuple[int, int]:
    first = done[0]
    for trial in done:
        if trial.frame_shape != first.frame_shape:
            ours, theirs = ("x".join(map(str, which.frame_shape)) for which in (trial, first))
            what = f"has {ours} pixels, trial {first.info.trial} has {theirs}"
            where = mouse.where(mouse.stimulus, trial.info.trial)
            raise DataError(what, where, f"give all {mouse.stimulus} the same size")
    return first.frame_shape


def _rounding(done: list[TrialDone]) -> dict[str, float] | None:
    """What rounding the responses costs: 1 - correlation with the published ones, over the neurons."""
    parts = [trial.rounding for trial in done if trial.rounding is not None]
    if not parts:
        return None
    total = parts[0]
    for part in parts[1:]:
        total = total.merge(part)
    loss = 1 - total.correlation(0, 1, epsilon=0.0, nan=1.0)
    return {"median_correlation_loss": float(np.median(loss)), "largest_correlation_loss": float(loss.max())}


def _statistics(done: list[TrialDone]) -> dict[str, np.ndarray]:
    """Arrays of `Statistics` by name."""
    pooled = FrameMoments.pooled(trial.moments for trial in done if trial.moments is not None)
    statistics = Statistics(
        video_mean=pooled.video.mean[0],
        video_std=pooled.video.std[0],
        behavior_mean=pooled.behavior.mean,
        behavior_std=pooled.behavior.std,
        pupil_mean=pooled.pupil.mean,
        pupil_std=pooled.pupil.std,
        response_mean=pooled.response.mean,
        response_std=pooled.response.std,
    )
    names = Statistics.__dataclass_fields__
    return {name: np.asarray(array, np.float32) for name, array in zip(names, astuple(statistics), strict=True)}


def _published(mouse: RawMouse) -> dict[str, np.ndarray]:
    return {f"published/{name}": array.astype(np.float32) for name, array in mouse.statistics.items()}
