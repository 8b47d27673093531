"""Subjects whose model takes normalised videos: they are shown grey levels all the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..data.clip import Clip
from ..errors import ConfigError
from .subject import Subject


def in_grey_levels(subject: Subject, mean: float, std: float) -> Subject:
    """A subject of videos in grey levels, of one whose model takes (video - mean) / std.

    Parameters
    ----------
    mean, std : of the grey levels that the model was trained with: of 2022's data `meta/statistics/images`.

    Raises
    ------
    ConfigError : they are not those of grey levels.
    """
    if not (0 <= mean <= 255 and 0 < std <= 255):
        raise ConfigError(f"are {mean} and {std}", "grey_levels", "give mean and standard deviation, of 0 to 255")

    def scaled(clip: Clip) -> Clip:
        return replace(clip, video=(clip.video - np.float32(mean)) / np.float32(std))

    def respond(clips: Iterable[Clip]) -> Iterator[np.ndarray]:
        return subject.respond(map(scaled, clips))

    def differentiate(clips: Sequence[Clip], weights: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        answers = subject.differentiate([scaled(clip) for clip in clips], weights)
        return [(responses, gradient / np.float32(std)) for responses, gradient in answers]

    return replace(subject, respond=respond, differentiate=differentiate, grey_levels=(mean, std))
