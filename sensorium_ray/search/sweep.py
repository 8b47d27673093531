"""A sweep: Ray Tune over one or more architectures; every tune trial leaves a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray import tune

from .. import compute, storage
from ..data.store import FrameStore
from ..errors import ConfigError
from ..storage import StrPath
from ..version import package_version
from .budget import Budget
from .keeping import keep_best, keep_top
from .outcome import curves, ended, rows
from .settings import SweepSettings
from .spaces import load
from .tune_trial import train
from .tuner import run


def sweep(
    store: StrPath,
    spaces: Sequence[str],
    out: StrPath,
    settings: SweepSettings,
    *,
    resume: bool = False,
    address: str | None = None,
) -> dict[str, Any]:
    """Search each architecture; its tune trials are compared with each other alone.

    Writes `out/best/<architecture>` and, if asked for, `out/top/<rank>-<tune trial>` (checkpoints), `out/curves.csv`
    and, last, `out/sweep.json`. After the driver or a whole cluster died it goes on where it was, when it is run again
    with the same settings and `resume`: tune trials that ended are not run again, the others go on from their last
    checkpoints.

    Parameters
    ----------
    store : frame store, on a disk or s3://.
    spaces : architectures, or files of search spaces that are named like them.
    out : folder on a disk that all machines share, or on s3://.
    resume : go on with an unfinished sweep in `out`; a finished one is left alone, and one that is not there starts.
    address : Ray cluster; None: this machine.

    Returns
    -------
    The content of `sweep.json`: what was asked for, `trials` (one row a tune trial), `top`, `hours`, `cost` and
    `stopped_by`, which says whether a budget cut tune trials off: 'hours', 'cost' or None.

    Raises
    ------
    ConfigError : `out` holds another sweep, or one to go on with although `resume` is not given; a space or a setting
        is at fault, or asks for more than this machine has; `address` is a Ray client's.
    SensoriumError : every tune trial of an architecture failed; the first one's sentence.
    """
    if address is not None and address.startswith("ray://"):
        mend = "run `sensorium sweep` on the cluster with `ray job submit`, or name its host:6379"
        raise ConfigError("a sweep's driver is not a Ray client", address, mend)
    searched = load(spaces, settings.size)
    data, out = FrameStore.open(store), storage.locate(storage.absolute(out))
    request = {
        "data_checksum": data.checksum,
        "spaces": {space.architecture: space.describe() for space in searched},
        "settings": asdict(settings),
    }
    if _finished(out, request, resume):
        return dict(storage.read_json(out / "sweep.json"))
    compute.connect(address)
    compute.require("a tune trial", address, CPU=settings.cpus, GPU=settings.gpus)
    storage.write_json(out / "request.json", request)
    budget = Budget(settings)
    trainable = tune.with_parameters(train, store=storage.absolute(store), settings=settings)
    trials = run(trainable, searched, out, settings, budget)
    for space in searched:
        own = [trial for trial in trials if trial.config["architecture"] == space.architecture]
        keep_best(space.architecture, own, out / "best" / space.architecture)
    top = keep_top(trials, data, out / "top", settings) if settings.keep else []
    with storage.atomic_path(out / "curves.csv") as partial:
        curves(trials).to_csv(partial, index=False)
    whole = len(trials) == len(searched) * settings.tune_trials and all(map(ended, trials))
    result = {
        **request,
        "version": package_version(),
        "trials": rows(trials, settings.epochs),
        "top": top,
        "hours": budget.hours,
        "cost": budget.cost,
        "stopped_by": None if whole else budget.spent(),
    }
    storage.write_json(out / "sweep.json", result)
    return result


def _finished(out: Path, request: dict[str, Any], resume: bool) -> bool:
    """Whether the sweep is done; a folder that holds something else is refused."""
    other = "name another output or remove it first"
    done = storage.is_file(out / "sweep.json")
    if not storage.is_file(out / "request.json"):
        storage.require_new(out)
        return False
    if done and not resume:
        raise ConfigError("holds a finished sweep", str(out), other)
    begun = storage.read_json(out / "request.json")
    changed = [name for name in request if not isinstance(begun, dict) or begun.get(name) != request[name]]
    if changed:
        what = f"holds {'a finished' if done else 'an unfinished'} sweep with other {' and '.join(changed)}"
        raise ConfigError(what, str(out), other)
    if not done and not resume:
        raise ConfigError("holds an unfinished sweep", str(out), f"add --resume to go on with it, or {other}")
    return done
