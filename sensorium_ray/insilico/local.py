"""Subjects whose model is a bundle: asked here, or by Ray wherever there is a core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache, partial
from os import PathLike
from pathlib import Path

import numpy as np

from ..bundle.manifest import Manifest, MouseEntry, bundle_checksum
from ..bundle.predictor import Predictor, load_predictor
from ..data.clip import Clip
from ..errors import ConfigError
from ..scoring.actors import run_tasks
from ..settings import named_or_only
from ..storage import StrPath, locate
from .normalised import in_grey_levels
from .subject import Differentiate, Respond, Subject, chosen_neurons, mean_state, together

_TOGETHER = 4
"""Clips that a network is asked about at once: a little faster, in a little more memory (benchmarks/insilico.py)."""


def bundle_subject(
    bundle: StrPath | Predictor,
    mouse: str | None = None,
    neurons: Sequence[int] | np.ndarray | None = None,
    address: str | None = None,
    grey_levels: tuple[float, float] | None = None,
) -> Subject:
    """Neurons of a mouse as a bundle has them.

    A bundle of normalised inputs, which a checkpoint becomes that is imported without its mice's frame store, is told
    how grey levels are normalised; its mouse's behaviour and pupil centre are 0, of which the latter is its mean.

    Parameters
    ----------
    bundle : a model or an ensemble, named (on a disk or s3://) or opened.
    mouse : may be left out where the bundle has only one.
    neurons : (n,) indices into the mouse's neurons; None: all.
    address : of a Ray cluster ('auto', 'local', 'ray://…') over which clips are spread; None: they are answered here.
    grey_levels : mean and standard deviation of the grey levels that a bundle of normalised inputs was trained with.

    Raises
    ------
    DataError : the mouse or a neuron is unknown, or the bundle does not know the mouse's mean behaviour.
    ConfigError : a bundle of normalised inputs is not told of grey levels, or another one is.
    BundleError : the bundle is damaged.
    """
    predictor = load_predictor(bundle) if isinstance(bundle, str | PathLike) else bundle
    entry = _entry(predictor, mouse)
    chosen = chosen_neurons(len(entry.unit_ids), neurons)
    if address is None:
        respond: Respond = partial(_respond, predictor, entry.name, chosen)
    else:
        respond = partial(_respond_elsewhere, str(locate(predictor.path)), entry.name, chosen, address)
    behavior, pupil_center = _state(predictor.manifest, entry, grey_levels)
    subject = Subject(
        model=predictor.manifest.name,
        checksum=bundle_checksum(predictor.path),
        mouse=entry.name,
        unit_ids=np.asarray(entry.unit_ids, np.int64)[chosen],
        frame_shape=predictor.manifest.frame_shape,
        rate=predictor.manifest.rate,
        behavior=behavior,
        pupil_center=pupil_center,
        respond=respond,
        differentiate=_lazily(predictor.path, entry.name, chosen),
    )
    return subject if grey_levels is None else in_grey_levels(subject, *grey_levels)


def _state(manifest: Manifest, entry: MouseEntry, grey_levels: tuple[float, float] | None) -> list[np.ndarray]:
    """Behaviour and pupil centre of a mouse as they are shown with videos, in the model's units."""
    if manifest.inputs == "recorded":
        if grey_levels is not None:
            raise ConfigError("takes grey levels as recorded", manifest.name, "leave grey_levels out")
        return mean_state(entry.name, entry.behavior_mean, entry.pupil_center_mean)
    if grey_levels is None:
        mend = (
            "tell grey_levels, the mean and standard deviation of what it was trained with, or import it with the "
            "frame store of its mice"
        )
        raise ConfigError("takes videos that are normalised beforehand", manifest.name, mend)
    return [np.zeros(manifest.behavior_channels, np.float32), np.zeros(2, np.float32)]


def _lazily(bundle: Path, mouse: str, neurons: np.ndarray) -> Differentiate:
    """Gradients of a bundle, which is opened, and torch loaded, when they are first asked for."""

    @cache
    def opened() -> Differentiate:
        from .gradients import bundle_gradients

        return bundle_gradients(bundle, mouse, neurons)

    def differentiate(clips: Sequence[Clip], weights: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        return opened()(clips, weights)

    return differentiate


def _respond(predictor: Predictor, mouse: str, neurons: np.ndarray, clips: Iterable[Clip]) -> Iterator[np.ndarray]:
    for some in together(clips, _TOGETHER):
        yield from predictor.predict_together(some, mouse, neurons)


def _respond_elsewhere(
    bundle: str, mouse: str, neurons: np.ndarray, address: str, clips: Iterable[Clip]
) -> Iterator[np.ndarray]:
    asked = ((bundle, mouse, neurons, some) for some in together(clips, _TOGETHER))
    for answers in run_tasks(_answer, asked, address):
        yield from answers


def _answer(bundle: str, mouse: str, neurons: np.ndarray, clips: list[Clip]) -> np.ndarray:
    """What a task of Ray does, with one core."""
    return _opened(bundle).predict_together(clips, mouse, neurons)


@lru_cache(maxsize=1)
def _opened(bundle: str) -> Predictor:
    return load_predictor(bundle, threads=1)


def _entry(predictor: Predictor, mouse: str | None) -> MouseEntry:
    mice = {entry.name: entry for entry in predictor.manifest.mice}
    name = named_or_only("mouse", mouse, [*mice])
    predictor.neurons(name)  # refuses an unknown one
    return mice[name]
