"""A model of normalised videos is shown grey levels as any other, once it is told how they are normalised."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from insilico.gabors import gabor_subject
from insilico.torch_bundles import random_clip

from sensorium_ray.bundle.manifest import Manifest
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.data.clip import Clip
from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico.local import bundle_subject
from sensorium_ray.insilico.normalised import in_grey_levels
from sensorium_ray.insilico.run import run_experiment
from sensorium_ray.results import load_result, save_result

MEAN, STD = 113.0, 60.0


@pytest.fixture(scope="module")
def normalised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle as an import without a frame store leaves it: it knows nothing of its mice."""
    bundle = tmp_path_factory.mktemp("normalised") / "bundle"
    shutil.copytree(PRETRAINED / "linear_nonlinear", bundle)
    manifest = Manifest.read(bundle)
    mouse = manifest.mice[0].model_copy(update={"behavior_mean": None, "pupil_center_mean": None})
    manifest.model_copy(update={"inputs": "normalised", "mice": (mouse, *manifest.mice[1:])}).write(bundle)
    return bundle


def test_it_answers_what_its_model_answers_to_normalised_videos(normalised: Path) -> None:
    mouse, video = Manifest.read(normalised).mice[0].name, random_clip(12).video
    subject = bundle_subject(normalised, mouse, [5, 3], grey_levels=(MEAN, STD))
    (answer,) = subject.respond([subject.clip(video)])
    still = np.zeros((2, 12))
    expected = load_predictor(normalised).predict(Clip((video - MEAN) / STD, still, still), mouse, np.array([5, 3]))
    np.testing.assert_allclose(answer, expected, rtol=1e-4)


def test_gradients_are_by_grey_levels() -> None:
    subject = in_grey_levels(gabor_subject(), MEAN, STD)
    rng = np.random.default_rng(0)
    video, weights = rng.uniform(0, 255, (8, *subject.frame_shape)), rng.normal(size=(2, 8)).astype(np.float32)
    direction = rng.normal(size=video.shape)
    ((_, gradient),) = subject.differentiate([subject.clip(video)], [weights])
    high, low = subject.respond(subject.clip(video + step * direction) for step in (0.5, -0.5))
    assert np.sum(gradient * direction) == pytest.approx(np.sum(weights * (high - low)), rel=1e-2)


def test_a_result_tells_how_videos_were_normalised(normalised: Path, tmp_path: Path) -> None:
    mouse = Manifest.read(normalised).mice[0].name
    told = {"directions": 4, "spatial_frequencies": [0.05], "temporal_frequencies": [2.0]}
    result = run_experiment("direction_tuning", bundle_subject(normalised, mouse, [5], grey_levels=(MEAN, STD)), **told)
    save_result(result, tmp_path / "result.nc")
    assert list(load_result(tmp_path / "result.nc").attrs["grey_levels"]) == [MEAN, STD]


def test_what_is_normalised_must_be_told_and_what_is_not_may_not(normalised: Path) -> None:
    mouse = Manifest.read(normalised).mice[0].name
    with pytest.raises(ConfigError, match="takes videos that are normalised beforehand; tell grey_levels"):
        bundle_subject(normalised, mouse)
    with pytest.raises(ConfigError, match="takes grey levels as recorded; leave grey_levels out"):
        bundle_subject(PRETRAINED / "linear_nonlinear", mouse, grey_levels=(MEAN, STD))
    with pytest.raises(ConfigError, match=r"grey_levels: are 0\.4 and 0"):
        bundle_subject(normalised, mouse, grey_levels=(0.4, 0))
