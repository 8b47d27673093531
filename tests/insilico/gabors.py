"""A subject whose neurons are known: a simple cell and a complex one, whose filters drift."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from scipy.special import expit

from sensorium_ray.data.clip import Clip
from sensorium_ray.data.stimuli import GREY
from sensorium_ray.insilico.subject import Subject

SHAPE = (18, 32)
RATE = 30.0
LAGS = 6
CENTRES = ((9.0, 12.0), (10.0, 20.0))
"""Row and column of each neuron's filter, pixels."""
_SOFT = 20.0  # of the simple cell's rectification


def filters() -> np.ndarray:
    """(neurons, lags, height, width) complex: Gabors and the same a quarter period on, which drift to the left."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    lags = np.arange(LAGS)[:, None, None]
    found = []
    for row, column in CENTRES:
        envelope = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 2.5**2)) * np.exp(-lags / 3)
        gabor = envelope * np.exp(2j * np.pi * ((columns - column) / 7 - lags / 12))
        found.append(gabor / np.linalg.norm(gabor))
    return np.stack(found)


def gabor_subject(sign: float = 1.0) -> Subject:
    """The first neuron answers its filter's phase, the second every phase; with a sign of -1 the opposite phase."""
    bank = sign * filters()

    def drive(clip: Clip) -> np.ndarray:
        shown = np.concatenate([np.zeros((LAGS - 1, *SHAPE)), clip.video.astype(np.float64) - GREY])
        past = np.lib.stride_tricks.sliding_window_view(shown, LAGS, axis=0)[..., ::-1]  # (frames, h, w, lags)
        return np.einsum("nlyx,tyxl->nt", bank, past)

    def rates(driven: np.ndarray) -> np.ndarray:
        return np.stack([_SOFT * np.logaddexp(0, driven[0].real / _SOFT), np.abs(driven[1])]).astype(np.float32)

    def respond(clips: Iterable[Clip]) -> Iterator[np.ndarray]:
        return (rates(drive(clip)) for clip in clips)

    def differentiate(clips: Sequence[Clip], weights: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        return [slopes(clip, weight) for clip, weight in zip(clips, weights, strict=True)]

    def slopes(clip: Clip, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        driven = drive(clip)
        phase = np.stack([expit(driven[0].real / _SOFT) + 0j, driven[1] / np.maximum(abs(driven[1]), 1e-9)])
        gradient = np.zeros((clip.frames + LAGS - 1, *SHAPE))
        for lag in range(LAGS):
            first = LAGS - 1 - lag
            part = np.einsum("nt,nyx->tyx", (weight * phase).conj(), bank[:, lag]).real
            gradient[first : first + clip.frames] += part
        return rates(driven), gradient[LAGS - 1 :].astype(np.float32)

    return Subject(
        model=f"gabors {sign:+g}",
        checksum="",
        mouse="mouse",
        unit_ids=np.array([7, 9]),
        frame_shape=SHAPE,
        rate=RATE,
        behavior=np.zeros(2, np.float32),
        pupil_center=np.zeros(2, np.float32),
        respond=respond,
        differentiate=differentiate,
        track=lambda answers, total, label: iter(answers),
    )
