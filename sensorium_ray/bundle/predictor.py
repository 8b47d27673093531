"""The one verb that everything shares: a bundle and a clip in, responses out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Protocol

import numpy as np

from ..data.clip import Clip
from ..data.windows import Cut, Overlapping, Run, together
from ..errors import BundleError, DataError
from ..storage import StrPath, locate, read_npz
from .fetching import on_disk
from .manifest import MEMBER_WEIGHTS, MEMBERS, Manifest
from .network import Network, OnnxNetwork


class Predictor(Protocol):
    """What takes a clip and answers; a model and an ensemble alike."""

    manifest: Manifest
    path: Path
    """Folder of the bundle."""

    @property
    def mice(self) -> list[str]:
        """Names of the mice that it answers for."""

    def neurons(self, mouse: str) -> int:
        """Number of a mouse's neurons."""

    def predict(self, clip: Clip, mouse: str, neurons: np.ndarray | None = None) -> np.ndarray:
        """Responses to every frame.

        Parameters
        ----------
        clip : video and behaviour as recorded, of any length.
        mouse : one of `mice`.
        neurons : (n,) int, indices into the mouse's neurons; None: all.

        Returns
        -------
        (n, frames) float32, deconvolved calcium, arbitrary units, not negative.

        Raises
        ------
        DataError : the mouse is unknown, or the clip is not of the model's frame shape and channels.
        """

    def stream(self, clip: Clip, mouse: str, neurons: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """The same some frames at a time, in order, (n, some) each: an hour of video needs no more memory so."""

    def predict_together(self, clips: Sequence[Clip], mouse: str, neurons: np.ndarray | None = None) -> np.ndarray:
        """Responses to several clips of one length, asked at once: (clips, n, frames) float32."""


def load_predictor(bundle: StrPath, threads: int = 0, cut: Cut | None = None) -> Predictor:
    """Open a bundle, on a disk or s3://, after comparing its files with their checksums.

    Parameters
    ----------
    threads : threads of onnxruntime for one answer; 0: all cores.
    cut : how clips are cut for a model, such as `Overlapping(16, 2, 1)` for the 2023 winner's way; None: as its
        manifest says.

    Raises
    ------
    BundleError : the bundle is damaged or of an unknown format.
    """
    path = locate(bundle)
    with on_disk(path) as folder:
        predictor = assemble(folder, lambda model: OnnxNetwork(model, threads), cut)
    predictor.path = path
    return predictor


def assemble(
    bundle: Path, network: Callable[[Path], Network], cut: Cut | None = None, pool: Executor | None = None
) -> Predictor:
    """Open a bundle whose networks may answer elsewhere.

    Parameters
    ----------
    network : makes that of a model from its folder, the bundle or one in it.
    cut : as in `load_predictor`.
    pool : its threads ask the members of an ensemble at once; None: one after another.

    Raises
    ------
    BundleError : the bundle is damaged or of an unknown format.
    """
    manifest = Manifest.read(bundle)
    manifest.verify(bundle)
    if manifest.kind == "model":
        return ModelPredictor(bundle, manifest, network(bundle), cut)
    folders = {member.name: bundle / MEMBERS / member.name for member in manifest.members}
    members = {name: assemble(folder, network) for name, folder in folders.items()}  # whose own do not wait in the pool
    return EnsemblePredictor(bundle, manifest, members, member_weights(bundle, manifest), pool)


def member_weights(bundle: Path, manifest: Manifest) -> dict[str, np.ndarray]:
    """Weights of an ensemble's members by mouse: (members,) or (members, neurons).

    Raises
    ------
    BundleError : they are not those of the members and mice.
    """
    shared = np.array([member.weight for member in manifest.members])
    if MEMBER_WEIGHTS not in manifest.files:
        return {mouse.name: shared for mouse in manifest.mice}
    weights = read_npz(bundle / MEMBER_WEIGHTS)
    for mouse in manifest.mice:
        shapes = ((len(shared),), (len(shared), len(mouse.unit_ids)))
        if mouse.name not in weights or weights[mouse.name].shape not in shapes:
            raise BundleError(f"{MEMBER_WEIGHTS} does not fit '{mouse.name}'", manifest.name, "make the ensemble again")
    return weights


class _Described:
    """What the manifest alone answers."""

    def __init__(self, manifest: Manifest, path: Path) -> None:
        self.manifest = manifest
        self.path = path
        self._sizes = {mouse.name: len(mouse.unit_ids) for mouse in manifest.mice}

    @property
    def mice(self) -> list[str]:
        """Names of the mice that it answers for."""
        return list(self._sizes)

    def neurons(self, mouse: str) -> int:
        """Number of a mouse's neurons."""
        if mouse not in self._sizes:
            raise DataError(f"knows no mouse '{mouse}'", self.manifest.name, "known: " + ", ".join(self._sizes))
        return self._sizes[mouse]

    def _check(self, clip: Clip, mouse: str, neurons: np.ndarray | None) -> np.ndarray:
        size = self.neurons(mouse)
        if clip.video.shape[1:] != self.manifest.frame_shape:
            expected = "×".join(map(str, self.manifest.frame_shape))
            raise DataError(
                f"frames are {clip.video.shape[1]}×{clip.video.shape[2]}",
                "video",
                f"this model takes {expected}",
            )
        for name, channels in (("behavior", self.manifest.behavior_channels), ("pupil_center", 2)):
            given = getattr(clip, name).shape[0]
            if given != channels:
                raise DataError(f"has {given} channels", name, f"this model takes {channels}")
        if neurons is None:
            return np.arange(size)
        if neurons.ndim != 1 or (len(neurons) and not (neurons.min() >= 0 and neurons.max() < size)):
            raise DataError(
                "are not indices of this mouse's neurons",
                "neurons",
                f"give whole numbers from 0 to {size - 1}",
            )
        return neurons


class ModelPredictor(_Described):
    """An exported network.

    Parameters
    ----------
    network : that answers windows of clips.
    cut : how clips are cut for it; None: as the manifest says.
    """

    def __init__(self, bundle: Path, manifest: Manifest, network: Network, cut: Cut | None = None) -> None:
        super().__init__(manifest, bundle)
        self._network = network
        self._cut = cut or manifest.cut.cut()

    def predict(self, clip: Clip, mouse: str, neurons: np.ndarray | None = None) -> np.ndarray:
        """Responses to every frame; see `Predictor.predict`."""
        return self._cut.predict(self._run(mouse, self._check(clip, mouse, neurons)), clip)

    def stream(self, clip: Clip, mouse: str, neurons: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Responses some frames at a time; see `Predictor.stream`."""
        return self._cut.stream(self._run(mouse, self._check(clip, mouse, neurons)), clip)

    def predict_together(self, clips: Sequence[Clip], mouse: str, neurons: np.ndarray | None = None) -> np.ndarray:
        """Responses to several clips of one length; see `Predictor.predict_together`."""
        if isinstance(self._cut, Overlapping):  # of which one at a time is as fast, and takes gigabytes less
            return np.stack([self.predict(clip, mouse, neurons) for clip in clips])
        for clip in clips:
            asked = self._check(clip, mouse, neurons)
        answers = self._cut.predict(together(self._run(mouse, asked), clips), clips[0])
        return answers.reshape(len(clips), len(asked), -1)

    def _run(self, mouse: str, neurons: np.ndarray) -> Run:
        """The graph, asked about some neurons of a mouse."""
        place = self.mice.index(mouse)
        numbered = (neurons + sum(list(self._sizes.values())[:place])).astype(np.int64)

        def run(video: np.ndarray, behavior: np.ndarray, pupil_center: np.ndarray, moment: np.ndarray) -> np.ndarray:
            answer = self._network(
                {
                    "video": video,
                    "behavior": behavior,
                    "pupil_center": pupil_center,
                    "mouse": np.full(len(video), place, np.int64),
                    "neurons": numbered,
                    "moment": moment,
                }
            )
            if answer.shape != (len(video), len(numbered), self._cut.answered(video.shape[1])):
                raise BundleError(
                    f"answered {answer.shape} to {video.shape[1]} frames",
                    self.manifest.name,
                    "export it again",
                )
            return answer

        return run


class EnsemblePredictor(_Described):
    """The weighted mean of its members' answers.

    Parameters
    ----------
    members : by name.
    weights : by mouse, (members,) or (members, neurons).
    pool : its threads ask the members at once; None: one after another.
    """

    def __init__(
        self,
        bundle: Path,
        manifest: Manifest,
        members: Mapping[str, Predictor],
        weights: Mapping[str, np.ndarray],
        pool: Executor | None = None,
    ) -> None:
        super().__init__(manifest, bundle)
        self.members = members
        self._pool = pool
        self._weights = weights

    def predict(self, clip: Clip, mouse: str, neurons: np.ndarray | None = None) -> np.ndarray:
        """Responses to every frame; see `Predictor.predict`."""
        self._check(clip, mouse, neurons)
        return self.combine(self.member_predictions(clip, mouse, neurons), mouse, neurons)

    def stream(self, clip: Clip, mouse: str, neurons: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Responses some frames at a time; see `Predictor.stream`."""
        self._check(clip, mouse, neurons)
        streams = [member.stream(clip, mouse, neurons) for member in self.members.values()]
        if self._pool is not None:
            streams = [_ahead(stream, self._pool) for stream in streams]
        for parts in _aligned(streams):
            yield self.combine(dict(zip(self.members, parts, strict=True)), mouse, neurons)

    def predict_together(self, clips: Sequence[Clip], mouse: str, neurons: np.ndarray | None = None) -> np.ndarray:
        """Responses to several clips of one length; see `Predictor.predict_together`."""
        answers = {name: member.predict_together(clips, mouse, neurons) for name, member in self.members.items()}
        each = [{name: told[place] for name, told in answers.items()} for place in range(len(clips))]
        return np.stack([self.combine(told, mouse, neurons) for told in each])

    def member_predictions(self, clip: Clip, mouse: str, neurons: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Each member's answer by its name."""
        return {name: member.predict(clip, mouse, neurons) for name, member in self.members.items()}

    def combine(
        self, predictions: Mapping[str, np.ndarray], mouse: str, neurons: np.ndarray | None = None
    ) -> np.ndarray:
        """Weighted mean of the members' answers about `neurons` of a mouse, accumulated in float64."""
        weights = self._weights[mouse]
        if weights.ndim == 2 and neurons is not None:
            weights = weights[:, neurons]
        columns = weights.reshape(len(weights), -1, 1)
        answers = (predictions[member.name].astype(np.float64) for member in self.manifest.members)
        return np.asarray(sum(column * answer for column, answer in zip(columns, answers, strict=True)), np.float32)


def _ahead(stream: Iterator[np.ndarray], pool: Executor) -> Iterator[np.ndarray]:
    """The same, whose next part is asked for from now on before it is wanted, in a thread of the pool."""
    first = pool.submit(next, stream, None)

    def parts() -> Iterator[np.ndarray]:
        coming = first
        while (part := coming.result()) is not None:
            coming = pool.submit(next, stream, None)
            yield part

    return parts()


def _aligned(streams: Sequence[Iterator[np.ndarray]]) -> Iterator[list[np.ndarray]]:
    """The next frames of every stream, as many as all of them have: (n, some) each."""
    waiting: list[np.ndarray | None] = [None] * len(streams)
    while True:
        parts = [next(stream, None) if part is None else part for stream, part in zip(streams, waiting, strict=True)]
        some = [part for part in parts if part is not None]
        if len(some) < len(parts):
            return
        ready = min(part.shape[1] for part in some)
        yield [part[:, :ready] for part in some]
        waiting = [part[:, ready:] if part.shape[1] > ready else None for part in some]
