"""What was sent becomes the clip that the model takes, and what was done to it is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.data.resampling import Sampling
from sensorium_ray.errors import DataError
from sensorium_ray.serving import clips
from sensorium_ray.serving.clips import Film, complete
from sensorium_ray.serving.served import Served

MODEL_TAKES = Sampling((4, 6), 30.0)


@pytest.fixture(scope="module")
def model(bundles: Path) -> Served:
    return Served.read(bundles / "tiny")


def made_of(
    sent: dict[str, np.ndarray], model: Served, mouse: str = "mouse-a", rate: float = 30.0
) -> tuple[Clip, tuple[str, ...]]:
    return complete(Film.of_array(sent["video"], rate, MODEL_TAKES), sent, model, mouse)


def arrays(clip: Clip, **changes: object) -> dict[str, np.ndarray]:
    return {name: getattr(clip, name) for name in CLIP_ARRAYS} | {k: np.asarray(v) for k, v in changes.items()}


def test_what_fits_is_left_as_it_is(clip: Clip, model: Served) -> None:
    made, said = made_of(arrays(clip), model)
    assert said == ()
    for name in CLIP_ARRAYS:
        np.testing.assert_array_equal(getattr(made, name), getattr(clip, name), strict=True)


def test_behaviour_that_is_missing_is_the_mean_in_training(clip: Clip, model: Served) -> None:
    made, said = made_of({"video": clip.video}, model)
    np.testing.assert_array_equal(made.behavior, np.repeat([[3], [1]], 50, axis=1))
    np.testing.assert_array_equal(made.pupil_center, np.repeat([[10], [20]], 50, axis=1))
    assert said == (
        "behavior was not given: the mouse's mean in training stands for it (3, 1)",
        "pupil_center was not given: the mouse's mean in training stands for it (10, 20)",
    )
    with pytest.raises(DataError, match="behavior: is missing, and this model does not know the mouse's mean"):
        made_of({"video": clip.video}, model, "mouse-b")


def test_one_value_a_channel_holds_for_the_whole_clip(clip: Clip, model: Served) -> None:
    made, said = made_of(arrays(clip, behavior=[7, 0]), model)
    np.testing.assert_array_equal(made.behavior, np.repeat([[7], [0]], 50, axis=1))
    assert said == ()


def test_a_video_of_another_size_and_rate_is_resampled_with_its_behaviour(model: Served) -> None:
    video = np.arange(20.0)[:, None, None] * np.ones((20, 8, 12))  # each frame its number, 10 a second
    behavior = np.arange(40.0).reshape(2, 20)
    sent = {"video": video, "behavior": behavior, "pupil_center": np.zeros((2, 60))}
    made, said = made_of(sent, model, rate=10.0)
    assert made.video.shape == (60, 4, 6)
    np.testing.assert_array_equal(made.video[:, 0, 0], np.arange(60) // 3)
    np.testing.assert_allclose(made.behavior[0], np.minimum(np.arange(60) / 3, 19), atol=1e-5)
    assert said == ("12x8 at 10 frames/s resampled to 6x4 at 30 (area, crop, hold)",)


def test_few_frames_at_a_low_rate_are_not_hours(model: Served) -> None:
    with pytest.raises(DataError, match="video: is longer than 7200 s; cut it, or say its true rate"):
        made_of({"video": np.zeros((2, 4, 6), np.uint8)}, model, rate=1e-4)


@pytest.mark.parametrize("rate", [30.0, 20.0])
def test_frames_on_the_disk_are_those_in_memory(
    clip: Clip, model: Served, rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory, _ = made_of({"video": clip.video}, model, rate=rate)
    monkeypatch.setattr(clips, "_IN_MEMORY", 100)
    on_disk, _ = made_of({"video": clip.video}, model, rate=rate)
    np.testing.assert_array_equal(on_disk.video, in_memory.video, strict=True)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"video": [[1, 2], [3, 4]]}, r"video: has shape \(2, 2\)"),
        ({"video": "movie.mp4"}, r"video: has shape \(\)"),
        ({"video": np.zeros((5, 0, 6))}, "video: has shape"),
        ({"behavior": [[1.0], [2.0]]}, r"behavior: has shape \(2, 1\) beside a video of 50 frames; give"),
        ({"behavior": [[None] * 50] * 2}, "behavior: has dtype object"),
        ({"behavior": [1, 2, 3]}, r"behavior: has shape \(3,\)"),
        ({"pupil_center": [[float("nan")] * 50] * 2}, "pupil_center: holds NaN"),
        ({"pupil_center": 3}, "pupil_center: has shape"),
    ],
)
def test_what_makes_no_clip_gets_its_sentence(
    clip: Clip, model: Served, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        made_of(arrays(clip, **changes), model)
