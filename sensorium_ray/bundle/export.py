"""Export: a training checkpoint becomes a bundle, checked against torch on real clips before it is kept."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from ..data.clip import CLIP_ARRAYS, Clip
from ..data.store import FrameStore
from ..data.windows import Blocks, Overlapping, with_windows
from ..errors import DataError, ExportError
from ..models.encoder import Encoder
from ..models.population import MouseSpec, Population
from ..storage import StrPath, atomic_folder, locate, require_new
from ..training.checkpoint import Checkpoint
from ..training.inference import torch_run
from ..version import package_version
from .anatomy import Anatomy, write_anatomy
from .manifest import MANIFEST, ONNX, WEIGHTS, CutEntry, Manifest, MouseEntry, Parity, checksums
from .predictor import load_predictor

TOLERANCE = 1e-4
"""Largest |exported - torch| that is accepted, in units of the largest |torch| answer."""

_TIME_AXES = {"video": 1, "behavior": 2, "pupil_center": 2, "responses": 2}

_EXAMPLE_FRAMES = 24
"""Of the clip that the graph is traced with; an axis of length one would be frozen."""
_PARITY_LENGTHS = (40, 1, 131)
"""Lengths of the check's clips: less than a chunk, one frame, more than a chunk. All mice are asked with the first."""


def export(
    checkpoint: StrPath,
    out: StrPath,
    store: StrPath | None = None,
    name: str | None = None,
    windows: tuple[int, int] | None = None,
) -> Manifest:
    """Write a bundle and compare it with the torch network.

    Parameters
    ----------
    checkpoint : folder that training left, on a disk or s3://.
    out : the bundle to write, on a disk or s3://; must not exist.
    store : frame store whose oracle clips the check runs on; None: the one that the model was trained on.
    name : the bundle's name; None: the folder's.
    windows : frames of overlapping windows, and how many of them lie between two windows' starts; None: as the network
        was configured.

    Raises
    ------
    ConfigError : `windows` is impossible, or the network has no overlapping windows.
    ExportError : the exported graph does not answer as the network does; nothing is written.
    """
    out = locate(out)
    require_new(out)
    saved = Checkpoint.read(locate(checkpoint))
    clips = oracle_clips(FrameStore.open(store or saved.provenance["store"]), saved.population)
    about: dict[str, Any] = {"name": name or out.name, "architecture": saved.architecture, "config": saved.config}
    encoder = saved.encoder()
    if windows is not None:
        encoder.cut = with_windows(encoder.cut, *windows)
    return write_bundle(out, encoder, saved.population, clips, **about, provenance=saved.provenance)


def write_bundle(
    out: Path,
    encoder: Encoder,
    population: Population,
    clips: Mapping[str, tuple[str, Clip]],
    *,
    known: bool = True,
    **about: Any,
) -> Manifest:
    """Write a network as a bundle and compare the two.

    Parameters
    ----------
    out : must not exist.
    clips : of each mouse, by mouse, with the clip's name.
    known : whether the population's statistics and coordinates are those of a frame store.
    about : what the manifest says beside what follows from the network: name, architecture, config, provenance.

    Raises
    ------
    ExportError : the exported graph does not answer as the network does; nothing is written.
    """
    encoder.eval()
    example = next(iter(clips.values()))[1]
    about["provenance"] = {**about["provenance"], "exported_by": package_version()}
    with atomic_folder(out, last=MANIFEST) as folder:
        write_onnx(encoder, example, folder / ONNX)
        save_file({key: value.contiguous() for key, value in encoder.state_dict().items()}, folder / WEIGHTS)
        if known:
            write_anatomy(folder, {mouse.name: Anatomy(mouse.coordinates, mouse.areas) for mouse in population.mice})
        manifest = Manifest(
            kind="model",
            mice=tuple(_entry(mouse, known) for mouse in population.mice),
            frame_shape=example.video.shape[1:],
            rate=example.rate,
            behavior_channels=len(example.behavior),
            receptive_field=encoder.receptive_field,
            cut=CutEntry.of(encoder.cut),
            files=checksums(folder),
            **about,
        )
        manifest.write(folder)
        manifest = manifest.model_copy(update={"parity": _measure_parity(encoder, population, folder, clips)})
        manifest.write(folder)
    return manifest


def _entry(mouse: MouseSpec, known: bool) -> MouseEntry:
    """What the manifest says of a mouse; its means if they are known."""
    entry = MouseEntry(name=mouse.name, unit_ids=tuple(mouse.unit_ids.tolist()))
    if not known:
        return entry
    means = {"behavior_mean": mouse.statistics.behavior_mean, "pupil_center_mean": mouse.statistics.pupil_mean}
    return entry.model_copy(update={name: tuple(mean.tolist()) for name, mean in means.items()})


def write_onnx(encoder: Encoder, example: Clip, path: Path) -> None:
    """Export the graph with batch, frames and neurons left open; `Blocks` have windows of one length, which it takes.

    Raises
    ------
    ExportError : the graph froze the number of frames.
    """
    batch = count = torch.export.Dim.DYNAMIC
    any_length = not isinstance(encoder.cut, Blocks)
    time = torch.export.Dim.DYNAMIC if any_length else torch.export.Dim.STATIC
    frames = _EXAMPLE_FRAMES if any_length else encoder.cut.frames
    example = _held(example, frames)
    inputs = {
        **{name: torch.from_numpy(np.stack([getattr(example, name)] * 2)) for name in CLIP_ARRAYS},
        "mouse": torch.zeros(2, dtype=torch.int64),
        "neurons": torch.arange(3),
        "moment": torch.arange(frames).expand(2, -1),
    }
    shapes = {
        "video": {0: batch, 1: time},
        "behavior": {0: batch, 2: time},
        "pupil_center": {0: batch, 2: time},
        "mouse": {0: batch},
        "neurons": {0: count},
        "moment": {0: batch, 1: time},
    }
    # The exporter tells which optional libraries it does not find, and which of its own parts it deprecates.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            encoder,
            kwargs=inputs,
            dynamo=True,
            opset_version=18,
            dynamic_shapes=shapes,
            input_names=list(inputs),
            output_names=["responses"],
            verbose=False,
        )
    assert program is not None
    program.save(path, external_data=False)
    for value in (*program.model.graph.inputs, *program.model.graph.outputs):
        axis = _TIME_AXES.get(value.name or "")
        if any_length and axis is not None and (value.shape is None or isinstance(value.shape[axis], int)):
            raise ExportError(f"the graph froze the frames of '{value.name}': {value.shape}", str(path))


def oracle_clips(store: FrameStore, population: Population) -> dict[str, tuple[str, Clip]]:
    """One oracle clip of each mouse, by mouse; with the trial's name."""
    clips = {}
    for mouse in population.mice:
        data = store[mouse.name]
        trials = data.select(store.benchmark.oracle) or data.select("train")
        if not trials:
            raise DataError("has no oracle or training trial to check the export on", mouse.name)
        clips[mouse.name] = (f"{mouse.name}/{trials[0].trial}", data.clip(trials[0].trial))
    return clips


def _measure_parity(
    encoder: Encoder, population: Population, bundle: Path, clips: Mapping[str, tuple[str, Clip]]
) -> Parity:
    """Largest relative difference between the exported graph and torch, over mice and lengths."""
    # Windows that overlap would only say the same again.
    cut = replace(encoder.cut, hop=encoder.cut.frames) if isinstance(encoder.cut, Overlapping) else encoder.cut
    predictor = load_predictor(bundle, cut=cut)
    first, *others = clips
    worst = 0.0
    for mouse, length in [(first, length) for length in _PARITY_LENGTHS] + [(m, _PARITY_LENGTHS[0]) for m in others]:
        clip = _held(clips[mouse][1], length)
        expected = cut.predict(torch_run(encoder, population, mouse), clip)
        error = np.abs(predictor.predict(clip, mouse) - expected).max() / max(np.abs(expected).max(), 1e-12)
        worst = max(worst, float(error))
    if not worst <= TOLERANCE:
        raise ExportError(
            f"the exported graph differs from torch by {worst:.2g} of the largest answer, more than {TOLERANCE:g}",
            str(bundle),
        )
    return Parity(
        max_error=worst,
        tolerance=TOLERANCE,
        clips=tuple(name for name, _ in clips.values()),
        lengths=tuple(sorted(_PARITY_LENGTHS)),
    )


def _held(clip: Clip, frames: int) -> Clip:
    """The first frames of a clip; a shorter one, as a still image is, is held at its last."""
    places = np.minimum(np.arange(frames), clip.frames - 1)
    return Clip(clip.video[places], clip.behavior[:, places], clip.pupil_center[:, places], clip.rate)
