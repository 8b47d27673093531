"""The Sensorium benchmarks of mouse visual cortex as a service on Ray.

    import sensorium_ray as sr

    store = sr.open_store("store")              # what `sensorium ingest` wrote, a folder or s3://
    model = sr.load("bundles/ensemble")         # what `sensorium export` or `ensemble` wrote
    table = sr.score(model, store, "scores")    # one row a neuron x metric
    sr.submit(model, store, "submission")       # the competition's files
    mouse = sr.open_subject(model, "MOUSE")     # or of an endpoint, http://…
    tuning = sr.run_experiment("direction_tuning", mouse)

The verbs are imported when they are first used, so that `import sensorium_ray` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bundle.export import export
    from .bundle.predictor import load_predictor as load
    from .client.clients import AsyncSensoriumClient, SensoriumClient
    from .data.clip import Clip
    from .data.download import download
    from .data.ingest import ingest
    from .data.simulate import simulate
    from .data.store import FrameStore, open_store
    from .ensembling.learning import learn_ensemble
    from .errors import SensoriumError
    from .insilico.opening import open_subject
    from .insilico.run import draw_experiment, run_experiment
    from .results import load_result, save_result
    from .scoring.job import score
    from .search.sweep import sweep
    from .submissions.checking import check_submission
    from .submissions.evaluation import evaluate
    from .submissions.leaderboard import Leaderboard
    from .submissions.submitting import write_submission as submit
    from .training.job import train

_HOMES = {
    "AsyncSensoriumClient": ".client.clients",
    "Clip": ".data.clip",
    "FrameStore": ".data.store",
    "Leaderboard": ".submissions.leaderboard",
    "SensoriumClient": ".client.clients",
    "SensoriumError": ".errors",
    "check_submission": ".submissions.checking",
    "download": ".data.download",
    "draw_experiment": ".insilico.run",
    "evaluate": ".submissions.evaluation",
    "export": ".bundle.export",
    "ingest": ".data.ingest",
    "learn_ensemble": ".ensembling.learning",
    "load": ".bundle.predictor:load_predictor",
    "load_result": ".results",
    "open_store": ".data.store",
    "open_subject": ".insilico.opening",
    "run_experiment": ".insilico.run",
    "save_result": ".results",
    "score": ".scoring.job",
    "simulate": ".data.simulate",
    "submit": ".submissions.submitting:write_submission",
    "sweep": ".search.sweep",
    "train": ".training.job",
}
"""Module of every public name, and what it is called there where that is another name."""

__all__ = [
    "AsyncSensoriumClient",
    "Clip",
    "FrameStore",
    "Leaderboard",
    "SensoriumClient",
    "SensoriumError",
    "check_submission",
    "download",
    "draw_experiment",
    "evaluate",
    "export",
    "ingest",
    "learn_ensemble",
    "load",
    "load_result",
    "open_store",
    "open_subject",
    "run_experiment",
    "save_result",
    "score",
    "simulate",
    "submit",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module, __name__), attribute or name)
