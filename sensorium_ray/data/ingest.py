"""Take published mouse folders into a frame store, in parallel; what was killed can be run again.

How a run survives a kill: every trial file is written atomically, a mouse's `mouse.json` after all its files,
the store's `store.json` after all its mice. A `source.json`, written first, tells the files that a mouse came
from; what lies in its folder is kept only where that still fits. Several machines need `raw` and `store` on a
disk that they share.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import numpy as np

from .. import compute, storage
from ..errors import DataError
from ..progress import ProgressLine
from ..storage import StrPath
from .moments import FrameMoments
from .npy import read_npy
from .raw import FIELDS, RawMouse, RawTrial, find_mice
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

_BATCH = 4
"""Trials a task: few enough to spread evenly, enough to hide a task's own cost."""
_CANCEL_SECONDS = 60.0

TrialDone = tuple[TrialInfo, tuple[int, int], FrameMoments | None]
"""A trial taken in: what it is, its (height, width), and its moments where its tier is train."""


def ingest(raw: StrPath, store: StrPath, address: str | None = None) -> FrameStore:
    """Check the mice in `raw` and write them to `store`; a `truth` folder is left out.

    Run again after a kill it goes on where it was; run again on a finished store it does nothing.

    Parameters
    ----------
    raw : a mouse folder, or a folder of some.
    store : the frame store to make.
    address : Ray cluster to use; without one a small one is started on this machine.

    Raises
    ------
    DataError : a mouse's file is at fault, `store` holds something else, or the disk is too small or full.
    """
    raw, store = Path(raw).absolute(), Path(store).absolute()
    mice = find_mice(raw)
    sources = {mouse.name: _fingerprint(mouse) for mouse in mice}
    if _is_finished(store, sources):
        print(f"{store} is complete already", file=sys.stderr)
        return FrameStore.open(store)
    _require_own(store, sources)
    _require_training(mice)
    _require_space(store, mice)
    _make_folder(store)
    compute.connect(address)
    with ProgressLine(sum(len(mouse.trials) for mouse in mice), "ingest") as line:
        checksums = {mouse.name: _ingest_mouse(mouse, store, sources[mouse.name], line) for mouse in mice}
    entries = {"format": FORMAT, "mice": checksums, "checksum": store_checksum(checksums)}
    storage.write_json(store / "store.json", entries)
    return FrameStore.open(store)


def _fingerprint(mouse: RawMouse) -> str:
    """Changes when one of the mouse's files does: hash of their names, sizes and times of change."""
    meta = [path for path in (mouse.path / "meta").rglob("*.npy") if not path.name.startswith(".")]
    data = [mouse.file(field, trial) for field in FIELDS for trial in mouse.trials]
    entries = []
    for path in sorted([*meta, *data]):
        stat = path.stat()
        entries.append(f"{path.relative_to(mouse.path)} {stat.st_size} {stat.st_mtime_ns}")
    return storage.sha256_of(*entries)


def _source_of(folder: Path) -> str | None:
    """Fingerprint of what a mouse of the store was, or is being, made from."""
    file = folder / "source.json"
    return str(storage.read_json(file)) if file.is_file() else None


def _is_finished(store: Path, sources: dict[str, str]) -> bool:
    if not (store / "store.json").is_file():
        return False
    made_from = {mouse: _source_of(store / mouse) for mouse in FrameStore.open(store).mice}
    if made_from != sources:
        what = "exists already, made from other mice or from files that have changed since"
        raise DataError(what, str(store), "name another store or remove it first")
    return True


def _require_own(store: Path, sources: dict[str, str]) -> None:
    """Refuse a folder that holds anything but an unfinished ingest of the same mice."""
    if store.exists() and not store.is_dir():
        raise DataError("is a file", str(store), "name a folder")
    for entry in store.iterdir() if store.is_dir() else ():
        known = entry.name in sources and _is_ours(entry)
        if not known and not entry.name.startswith(("store.json", ".")):
            what = f"holds '{entry.name}', which is no part of an unfinished ingest of these mice"
            raise DataError(what, str(store), "name another store or remove it first")


def _is_ours(folder: Path) -> bool:
    """A mouse of a store has a source.json, or nothing yet but what a killed writer left of it."""
    if not folder.is_dir():
        return False
    return (folder / "source.json").is_file() or all(file.name.startswith("source.json") for file in folder.iterdir())


def _require_training(mice: list[RawMouse]) -> None:
    for mouse in mice:
        if "train" not in mouse.tiers:
            what = "has no trial of tier 'train', so nothing to take statistics from"
            raise DataError(what, str(mouse.path / "meta" / "trials" / "tiers.npy"), "get the whole mouse")


def _require_space(store: Path, mice: list[RawMouse]) -> None:
    """Refuse a disk that cannot hold the store; what a killed run left there counts as free."""
    needed = sum(_bytes_of(mouse) for mouse in mice)
    there = sum(file.stat().st_size for file in store.rglob("*.npy")) if store.is_dir() else 0
    standing = next(folder for folder in (store, *store.parents) if folder.exists())
    free = shutil.disk_usage(standing).free + there
    if needed > free:
        what = f"needs {needed / 1e9:.3g} GB, the disk has {free / 1e9:.3g} GB free"
        raise DataError(what, str(store), "free some space or name another place")


def _bytes_of(mouse: RawMouse) -> int:
    """Upper bound: as if every trial were as long as the first one's file."""
    video = read_npy(mouse.file("videos", mouse.trials[0]))
    if video.ndim != 3:
        mouse.read(mouse.trials[0])  # raises, saying what is wrong
    height, width, frames = video.shape
    return row_dtype((height, width), mouse.neurons).itemsize * frames * len(mouse.trials)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot be made ({error.strerror})", str(folder), "name another place") from error


def _ingest_mouse(mouse: RawMouse, store: Path, source: str, line: ProgressLine) -> str:
    """Write one mouse; return its checksum."""
    folder = store / mouse.name
    if _source_of(folder) != source:
        storage.remove(folder)
    elif (folder / "mouse.json").is_file():
        line.advance(len(mouse.trials), mouse.name)
        return str(storage.read_json(folder / "mouse.json")["checksum"])
    _make_folder(folder)
    storage.remove_partials(folder)
    storage.write_json(folder / "source.json", source)
    _make_folder(folder / "trials")
    storage.remove_partials(folder / "trials")
    done: list[TrialDone] = []
    for finished in _in_parallel(mouse, folder):
        done += finished
        line.advance(len(finished), mouse.name)
    return _finish_mouse(mouse, folder, sorted(done, key=lambda item: item[0].trial))


def _in_parallel(mouse: RawMouse, folder: Path) -> Iterator[list[TrialDone]]:
    """Results of the mouse's trials as Ray finishes them, few in flight at a time."""
    import ray

    task = ray.remote(_ingest_trials)
    trials = mouse.trials
    batches = iter([trials[start : start + _BATCH] for start in range(0, len(trials), _BATCH)])
    shared = ray.put(mouse)
    limit = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    running = [task.remote(shared, batch, folder) for _, batch in zip(range(limit), batches, strict=False)]
    try:
        while running:
            (ready,), running = ray.wait(running, num_returns=1)
            yield _result(ready)
            running += [task.remote(shared, batch, folder) for _, batch in zip(range(1), batches, strict=False)]
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


def _ingest_trials(mouse: RawMouse, trials: list[int], folder: Path) -> list[TrialDone]:
    """Write some trials; runs in a Ray worker."""
    return [_ingest_trial(mouse, trial, trial_file(folder, trial)) for trial in trials]


def _ingest_trial(mouse: RawMouse, trial: int, target: Path) -> TrialDone:
    """Write one trial, unless a killed run has; what is told of it comes from the rows in either case."""
    if not target.is_file():
        storage.write_npy(target, _rows(mouse.read(trial)))
    rows = read_npy(target)
    tier = str(mouse.tiers[trial])
    info = TrialInfo(trial, tier, len(rows), video_id(rows["video"]), storage.sha256(target))
    return info, rows["video"].shape[1:], FrameMoments.of(rows) if tier == "train" else None


def _rows(trial: RawTrial) -> np.ndarray:
    """A row a frame: (frames,) structured."""
    frames, height, width = trial.video.shape
    rows = np.empty(frames, row_dtype((height, width), len(trial.responses)))
    rows["video"] = trial.video
    rows["responses"] = trial.responses.T
    rows["behavior"] = trial.behavior.T
    rows["pupil_center"] = trial.pupil_center.T
    return rows


def _finish_mouse(mouse: RawMouse, folder: Path, done: list[TrialDone]) -> str:
    """Write all but the trials, `mouse.json` last; return the mouse's checksum."""
    infos = [info for info, _, _ in done]
    frame_shape = _common_frame_shape(mouse, done)
    storage.write_npz(folder / "neurons.npz", {"unit_ids": mouse.unit_ids, "coordinates": mouse.coordinates})
    storage.write_npz(folder / "statistics.npz", _statistics(done) | _published(mouse))
    write_trials(folder / "trials.csv", infos)
    checksum = mouse_checksum(mouse.unit_ids, infos)
    files = {name: storage.sha256(folder / name) for name in ("neurons.npz", "statistics.npz", "trials.csv")}
    described = {"neurons": mouse.neurons, "frame_shape": frame_shape, "checksum": checksum, "files": files}
    storage.write_json(folder / "mouse.json", described)
    return checksum


def _common_frame_shape(mouse: RawMouse, done: list[TrialDone]) -> tuple[int, int]:
    first, frame_shape, _ = done[0]
    for info, shape, _ in done:
        if shape != frame_shape:
            what = f"has {shape[0]}x{shape[1]} pixels, trial {first.trial} has {frame_shape[0]}x{frame_shape[1]}"
            raise DataError(what, str(mouse.file("videos", info.trial)), "give all videos the same size")
    return frame_shape


def _statistics(done: list[TrialDone]) -> dict[str, np.ndarray]:
    """Arrays of `Statistics` by name."""
    pooled = FrameMoments.pooled(moments for _, _, moments in done if moments is not None)
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
