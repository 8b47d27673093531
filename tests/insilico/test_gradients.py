"""Gradients are those of what is predicted: of a model of any architecture, and of an ensemble."""

from pathlib import Path

import numpy as np
import pytest
import s3fs
import torch
from insilico.torch_bundles import MICE, network, random_clip, torch_bundle, whole_bundle
from loaded import loaded

from sensorium_ray.bundle.ensemble import write_ensemble
from sensorium_ray.bundle.manifest import MANIFEST, Manifest
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.data.clip import Clip
from sensorium_ray.errors import BundleError, ConfigError
from sensorium_ray.insilico.gradients import bundle_gradients
from sensorium_ray.insilico.local import bundle_subject
from sensorium_ray.models import find
from sensorium_ray.models.encoder import Encoder
from sensorium_ray.storage import copy_folder, locate
from sensorium_ray.training.inference import torch_run

CHOSEN = np.array([3, 0])
FRAMES = 33  # more than a small window, and more than the published statistics know


def _weights(clips: int, frames: int, neurons: int = len(CHOSEN)) -> list[np.ndarray]:
    return list(np.random.default_rng(2).normal(size=(clips, neurons, frames)).astype(np.float32))


@pytest.mark.parametrize("normalisation", [None, "published", "extremes"])
@pytest.mark.parametrize("name", find.names())
def test_a_network_is_rebuilt_from_its_bundle_alone(name: str, normalisation: str | None, tmp_path: Path) -> None:
    """Responses are the network's, and the slope along a random direction is that of finite differences in float64."""
    encoder, population, config = network(name, normalisation)
    differentiate = bundle_gradients(torch_bundle(tmp_path / "b", encoder, name, config), "mouse-b", CHOSEN)
    clips, weights = [random_clip(FRAMES, seed) for seed in (0, 1)], _weights(2, FRAMES)
    answers = differentiate(clips, weights)
    run = torch_run(encoder, population, "mouse-b")
    for clip, (responses, _) in zip(clips, answers, strict=True):
        expected = encoder.cut.predict(run, clip)[CHOSEN]
        np.testing.assert_allclose(responses, expected, rtol=1e-4, atol=1e-4 * abs(expected).max())
    video, direction = clips[1].video.astype(np.float64), np.random.default_rng(3).normal(size=clips[1].video.shape)
    high, low = (_exact_sum(encoder.double(), video + step * direction, clips[1], weights[1]) for step in (1e-3, -1e-3))
    assert np.sum(answers[1][1] * direction) == pytest.approx((high - low) / 2e-3, rel=2e-3, abs=1e-5)


def _exact_sum(encoder: Encoder, video: np.ndarray, clip: Clip, weights: np.ndarray) -> float:
    """Weighted sum of the responses of 'mouse-b' to a clip with another video, in float64."""
    total = 0.0
    mouse, neurons = torch.ones(1, dtype=torch.int64), torch.from_numpy(CHOSEN + MICE["mouse-a"])
    for moments, shares in encoder.cut.windows(clip.frames):
        arrays = (video[moments], clip.behavior[:, moments], clip.pupil_center[:, moments])
        tensors = [torch.from_numpy(array[None].astype(np.float64)) for array in arrays]
        with torch.no_grad():
            answer = encoder(*tensors, mouse, neurons, torch.from_numpy(moments[None]))[0].numpy()
        counted = len(shares)
        total += np.sum(answer[:, -counted:] * shares * weights[:, moments[-counted:]])
    return total


@pytest.mark.parametrize("name", ["factorised3d", "gru", "linear_nonlinear"])
def test_responses_are_those_that_the_exported_graph_predicts(name: str) -> None:
    _agrees_with_prediction(PRETRAINED / name, FRAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", find.names())
def test_every_architecture_agrees_with_its_exported_graph(name: str, tmp_path: Path) -> None:
    whole_bundle(tmp_path / name, name)
    for frames in (1, FRAMES, 131):
        _agrees_with_prediction(tmp_path / name, frames)


def _agrees_with_prediction(bundle: Path, frames: int) -> None:
    predictor = load_predictor(bundle, threads=1)
    mouse = predictor.mice[-1]
    clips = [random_clip(frames, seed) for seed in range(3)]
    answers = bundle_gradients(bundle, mouse, CHOSEN)(clips, _weights(3, frames))
    for (responses, gradient), expected in zip(answers, predictor.predict_together(clips, mouse, CHOSEN), strict=True):
        np.testing.assert_allclose(responses, expected, rtol=0, atol=1e-4 * abs(expected).max())
        assert gradient.shape == clips[0].video.shape
        assert gradient.dtype == np.float32


def test_an_ensembles_gradient_is_the_weighted_sum_of_its_members(tmp_path: Path) -> None:
    members = {name: PRETRAINED / name for name in ("gru", "linear_nonlinear")}
    rng = np.random.default_rng(0)
    mice = load_predictor(members["gru"], threads=1).manifest.mice
    shares = {mouse.name: rng.dirichlet([1, 1], len(mouse.unit_ids)).T for mouse in mice}
    write_ensemble(members, shares, tmp_path / "both", {})
    write_ensemble({"both": tmp_path / "both", "third": PRETRAINED / "factorised3d"}, [0.5, 0.5], tmp_path / "all", {})
    mouse, clip, (weights,) = mice[0].name, random_clip(FRAMES), _weights(1, FRAMES)
    ((responses, gradient),) = bundle_gradients(tmp_path / "all", mouse, CHOSEN)([clip], [weights])
    predicted = load_predictor(tmp_path / "all", threads=1).predict(clip, mouse, CHOSEN)
    np.testing.assert_allclose(responses, predicted, rtol=0, atol=1e-4 * predicted.max())
    first, second = shares[mouse][:, CHOSEN, None] / 2
    counted = {"gru": first * weights, "linear_nonlinear": second * weights, "factorised3d": weights / 2}
    parts = [bundle_gradients(PRETRAINED / name, mouse, CHOSEN)([clip], [part]) for name, part in counted.items()]
    np.testing.assert_allclose(gradient, sum(slope for ((_, slope),) in parts), rtol=1e-3, atol=1e-6)


def test_a_bundle_on_s3_tells_the_same_gradients(s3_server: str) -> None:
    s3fs.S3FileSystem().mkdir("gradients")
    bundle, there = PRETRAINED / "linear_nonlinear", "s3://gradients/linear_nonlinear"
    copy_folder(bundle, locate(there), last=MANIFEST)
    mouse, clip, weights = Manifest.read(bundle).mice[0].name, random_clip(5), _weights(1, 5)
    ((_, gradient),) = bundle_gradients(there, mouse, CHOSEN)([clip], weights)
    ((_, expected),) = bundle_gradients(bundle, mouse, CHOSEN)([clip], weights)
    np.testing.assert_array_equal(gradient, expected)


def test_a_subject_loads_torch_when_gradients_are_asked_for() -> None:
    mouse = Manifest.read(PRETRAINED / "gru").mice[0].name
    subject = f"bundle_subject({str(PRETRAINED / 'gru')!r}, {mouse!r}, [0])"
    assert loaded(f"from sensorium_ray.insilico.local import bundle_subject; {subject}", "torch") == "[]"


def test_a_subject_answers_with_gradients_of_its_neurons() -> None:
    bundle = PRETRAINED / "linear_nonlinear"
    mouse = Manifest.read(bundle).mice[0].name
    clip, weights = random_clip(5), _weights(1, 5)
    ((_, gradient),) = bundle_subject(bundle, mouse, CHOSEN).differentiate([clip], weights)
    ((_, expected),) = bundle_gradients(bundle, mouse, CHOSEN)([clip], weights)
    np.testing.assert_array_equal(gradient, expected)


def test_what_cannot_be_rebuilt_is_refused_in_one_sentence(tmp_path: Path) -> None:
    encoder, _, config = network("linear_nonlinear")
    bundle = torch_bundle(tmp_path / "mine", encoder, "linear_nonlinear", config)
    manifest = Manifest.read(bundle)
    for change, error, sentence in (
        ({"files": {}}, BundleError, r"mine: came without weights\.safetensors, so that it tells no gradients; export"),
        ({"architecture": "linear_nonlinaer"}, ConfigError, "there is no architecture 'linear_nonlinaer'"),
        ({"config": {**config, "channels": 7}}, BundleError, "has weights that are not those of its linear_nonlinear"),
    ):
        manifest.model_copy(update=change).write(bundle)
        with pytest.raises(error, match=sentence):
            bundle_gradients(bundle, "mouse-a", CHOSEN)
    manifest.write(bundle)
    (bundle / "weights.safetensors").write_bytes(b"broken")
    with pytest.raises(BundleError, match="differs from the manifest's checksum"):
        bundle_gradients(bundle, "mouse-a", CHOSEN)
