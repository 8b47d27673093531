"""Import: a published checkpoint becomes a bundle, which can be served, scored, ensembled and trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..benchmark import FRAME_SHAPE, Benchmark
from ..data.clip import Clip
from ..data.store import FrameStore
from ..data.windows import with_windows
from ..errors import BundleError
from ..models import find
from ..models.normalisation import PUBLISHED
from ..models.population import MouseSpec, Population
from ..published import find as formats
from ..published.foreign import Foreign, ForeignMouse
from ..storage import StrPath, require_new, sha256
from ..version import package_version
from .export import oracle_clips, write_bundle
from .manifest import Manifest

_NOISE_FRAMES = 150


def import_checkpoint(
    format_name: str,
    file: StrPath,
    out: StrPath,
    store: StrPath | None = None,
    names: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    trusted: bool = False,
    windows: tuple[int, int] | None = None,
) -> Manifest:
    """Write a published checkpoint as a bundle, compared with the network that it was read into.

    Checkpoints do not say what their inputs were normalised by, nor the unit ids of their neurons. Both are taken
    from the frame store of the same mice; the bundle then takes clips as recorded and answers in recorded units, for
    the mice that the store has. Without one it answers for all, and takes and gives what is normalised already, which
    its manifest says (`inputs`).

    Parameters
    ----------
    format_name : one of `published.find.names`.
    file : what was published.
    out : the bundle to write; must not exist.
    store : frame store of the mice that it was trained on.
    names : mice of the store by what the checkpoint calls them; None: they are told by their names.
    settings : of the network, instead of those that the file tells or that its format takes for granted.
    trusted : unpickle whatever the file holds, which can run any code.
    windows : as in `export`.

    Raises
    ------
    ConfigError : there is no such format or setting; `windows` is impossible, or the network has no overlapping
        windows.
    BundleError : the file is not of this format, or not of the store's mice.
    ExportError : the exported graph does not answer as the network does; nothing is written.
    """
    out, file = Path(out), Path(file)
    require_new(out)
    foreign = formats.read(format_name, file, trusted)
    foreign = replace(foreign, config={**foreign.config, **(settings or {})})
    data = None if store is None else FrameStore.open(store)
    mice = {mouse.name: mouse for mouse in foreign.mice} if data is None else _matched(foreign, data, names or {})
    kind = find.make_config(foreign.architecture, foreign.config).normalisation
    recorded = data is not None or kind == "raw"
    config = foreign.config if recorded else {**foreign.config, "normalisation": "raw"}
    population = _unknown(mice, foreign.benchmark) if data is None else _known(data, list(mice), kind)
    encoder = find.build(foreign.architecture, config, population)
    foreign.load_into(encoder, list(mice.values()))
    if windows is not None:
        encoder.cut = with_windows(encoder.cut, *windows)
    return write_bundle(
        out,
        encoder,
        population,
        _noise(population, recorded) if data is None else oracle_clips(data, population),
        name=out.name,
        architecture=foreign.architecture,
        config=config,
        inputs="recorded" if recorded else "normalised",
        known=data is not None,
        provenance={
            "version": package_version(),
            "imported_from": {"format": format_name, "file": file.name, "sha256": sha256(file)},
            "settings_given": dict(settings or {}),
            "trained_on": foreign.benchmark.name,
            "normalisation": kind,
            "left_out": [mouse.name for mouse in foreign.mice if mouse not in mice.values()],
            **({} if data is None else {"store": str(data.path), "data_checksum": data.checksum}),
        },
    )


def _matched(foreign: Foreign, store: FrameStore, names: Mapping[str, str]) -> dict[str, ForeignMouse]:
    """The checkpoint's mice that the store has, by the store's names.

    Raises
    ------
    BundleError : the store is of another benchmark, has none of the mice, or one has another number of neurons.
    """
    if store.benchmark != foreign.benchmark:
        what = f"is of {foreign.benchmark.name}, the store of {store.benchmark.name}"
        raise BundleError(what, "checkpoint", "name the store that it was trained on")
    found = {}
    for mouse in foreign.mice:
        wanted = names.get(mouse.name, mouse.name)
        for name in store.mice:
            if name == wanted or name.startswith(f"{wanted}-"):
                found[name] = mouse
    if not found:
        known = ", ".join(mouse.name for mouse in foreign.mice)
        mend = "tell which is which with --mouse NAME_IN_FILE=NAME_IN_STORE, or import without a store"
        raise BundleError(f"answers for {known}, of which the store has none", "checkpoint", mend)
    for name, mouse in found.items():
        if store[name].neurons != mouse.neurons:
            what = f"has {mouse.neurons} neurons for {mouse.name}, the store has {store[name].neurons}"
            raise BundleError(what, "checkpoint", "name the store that it was trained on")
    return found


def _known(store: FrameStore, names: Sequence[str], kind: str) -> Population:
    """The store's mice, in the checkpoint's order."""
    every = {mouse.name: mouse for mouse in Population.from_store(store, PUBLISHED[kind]).mice}
    return Population([every[name] for name in names])


def _unknown(mice: Mapping[str, ForeignMouse], benchmark: Benchmark) -> Population:
    """Mice of which nothing is known but how many neurons they have; these are numbered."""
    return Population([MouseSpec.unknown(name, mouse.neurons, len(benchmark.behavior)) for name, mouse in mice.items()])


def _noise(population: Population, recorded: bool) -> dict[str, tuple[str, Clip]]:
    """A clip of seeded noise a mouse, for want of real ones."""
    rng = np.random.default_rng(0)
    clips = {}
    for mouse in population.mice:
        video = rng.normal(size=(_NOISE_FRAMES, *FRAME_SHAPE))
        video = np.clip(110 + 60 * video, 0, 255) if recorded else video
        behavior, pupil = (rng.normal(size=(size, _NOISE_FRAMES)) for size in (population.behavior_channels, 2))
        clips[mouse.name] = (f"noise/{mouse.name}", Clip(video, behavior, pupil))
    return clips
