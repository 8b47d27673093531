"""Pools of actors that hold predictors: what the scoring job, ensembles and submissions are made with."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..benchmark import EvalWindow
from ..bundle.manifest import MEMBERS, Manifest, bundle_checksum
from ..bundle.network import execution_providers
from ..bundle.predictor import EnsemblePredictor, Predictor, load_predictor
from ..compute import connect, may_grow, original, require
from ..data.clip import Clip
from ..data.store import FrameStore, TrialInfo
from ..errors import BundleError, DataError
from ..metrics.statistics import CoMoments
from ..storage import StrPath, locate
from .table import CEILING

Row = dict[str, Any]
"""What Ray Data hands from one process to another: names and plain values, arrays as bytes."""

_SILENT = logging.CRITICAL + 1
_ASKED = 200
"""Actors that a cluster is asked for, if there is work for them: it sees how far to grow, and the others wait."""


def check_bundles(store: FrameStore, bundles: Sequence[Path]) -> dict[str, str]:
    """Make sure that bundles can be ranked on a store, all on the same neurons.

    Returns
    -------
    Checksum of each bundle by its name.

    Raises
    ------
    BundleError : a bundle is unreadable, misses a mouse or neurons of the store, or two have the same name.
    """
    checksums: dict[str, str] = {}
    for bundle in bundles:
        manifest = Manifest.read(bundle)
        if manifest.name in checksums or manifest.name == CEILING:
            what = f"is named '{manifest.name}', which is taken"
            raise BundleError(what, str(bundle), f"give every bundle a name of its own, other than '{CEILING}'")
        _require_mice(store, manifest, str(bundle))
        checksums[manifest.name] = bundle_checksum(bundle)
    if not checksums:
        raise BundleError("no bundle was given", "score", "name at least one")
    return checksums


def run_actors(items: list[Row], actor: type, arguments: tuple, address: str | None = None) -> Iterator[Row]:
    """Rows that a pool of actors makes of `items`, in the items' order, as they come.

    Parameters
    ----------
    items : work, one dict each, in the order in which the rows are wanted.
    actor : class whose `__call__(item)` yields rows; one actor a GPU where onnxruntime can use them and some are there
        when it begins, else one a CPU. Machines that come later take part.
    arguments : of its constructor.

    Raises
    ------
    SensoriumError : as the actor raised it.
    """
    connect(address)
    import ray
    from ray.data import ActorPoolStrategy

    _configure_ray_data()
    devices = int(ray.cluster_resources().get("GPU", 0)) if "CUDAExecutionProvider" in execution_providers() else 0
    if not devices:
        require("predicting", address, CPU=1)
    most = devices or int(ray.cluster_resources().get("CPU", 1))
    if may_grow(address):
        most = max(most, _ASKED)
    pool = ActorPoolStrategy(size=max(1, min(most, len(items))))
    each = {"num_gpus": 1} if devices else {"num_cpus": 1}
    rows = ray.data.from_items(items, override_num_blocks=len(items)).flat_map(
        actor, compute=pool, fn_constructor_args=arguments, **each
    )
    try:
        yield from rows.iter_rows()
    except ray.exceptions.RayTaskError as error:
        raise original(error) from error


def run_tasks(function: Callable[..., Any], arguments: Iterable[tuple], address: str | None = None) -> Iterator[Any]:
    """Results of a function that Ray calls with each of `arguments`, in that order, few calls at a time.

    Raises
    ------
    SensoriumError : as the function raised it.
    """
    connect(address)
    import ray

    task = ray.remote(function)
    limit = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    running: deque[Any] = deque()

    def first() -> Any:
        try:
            return ray.get(running.popleft())
        except ray.exceptions.RayTaskError as error:
            raise original(error) from error

    for given in arguments:
        if len(running) == limit:
            yield first()
        running.append(task.remote(*given))
    while running:
        yield first()


def bundle_paths(bundles: Predictor | StrPath | Sequence[Predictor | StrPath]) -> list[Path]:
    """Folders of bundles that were named or opened, one or several, on a disk or s3://."""
    several = [bundles] if isinstance(bundles, str | PathLike) or not isinstance(bundles, Sequence) else bundles
    return [locate(bundle) if isinstance(bundle, str | PathLike) else bundle.path for bundle in several]


def pack_moments(moments: CoMoments) -> Row:
    """Co-moments as part of a row."""
    return {"count": moments.count, "mean": moments.mean.tobytes(), "comoment": moments.comoment.tobytes()}


def unpack_moments(row: Row, signals: int) -> CoMoments:
    """Inverse of `pack_moments`."""
    mean, comoment = (np.frombuffer(row[name]) for name in ("mean", "comoment"))
    return CoMoments(row["count"], mean.reshape(signals, -1), comoment.reshape(signals, signals, -1))


def require_frames(window: EvalWindow, mouse: str, info: TrialInfo) -> None:
    """Refuse a trial that ends before the window begins: it would silently count for nothing.

    Raises
    ------
    DataError : it does.
    """
    if window.slice(info.frames) == slice(info.frames, info.frames):
        what = f"has {info.frames} frames, none of them in {window.name}"
        raise DataError(what, f"trial {info.trial} of {mouse}", "choose other frames with --frames")


class PredictorSet:
    """Several bundles that predict together; a model that is also an ensemble's member runs once a clip.

    Parameters
    ----------
    bundles : folders of models and ensembles.

    Raises
    ------
    BundleError : a bundle is damaged.
    """

    def __init__(self, bundles: Sequence[Path]) -> None:
        members = {bundle: _members(bundle) for bundle in bundles}
        covered = {checksum for names in members.values() for checksum in names.values()}
        self._alone: list[Predictor] = []
        self._ensembles: list[tuple[EnsemblePredictor, dict[str, str]]] = []
        self._borrowed: dict[str, str] = {}
        for bundle in bundles:
            checksum = bundle_checksum(bundle)
            if checksum in covered:
                self._borrowed[Manifest.read(bundle).name] = checksum
                continue
            predictor = load_predictor(bundle, threads=1)  # the pool has an actor for every CPU
            if isinstance(predictor, EnsemblePredictor):
                self._ensembles.append((predictor, members[bundle]))
            else:
                self._alone.append(predictor)

    def predict(self, clip: Clip, mouse: str) -> dict[str, np.ndarray]:
        """Each bundle's prediction, (neurons, frames) float32, by the bundle's name."""
        predictions = {predictor.manifest.name: predictor.predict(clip, mouse) for predictor in self._alone}
        by_checksum: dict[str, np.ndarray] = {}
        for ensemble, checksums in self._ensembles:
            answers = ensemble.member_predictions(clip, mouse)
            predictions[ensemble.manifest.name] = ensemble.combine(answers, mouse)
            by_checksum |= {checksums[name]: answer for name, answer in answers.items()}
        return predictions | {name: by_checksum[checksum] for name, checksum in self._borrowed.items()}


def _members(bundle: Path) -> dict[str, str]:
    """Checksum of each member of a bundle by its name; a model has none."""
    return {member.name: bundle_checksum(bundle / MEMBERS / member.name) for member in Manifest.read(bundle).members}


def _require_mice(store: FrameStore, manifest: Manifest, bundle: str) -> None:
    known = {entry.name: entry.unit_ids for entry in manifest.mice}
    for mouse in store.mice:
        if mouse not in known:
            raise BundleError(f"knows no mouse '{mouse}'", bundle, "score it on a store of its own mice")
        if not np.array_equal(np.asarray(known[mouse]), store[mouse].unit_ids):
            raise BundleError(f"has other neurons of mouse '{mouse}' than the store", bundle, "fit it on this store")


def _configure_ray_data() -> None:
    """Rows in order, errors as they were raised, and silence: the progress line is ours, Ray has a log."""
    import ray

    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(_SILENT)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.raise_original_map_exception = True
    context.execution_options.preserve_order = True
