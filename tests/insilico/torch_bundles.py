"""Bundles of networks with random weights, made in a moment: torch's weights alone, nothing exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from small import SMALL

from sensorium_ray.bundle.export import write_bundle
from sensorium_ray.bundle.manifest import WEIGHTS, CutEntry, Manifest, MouseEntry, checksums
from sensorium_ray.data.clip import Clip
from sensorium_ray.data.store import Statistics
from sensorium_ray.models import find
from sensorium_ray.models.encoder import Encoder
from sensorium_ray.models.population import MouseSpec, Population

MICE = {"mouse-a": 5, "mouse-b": 4}
"""Neurons by mouse."""
_MOMENTS = 30
_FRAME = (36, 64)


def random_clip(frames: int, seed: int = 0) -> Clip:
    """Noise of every kind, in the units of the published data."""
    rng = np.random.default_rng(seed)
    return Clip(rng.uniform(0, 255, (frames, *_FRAME)), rng.gamma(2, 10, (2, frames)), rng.normal(99, 5, (2, frames)))


def network(name: str, normalisation: str | None = None) -> tuple[Encoder, Population, dict[str, Any]]:
    """A network of an architecture, which may want published statistics, its mice and its configuration."""
    config = {**SMALL[name], **({} if normalisation is None else {"normalisation": normalisation})}
    rng = np.random.default_rng(1)
    population = Population([_mouse(mouse, neurons, rng) for mouse, neurons in MICE.items()])
    torch.manual_seed(0)
    encoder = find.build(name, config, population).eval()
    with torch.no_grad():  # an architecture may start as if it saw nothing
        for parameter in encoder.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return encoder, population, config


def torch_bundle(folder: Path, encoder: Encoder, name: str, config: dict[str, Any]) -> Path:
    """A bundle that nobody can ask but for gradients."""
    folder.mkdir()
    save_file({key: value.contiguous() for key, value in encoder.state_dict().items()}, folder / WEIGHTS)
    Manifest(
        kind="model",
        name=folder.name,
        architecture=name,
        config=config,
        mice=tuple(MouseEntry(name=mouse, unit_ids=tuple(range(neurons))) for mouse, neurons in MICE.items()),
        frame_shape=_FRAME,
        cut=CutEntry.of(encoder.cut),
        files=checksums(folder),
        provenance={},
    ).write(folder)
    return folder


def whole_bundle(folder: Path, name: str) -> Path:
    """The same exported, which takes a quarter of a minute."""
    encoder, population, config = network(name)
    clips = {mouse: ("noise", random_clip(150)) for mouse in MICE}
    write_bundle(folder, encoder, population, clips, name=name, architecture=name, config=config, provenance={})
    return folder


def _mouse(name: str, neurons: int, rng: np.random.Generator) -> MouseSpec:
    """A mouse with statistics of every kind, those of videos a number a pixel and time point."""
    responses = rng.uniform(1, 3, (2, neurons)).astype(np.float32)
    found = (110.0, 60.0, [40.0, 5.0], [15.0, 9.0], [99.0, 99.0], [5.0, 5.0], *responses)
    statistics = Statistics(*(np.asarray(value, np.float32) for value in found))
    shapes = {"video": (*_FRAME, _MOMENTS), "behavior": (2, _MOMENTS), "pupil_center": (2, _MOMENTS)}
    published = {"responses/std": rng.uniform(1, 3, (neurons, _MOMENTS))}
    for field, shape in shapes.items():
        mean = rng.uniform(50, 150, shape)
        published |= {f"{field}/mean": mean, f"{field}/std": rng.uniform(20, 40, shape)}
        published |= {f"{field}/min": mean - 90, f"{field}/max": mean + 90}
    return MouseSpec(
        name, np.arange(neurons), rng.normal(0, 200, (neurons, 3)).astype(np.float32), statistics, published
    )
