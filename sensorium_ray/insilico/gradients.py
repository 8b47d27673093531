"""Gradients of a bundle's responses by the pixels of a clip: its network is torch's again, of the bundle's weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ..bundle.fetching import on_disk
from ..bundle.manifest import MEMBERS, WEIGHTS, Manifest
from ..bundle.predictor import member_weights
from ..data.clip import CLIP_ARRAYS, Clip
from ..data.windows import Cut, Window
from ..errors import BundleError
from ..models import find
from ..models.encoder import Encoder
from ..models.population import MouseSpec, Population
from ..storage import StrPath, locate
from ..training.trained import Trained
from .subject import Differentiate

_FRAMES = {"cpu": 48, "cuda": 128}
"""Frames of windows that a network is given at once; one window at least. One of DwiseNeuro as published takes 3 GB."""

Answer = tuple[np.ndarray, np.ndarray]
"""Responses (clips, neurons, frames), and the gradient (clips, frames, height, width)."""


class _Network(Protocol):
    def __call__(self, clips: Sequence[Clip], weights: np.ndarray) -> Answer:
        """Responses, and the gradient of their sum over neurons and frames, weighted by (clips, neurons, frames)."""


def bundle_gradients(bundle: StrPath, mouse: str, neurons: np.ndarray) -> Differentiate:
    """Neurons of a mouse as a bundle has them, on a GPU where there is one.

    Windows are cut, and their answers put together, as they are when responses are predicted, so that these agree.
    Every window's part of the gradient is added by itself: a long clip needs no more memory than a window.

    Parameters
    ----------
    bundle : a model or an ensemble, on a disk or s3://.
    mouse : one of its mice.
    neurons : (n,) int64, indices into the mouse's neurons.

    Raises
    ------
    BundleError : the bundle is damaged, or came without weights for torch.
    ConfigError : a network's architecture is none of this version.
    """
    with on_disk(locate(bundle)) as folder:
        Manifest.read(folder).verify(folder)
        network = _open(folder, mouse, neurons)

    def differentiate(clips: Sequence[Clip], weights: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        return list(zip(*network(clips, np.stack(weights).astype(np.float32)), strict=True))

    return differentiate


def _open(bundle: Path, mouse: str, neurons: np.ndarray) -> _Network:
    manifest = Manifest.read(bundle)
    if manifest.kind == "model":
        return _Model(bundle, manifest, mouse, neurons)
    shares = member_weights(bundle, manifest)[mouse]
    shares = shares if shares.ndim == 1 else shares[:, neurons]
    members = [_open(bundle / MEMBERS / member.name, mouse, neurons) for member in manifest.members]
    return _Ensemble(members, shares.reshape(len(members), -1, 1))


@dataclass(frozen=True, slots=True)
class _Ensemble:
    """The weighted sum of its members; shares (members, neurons or 1, 1)."""

    members: Sequence[_Network]
    shares: np.ndarray

    def __call__(self, clips: Sequence[Clip], weights: np.ndarray) -> Answer:
        answers = [
            (share, *member(clips, (weights * share).astype(np.float32)))
            for member, share in zip(self.members, self.shares, strict=True)
        ]
        responses = sum(share * told for share, told, _ in answers)
        return np.asarray(responses, np.float32), np.asarray(sum(gradient for *_, gradient in answers), np.float32)


class _Model:
    def __init__(self, bundle: Path, manifest: Manifest, mouse: str, neurons: np.ndarray) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._encoder = _encoder(bundle, manifest).to(self._device)
        self._cut: Cut = manifest.cut.cut()
        sizes = [len(entry.unit_ids) for entry in manifest.mice]
        self._place = [entry.name for entry in manifest.mice].index(mouse)
        self._neurons = torch.from_numpy(neurons + sum(sizes[: self._place])).to(self._device)

    def __call__(self, clips: Sequence[Clip], weights: np.ndarray) -> Answer:
        windows = list(self._cut.windows(clips[0].frames))
        together = max(1, _FRAMES[self._device.type] // max(len(moments) for moments, _ in windows))
        parts = [
            self._differentiate(windows, clips[start : start + together], weights[start : start + together])
            for start in range(0, len(clips), together)
        ]
        responses, gradient = (np.concatenate(part) for part in zip(*parts, strict=True))
        return responses, gradient

    def _differentiate(self, windows: Sequence[Window], clips: Sequence[Clip], weights: np.ndarray) -> Answer:
        video, behavior, pupil_center = (
            self._tensor(np.stack([getattr(clip, name) for clip in clips])) for name in CLIP_ARRAYS
        )
        video.requires_grad_()
        wanted = self._tensor(weights)
        responses = torch.zeros_like(wanted)
        mice = torch.full((len(clips),), self._place, device=self._device)
        # TF32 keeps ten bits of a factor: responses would not agree with those predicted.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for moments, shares in (map(self._tensor, window) for window in windows):
                seen = (video[:, moments], behavior[:, :, moments], pupil_center[:, :, moments])
                answer = self._encoder(*seen, mice, self._neurons, moments.expand(len(clips), -1))
                answer, counted = answer[:, :, -len(shares) :] * shares, moments[-len(shares) :]
                (answer * wanted[:, :, counted]).sum().backward()
                responses.index_add_(2, counted, answer.detach())
        assert video.grad is not None
        return responses.cpu().numpy(), video.grad.cpu().numpy()

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)


def _encoder(bundle: Path, manifest: Manifest) -> Encoder:
    """A model's network, rebuilt from its manifest and weights alone."""
    if WEIGHTS not in manifest.files:
        mend = "export it again, or choose a bundle that this project exported"
        raise BundleError(f"came without {WEIGHTS}, so that it tells no gradients", manifest.name, mend)
    trained = Trained.read(bundle)
    mice = [MouseSpec.unknown(name, len(ids), manifest.behavior_channels) for name, ids in trained.mice.items()]
    # What a network knows of its mice lies among its weights; only a normalisation's tables differ in their shapes.
    config: dict[str, Any] = {**trained.config, "normalisation": "raw"}
    with torch.random.fork_rng(devices=[]):
        encoder = find.build(trained.architecture, config, Population(mice))
    for name, table in encoder.normaliser.named_buffers():
        setattr(encoder.normaliser, name, trained.weights.get(f"normaliser.{name}", table))
    try:
        encoder.load_state_dict(dict(trained.weights))
    except RuntimeError as error:
        what = f"has weights that are not those of its {trained.architecture} ({error})"
        raise BundleError(what, manifest.name, "export it again") from error
    return encoder.eval().requires_grad_(False)
