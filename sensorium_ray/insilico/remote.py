"""Subjects whose model an endpoint has: nothing but HTTP is needed here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np

from ..client.clients import SensoriumClient
from ..data.clip import Clip
from ..settings import named_or_only
from .subject import Subject, chosen_neurons, mean_state

_AT_ONCE = 4
"""Requests under way: while one is predicted, the next are sent."""


def endpoint_subject(
    client: SensoriumClient,
    model: str,
    mouse: str | None = None,
    neurons: Sequence[int] | np.ndarray | None = None,
) -> Subject:
    """Neurons of a mouse as a model of an endpoint has them.

    Parameters
    ----------
    client : stays open as long as the subject is asked.
    model : name of one of its models.
    mouse : may be left out where the model has only one.
    neurons : (n,) indices into the mouse's neurons; None: all.

    Raises
    ------
    EndpointError : it refuses, or is not there.
    DataError : the mouse was not said, a neuron is unknown, or the model does not know the mouse's mean behaviour.
    """
    about = client.model(model)
    whose = client.mouse(model, named_or_only("mouse", mouse, [entry["name"] for entry in about["mice"]]))
    behavior, pupil_center = mean_state(whose["name"], whose["behavior_mean"], whose["pupil_center_mean"])
    chosen = chosen_neurons(whose["neurons"], neurons)
    whom = (client, model, whose["name"], None if neurons is None else chosen.tolist())
    return Subject(
        model=about["name"],
        checksum=about["checksum"],
        mouse=whose["name"],
        unit_ids=np.asarray(whose["unit_ids"], np.int64)[chosen],
        frame_shape=tuple(about["frame_shape"]),
        rate=about["rate"],
        behavior=behavior,
        pupil_center=pupil_center,
        respond=partial(_respond, *whom),
        differentiate=partial(_differentiate, *whom),
    )


def _differentiate(
    client: SensoriumClient,
    model: str,
    mouse: str,
    neurons: list[int] | None,
    clips: Sequence[Clip],
    weights: Sequence[np.ndarray],
) -> list[tuple[np.ndarray, np.ndarray]]:
    def ask(clip: Clip, counted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        told = client.gradients(model, clip, mouse, weights=counted, neurons=neurons)
        return told["responses"].values, told["gradient"].values

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(ask, clips, weights))


def _respond(
    client: SensoriumClient, model: str, mouse: str, neurons: list[int] | None, clips: Iterable[Clip]
) -> Iterator[np.ndarray]:
    def ask(clip: Clip) -> np.ndarray:
        return client.predict(model, clip, mouse, neurons=neurons).values

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        running: deque[Future[np.ndarray]] = deque()
        try:
            for clip in clips:
                if len(running) == _AT_ONCE:
                    yield running.popleft().result()
                running.append(threads.submit(ask, clip))
            while running:
                yield running.popleft().result()
        finally:
            threads.shutdown(cancel_futures=True)
