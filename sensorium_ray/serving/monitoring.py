"""What is counted about an endpoint, in Prometheus' terms; docs/operating.md tells how to read it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping

import numpy as np
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.registry import Collector

from ..bundle.network import execution_providers
from ..data.clip import Clip
from ..version import package_version
from .served import Predict
from .streaming import Parts

Gather = Callable[[], Awaitable[Mapping[str, Iterable[Metric]]]]
"""What every replica has counted, by its name."""

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

disable_created_metrics()  # a series more for each, which nobody asks for
REGISTRY = CollectorRegistry()
"""Of this process, which is a replica."""
ProcessCollector(registry=REGISTRY)
REQUESTS = Counter(
    "sensorium_requests", "Requests that ended, by what was answered.", ("method", "path", "status"), registry=REGISTRY
)
SECONDS = Histogram(
    "sensorium_request_seconds",
    "From a request's head to the end of its answer.",
    ("path",),
    buckets=_BUCKETS,
    registry=REGISTRY,
)
IN_FLIGHT = Gauge("sensorium_requests_in_flight", "Requests that are not answered yet.", registry=REGISTRY)
RUNNING = Gauge("sensorium_requests_running", "Those of them that wait no longer for their turn.", registry=REGISTRY)
RECEIVED = Counter("sensorium_received_bytes", "Bytes of requests' bodies.", registry=REGISTRY)
SENT = Counter("sensorium_sent_bytes", "Bytes of answers' bodies.", registry=REGISTRY)
FRAMES = Counter("sensorium_predicted_frames", "Frames that were predicted.", ("model",), registry=REGISTRY)
PREDICTING = Counter(
    "sensorium_predicting_seconds",
    "Seconds that requests waited for predictions, their turns included.",
    ("model",),
    registry=REGISTRY,
)
LOADED = Gauge("sensorium_models_loaded", "Models that are held in memory.", registry=REGISTRY)
_ABOUT = Gauge("sensorium_info", "1; what answers here.", ("version", "provider"), registry=REGISTRY)
_ABOUT.labels(package_version(), execution_providers()[0]).set(1)


def counted(predict: Predict) -> Predict:
    """The same predict function, which counts what it does."""

    async def counting(model: str, clip: Clip, mouse: str, neurons: np.ndarray | None) -> Parts:
        parts = predict(model, clip, mouse, neurons)
        while True:
            began = time.perf_counter()
            part = await anext(parts, None)
            PREDICTING.labels(model).inc(time.perf_counter() - began)
            if part is None:
                return
            FRAMES.labels(model).inc(part.shape[1])
            yield part

    return counting


async def this_process() -> Mapping[str, Iterable[Metric]]:
    """What is counted here alone, where there are no replicas."""
    return {"": list(REGISTRY.collect())}


def exposition(told: Mapping[str, Iterable[Metric]]) -> bytes:
    """Prometheus' text of what replicas have counted; the label `replica` names them."""
    merged: dict[str, Metric] = {}
    for replica, families in told.items():
        for family in families:
            whole = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            whole.samples += [sample._replace(labels=sample.labels | {"replica": replica}) for sample in family.samples]
    registry = CollectorRegistry()
    registry.register(_Collected(merged.values()))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
