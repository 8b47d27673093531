"""Normalisations by published statistics: values worked out by hand, and those of the reference code."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from models.references import REFERENCES, vectors

from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.simulate import SCALES_2022, simulate
from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import ConfigError, DataError
from sensorium_ray.models.normalisation import PUBLISHED, Normaliser
from sensorium_ray.models.population import MouseSpec, Population

NAN = np.nan


def _mouse(name: str, neurons: int, **published: object) -> MouseSpec:
    """A mouse of 1x2 pixels with published statistics, 'video_mean' for 'video/mean'."""
    found = {name.replace("_", "/", 1): np.array(value, float) for name, value in published.items()}
    found = {name.replace("pupil/", "pupil_center/"): value for name, value in found.items()}
    return replace(MouseSpec.unknown(name, neurons), published=found)


# Per time point; the first mouse is known for three of four, the second for two.
FIRST = _mouse(
    "first",
    3,
    video_mean=[[[10, 20, 30, NAN], [40, 50, 60, NAN]]],
    video_std=[[[1, 2, 4, NAN], [5, 10, 20, NAN]]],
    behavior_std=[[1, 2, 4, NAN], [10, 20, 40, NAN]],
    behavior_min=[[0, 1, 2, NAN], [0, 0, -5, NAN]],
    behavior_max=[[10, 11, 22, NAN], [1, 2, 5, NAN]],
    pupil_mean=[[100, 101, 102, NAN], [200, 201, 202, NAN]],
    pupil_std=[[2, 4, 8, NAN], [1, 1, 2, NAN]],
    pupil_min=[[90, 90, 90, NAN], [190, 190, 190, NAN]],
    pupil_max=[[110, 100, 95, NAN], [200, 210, 230, NAN]],
    # The mean is 1000/9, so that what is below 1.1111 counts as 1.1111.
    responses_std=[[100, 200, 300, NAN], [0, 1, 5, NAN], [94, 200, 100, NAN]],
)
SECOND = _mouse(
    "second",
    1,
    video_mean=[[[0, 100, NAN, NAN], [0, 0, NAN, NAN]]],
    video_std=[[[50, 25, NAN, NAN], [10, 0, NAN, NAN]]],
    behavior_std=[[5, 10, NAN, NAN], [0, 2, NAN, NAN]],
    behavior_min=[[0, 0, NAN, NAN], [3, 3, NAN, NAN]],
    behavior_max=[[5, 10, NAN, NAN], [3, 4, NAN, NAN]],
    pupil_mean=[[1, 2, NAN, NAN], [3, 4, NAN, NAN]],
    pupil_std=[[1, 2, NAN, NAN], [3, 4, NAN, NAN]],
    pupil_min=[[0, 0, NAN, NAN], [0, 0, NAN, NAN]],
    pupil_max=[[1, 2, NAN, NAN], [4, 8, NAN, NAN]],
    responses_std=[[7, 9, NAN, NAN]],
)
MICE = Population([FIRST, SECOND])
# A clip of each mouse: the first begins at moment 1 and ends after what is known, the second begins at 0.
MOMENT = torch.tensor([[1, 2, 3], [0, 1, 2]])
VIDEO = torch.tensor([[[[24.0, 70.0]], [[34.0, 80.0]], [[38.0, 20.0]]], [[[100.0, 5.0]], [[150.0, 3.0]], [[0.0, 4.0]]]])
BEHAVIOR = torch.tensor([[[6.0, 12.0, 22.0], [4.0, 0.0, 5.0]], [[2.0, 5.0, 20.0], [3.0, 3.5, 5.0]]])
PUPIL = torch.tensor([[[105.0, 110.0, 94.0], [200.0, 200.0, 206.0]], [[2.0, 4.0, 0.0], [6.0, 0.0, 8.0]]])


def _require_inputs(kind: str, *expected: object) -> None:
    """Video (mice, frames, columns), behaviour and pupil centre (mice, channels, frames) come out as expected."""
    found = Normaliser(MICE, kind)(VIDEO, BEHAVIOR, PUPIL, torch.tensor([0, 1]), MOMENT)  # type: ignore[arg-type]
    for ours, theirs in zip((found[0][:, :, 0], *found[1:]), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_published_statistics_count_from_the_trial_s_start_and_the_last_one_is_held() -> None:
    _require_inputs(
        "published",
        # Where there is no spread at all, the unit stays what it is.
        [[[2, 2], [1, 1], [2, -2]], [[2, 0.5], [2, 3], [-4, 4]]],
        [[[3, 3, 5.5], [0.2, 0, 0.125]], [[0.4, 0.5, 2], [3, 1.75, 2.5]]],
        [[[1, 1, -1], [-1, -1, 2]], [[1, 1, -1], [1, -1, 1]]],
    )


def test_extremes_count_from_the_trial_s_start_and_the_last_one_is_held() -> None:
    _require_inputs(
        "extremes",
        # (video - mean) / (std - mean), of which the published weights think that it is (video - min) / (max - min).
        [
            [[4 / -18, 20 / -40], [4 / -26, 20 / -40], [8 / -26, -40 / -40]],
            [[100 / 50, 5 / 10], [50 / -75, 3], [-100 / -75, 4]],
        ],
        [[[0.5, 0.5, 1], [2, 0.5, 1]], [[0.4, 0.5, 2], [0, 0.5, 2]]],
        [[[1.5, 4, 0.8], [0.5, 0.25, 0.4]], [[2, 2, 0], [1.5, 0, 1]]],
    )


@pytest.mark.parametrize("kind", ["published", "extremes"])
def test_responses_are_in_units_of_their_time_point_s_deviation_or_a_hundredth_of_the_mean_one(kind: str) -> None:
    normaliser = Normaliser(MICE, kind)  # type: ignore[arg-type]
    units = normaliser.responses_at(torch.tensor([2, 1]), torch.tensor([[0, 1, 2, 3, 9]]))
    floor = 0.01 * (100 + 200 + 300 + 0 + 1 + 5 + 94 + 200 + 100) / 9
    expected = [[[94, 200, 100, 100, 100], [floor, floor, 5, 5, 5]]]
    np.testing.assert_allclose(units, expected, rtol=1e-6)
    assert normaliser.responses_at(torch.tensor([3]), torch.tensor([[0, 1, 2], [5, 5, 0]])).tolist() == [
        [[7, 9, 9]],
        [[9, 9, 7]],
    ]


def test_of_2022_there_is_one_number_a_channel_and_neuron() -> None:
    mouse = _mouse(
        "static",
        2,
        video_mean=110.0,
        video_std=55.0,
        behavior_std=[[4.0, 2.0]],  # the data set's description gives behaviour a first axis of one
        pupil_mean=[150.0, 100.0],
        pupil_std=[5.0, 10.0],
        responses_std=[8.0, 0.01],
    )
    normaliser = Normaliser(Population([mouse]), "published")
    video, behavior, pupil = normaliser(
        torch.full((1, 1, 1, 2), 165.0),
        torch.tensor([[[8.0], [3.0]]]),
        torch.tensor([[[160.0], [95.0]]]),
        torch.tensor([0]),
        torch.tensor([[0]]),
    )
    assert video.tolist() == [[[[1, 1]]]]
    assert behavior.tolist() == [[[2], [1.5]]]
    assert pupil.tolist() == [[[2], [-0.5]]]
    units = normaliser.responses_at(torch.tensor([0, 1]), torch.tensor([[0]]))
    np.testing.assert_allclose(units, [[[8], [0.01 * 8.01 / 2]]], rtol=1e-6)


def test_behaviour_and_pupil_that_are_withheld_stay_zero(tmp_path: Path, ray_session: None) -> None:
    small = replace(SCALES_2022["tiny"], neurons=(5,), train=6, validation=2, tested=1, calibration=1)
    (name,) = simulate(tmp_path / "mice", small, seed=0)
    folder = tmp_path / "mice" / name
    for field in ("behavior", "pupil_center"):
        for parent in (folder / "data", folder / "meta" / "statistics"):
            (parent / field).rename(tmp_path / f"{parent.name}-{field}")
    ingest(tmp_path / "mice", tmp_path / "store")
    population = Population.from_store(FrameStore.open(tmp_path / "store"), PUBLISHED["published"])
    zeros = (torch.zeros(1, 3, 1), torch.zeros(1, 2, 1))
    image = torch.full((1, 1, 36, 64), 100.0)
    video, *others = Normaliser(population, "published")(image, *zeros, torch.tensor([0]), torch.tensor([[0]]))
    assert not video.isnan().any()
    assert all(torch.equal(ours, zero) for ours, zero in zip(others, zeros, strict=True))


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("video/mean", None, "came without the published statistic video/mean"),
        ("video/mean", np.ones((1, 2)), r"has shape \(1, 2\) .* should be one number, or \(height, width, frames\)"),
        ("video/std", np.full((1, 2, 4), NAN), "has NaN at every time point of the published statistic video/std"),
        ("responses/std", np.ones((4, 3)), r"has shape \(4, 3\) .* should be \(3,\) or \(3, frames\)"),
    ],
)
def test_statistics_that_are_missing_or_at_fault_are_named(name: str, value: np.ndarray, sentence: str) -> None:
    found = {key: array for key, array in {**FIRST.published, name: value}.items() if array is not None}
    with pytest.raises(DataError, match=sentence):
        Normaliser(Population([replace(FIRST, published=found)]), "published")


def test_an_unknown_normalisation_is_answered_with_the_known() -> None:
    with pytest.raises(ConfigError, match="there is no normalisation 'zscore'"):
        Normaliser(MICE, "zscore")  # type: ignore[arg-type]


def _factored(found: dict[str, np.ndarray], mouse: str) -> dict[str, np.ndarray]:
    """The reference's statistics of a video, which are stored as a part of the pixel and a part of the frame."""
    mean = found[f"{mouse}_video_mean_pixel"][..., None] + found[f"{mouse}_video_mean_frame"]
    std = found[f"{mouse}_video_std_pixel"][..., None] * found[f"{mouse}_video_std_frame"]
    return {"video/mean": mean, "video/std": std}


def _compare(kind: str, mice: list[MouseSpec], mouse: int, raw: list[np.ndarray], expected: list[np.ndarray]) -> None:
    video, behavior, pupil = (torch.from_numpy(array.astype(np.float32))[None] for array in raw)
    moment = torch.arange(video.shape[3])[None]
    found = Normaliser(Population(mice), kind)(  # type: ignore[arg-type]
        video.permute(0, 3, 1, 2), behavior, pupil, torch.tensor([mouse]), moment
    )
    for ours, theirs in zip(found, (expected[0][:, 0], *expected[1:]), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5, rtol=2e-5)


_NAMES = ("video", "behavior", "pupil_center")
needs_references = pytest.mark.skipif(not REFERENCES.is_dir(), reason="the reference vectors (../shared) are not here")


@needs_references
@pytest.mark.parametrize("mouse", [0, 1])
@pytest.mark.parametrize("frames", [80, 48])
def test_published_as_the_starter_kit(mouse: int, frames: int) -> None:
    found = vectors("factorised3d_baseline")
    mice = []
    for name in ("mouse0", "mouse1"):
        neurons = len(found[f"{name}_neuron_coordinates"])
        statistics = {
            **_factored(found, name),
            "behavior/std": found[f"{name}_behavior_std"],
            "pupil_center/mean": found[f"{name}_pupil_mean"],
            "pupil_center/std": found[f"{name}_pupil_std"],
            "responses/std": np.ones(neurons),
        }
        mice.append(replace(MouseSpec.unknown(name, neurons), published=statistics))
    raw, expected = ([found[f"mouse{mouse}_{kind}_{name}_T{frames}"] for name in _NAMES] for kind in ("raw", "in"))
    _compare("published", mice, mouse, raw, expected)


@needs_references
@pytest.mark.parametrize("mouse", [0, 1])
@pytest.mark.parametrize("frames", [32, 48])
def test_extremes_as_vivit_of_2023(mouse: int, frames: int) -> None:
    found = vectors("viv1t_2023")
    mice = []
    for name in "AF":
        neurons = len(found[f"neuron_coordinates_{name}"])
        statistics = {**_factored(found, f"stat_{name}"), "responses/std": np.ones(neurons)}
        for which in ("min", "max"):
            statistics[f"behavior/{which}"] = found[f"stat_{name}_behavior_{which}"]
            statistics[f"pupil_center/{which}"] = found[f"stat_{name}_pupil_{which}"]
        mice.append(replace(MouseSpec.unknown(name, neurons), published=statistics))
    raw, expected = ([found[f"{kind}_{name}_{'AF'[mouse]}_T{frames}"] for name in _NAMES] for kind in ("raw", "in"))
    _compare("extremes", mice, mouse, raw, expected)
