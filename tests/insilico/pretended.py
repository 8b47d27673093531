"""Subjects whose answers can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from sensorium_ray.data.clip import Clip
from sensorium_ray.insilico.subject import Subject

SHAPE = (36, 64)


def pretend(
    answer: Callable[[Clip], np.ndarray],
    neurons: int = 1,
    behavior: tuple[float, ...] = (50.0, 0.0),
    shape: tuple[int, int] = SHAPE,
) -> Subject:
    """A subject that answers a clip with (neurons, frames), or with (neurons, 1), held."""

    def respond(clips: Iterable[Clip]) -> Iterator[np.ndarray]:
        for clip in clips:
            yield np.broadcast_to(answer(clip), (neurons, clip.frames)).astype(np.float32)

    return Subject(
        model="pretended",
        checksum="0" * 64,
        mouse="mouse-p",
        unit_ids=np.arange(neurons) + 10,
        frame_shape=shape,
        rate=30.0,
        behavior=np.array(behavior, np.float32),
        pupil_center=np.array([140.0, 130.0], np.float32),
        respond=respond,
        track=lambda answers, total, label: iter(answers),
    )
