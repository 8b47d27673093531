"""Write submissions: actors predict, one process writes the files row by row."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np

from ..benchmark import STAGES, EvalWindow, track_of
from ..bundle.predictor import Predictor, load_predictor
from ..data.store import FrameStore
from ..errors import DataError
from ..progress import ProgressLine
from ..scoring.actors import Row, bundle_paths, check_bundles, require_frames, run_actors
from ..storage import StrPath, absolute, atomic_path, require_new
from .files import FILES, ZIPS, CsvWriter, SubmissionWriter


def write_submission(
    bundle: Predictor | StrPath,
    store: FrameStore | StrPath,
    out: StrPath,
    *,
    tracks: Sequence[str] | None = None,
    window: EvalWindow | None = None,
    address: str | None = None,
) -> list[Path]:
    """Predict every trial of the test tiers and write the files that are sent to the server.

    2023: a zip of the main track, and one a stage of the bonus track. 2022: `out/<track>/<mouse>/` with a csv a
    stage.

    Parameters
    ----------
    bundle : model or ensemble, as a folder or opened.
    store : frame store, as a folder or s3:// address or opened; only its videos and behaviour are used.
    out : folder for the files.
    tracks : of the store's benchmark; None: all that the store has trials of.
    window : frames of a trial that are sent; None: those that the benchmark asks for.
    address : Ray cluster; None: this machine.

    Returns
    -------
    The files that were written.

    Raises
    ------
    DataError : `out` is not empty, or the store has no trial of a tier.
    ConfigError : the benchmark has no such track.
    BundleError : the bundle is at fault, or does not fit the store.
    """
    out = Path(out)
    require_new(out)
    data = store if isinstance(store, FrameStore) else FrameStore.open(store)
    (path,) = bundle_paths(bundle)
    check_bundles(data, [path])
    window = window or data.benchmark.window
    trials = [row for track in tracks or data.benchmark.tracks for row in _trials(data, track, window, bool(tracks))]
    if not trials:
        raise DataError("has no trial of a test tier", str(data.path), "name another store")
    rows = run_actors(trials, _TrialPredictor, (absolute(data.path), absolute(path), window), address)
    with atomic_path(out) as folder, ProgressLine(len(trials), "predicting") as line:
        for name, of_file in groupby(rows, key=lambda row: row["file"]):
            _write_file(folder / name, of_file, data, line)
        written = _zip(folder, [row["file"] for row in trials])
    return [out / name for name in written]


class _TrialPredictor:
    """Actor: one bundle's predictions of the frames that count."""

    def __init__(self, store: str, bundle: str, window: EvalWindow) -> None:
        self._paths = store, bundle
        self._window = window

    # Opened with the first trial for the same reason as in the scoring job.
    @cached_property
    def _store(self) -> FrameStore:
        return FrameStore.open(self._paths[0])

    @cached_property
    def _predictor(self) -> Predictor:
        return load_predictor(self._paths[1], threads=1)

    def __call__(self, item: Row) -> Iterator[Row]:
        clip = self._store[item["mouse"]].clip(int(item["trial"]))
        prediction = self._predictor.predict(clip, item["mouse"])[:, self._window.slice(clip.frames)]
        yield {**item, "prediction": prediction.astype(np.float32).tobytes()}


def _trials(store: FrameStore, track: str, window: EvalWindow, wanted: bool) -> list[Row]:
    """What is to be predicted of a track, in the order of the files and their rows.

    A track must have trials of both stages, or, unless it is wanted, none at all.
    """
    rows: list[Row] = []
    for stage in STAGES:
        tier, before = store.benchmark.tier_of(track, stage), len(rows)
        for mouse in (mouse for mouse in store.mice if track_of(mouse) in (None, track)):
            name = FILES[tier] if _is_zipped(FILES[tier]) else f"{track}/{mouse}/{FILES[tier]}"
            for info in store[mouse].select(tier):
                require_frames(window, mouse, info)
                rows.append({"file": name, "mouse": mouse, "trial": info.trial})
        if len(rows) == before and (wanted or rows):
            what = f"has no trial of {tier} of track {track}"
            raise DataError(what, str(store.path), "name another track with --track")
    return rows


def _write_file(path: Path, rows: Iterable[Row], store: FrameStore, line: ProgressLine) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with SubmissionWriter(path) if _is_zipped(path.name) else CsvWriter(path) as writer:
        for row in rows:
            mouse = store[row["mouse"]]
            prediction = np.frombuffer(row["prediction"], np.float32).reshape(mouse.neurons, -1)
            if isinstance(writer, SubmissionWriter):
                writer.add(mouse.name, row["trial"], prediction, mouse.unit_ids)
            else:
                info = mouse.trial(row["trial"])
                writer.add(info.trial_id or info.trial, info.image_id or info.video, prediction, mouse.unit_ids)
            line.advance()


def _is_zipped(name: str) -> bool:
    return not name.endswith(".csv")


def _zip(folder: Path, names: Sequence[str]) -> list[str]:
    """Zip the files of 2023 in `folder` and remove them; stored, since brotli has compressed them."""
    written = [name for name in dict.fromkeys(names) if not _is_zipped(name)]
    for archive_name, tiers in ZIPS.items():
        inside = [FILES[tier] for tier in tiers if FILES[tier] in names]
        if not inside:
            continue
        with zipfile.ZipFile(folder / archive_name, "w", zipfile.ZIP_STORED) as archive:
            for name in inside:
                archive.write(folder / name, name)
                (folder / name).unlink()
        written.append(archive_name)
    return written
