"""The Sensorium benchmarks of mouse visual cortex as a service on Ray.

The main verbs, imported when they are first used, so that `import sensorium_ray` stays fast:

>>> import sensorium_ray
>>> sensorium_ray.FrameStore.__name__
'FrameStore'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bundle.export import export
    from .bundle.predictor import load_predictor
    from .data.clip import Clip
    from .data.ingest import ingest
    from .data.simulate import simulate
    from .data.store import FrameStore
    from .errors import SensoriumError
    from .scoring.ensembling import learn_ensemble
    from .scoring.job import score
    from .scoring.submission import check_submission, write_submission
    from .search.sweep import sweep
    from .serving.client import Client

_HOMES = {
    "Client": ".serving.client",
    "Clip": ".data.clip",
    "FrameStore": ".data.store",
    "SensoriumError": ".errors",
    "check_submission": ".scoring.submission",
    "export": ".bundle.export",
    "ingest": ".data.ingest",
    "learn_ensemble": ".scoring.ensembling",
    "load_predictor": ".bundle.predictor",
    "score": ".scoring.job",
    "simulate": ".data.simulate",
    "sweep": ".search.sweep",
    "write_submission": ".scoring.submission",
}

__all__ = [
    "Client",
    "Clip",
    "FrameStore",
    "SensoriumError",
    "check_submission",
    "export",
    "ingest",
    "learn_ensemble",
    "load_predictor",
    "score",
    "simulate",
    "sweep",
    "write_submission",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
