"""Most exciting images are the filters of neurons whose filters are known; constraints hold; seeds decide."""

from itertools import combinations

import numpy as np
import pytest
from insilico.gabors import CENTRES, filters, gabor_subject
from matplotlib.figure import Figure

from sensorium_ray.bundle.manifest import Manifest
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.data.stimuli import GREY
from sensorium_ray.errors import ConfigError
from sensorium_ray.insilico.local import bundle_subject
from sensorium_ray.insilico.run import draw_experiment, run_experiment
from sensorium_ray.insilico.screen import MONITOR, Screen

QUICK = {"iterations": 25, "natural": 4, "smoothness": 1.0, "seconds": 0.3}


def _likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Cosine of the angle between two pictures about grey."""
    a, b = (np.ravel(picture - np.mean(picture)) for picture in (first, second))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_image_is_the_neurons_filter_and_lies_where_it_does() -> None:
    result = run_experiment("most_exciting", gabor_subject(), **QUICK, settle=0.2)
    assert result["image"].dims == ("neuron", "start", "frame", "elevation", "azimuth")
    assert result["image"].shape == (2, 2, 1, 18, 32)
    simple, whole = filters().sum(axis=1)
    for first, second in zip(*result["image"].values[:, :, 0], strict=True):
        assert _likeness(first, simple.real) > 0.95
        assert np.hypot(_likeness(second, whole.real), _likeness(second, whole.imag)) > 0.95  # in any phase
    x, y = Screen(MONITOR, (18, 32)).pixel(result["field_azimuth"].values, result["field_elevation"].values)
    np.testing.assert_allclose(np.stack([y, x], axis=1), CENTRES, atol=1.5)


def test_activations_are_those_of_the_images_and_beyond_the_references() -> None:
    result = run_experiment("most_exciting", gabor_subject(), **QUICK, blank=0.0)
    for neuron in range(2):
        (answer,) = _answers(np.repeat(result["image"].values[neuron, 1], 9, axis=0))
        assert result["activation"].values[neuron, 1] == pytest.approx(answer[neuron].mean(), rel=1e-5)
    best = result["activation"].max("start")
    assert (best > result["grating"]).all()
    assert (best > result["natural"]).all()
    assert (result["ascent"].isel(iteration=-1) > result["ascent"].isel(iteration=0)).all()


def test_contrast_and_grey_levels_stay_within_their_limits() -> None:
    image = run_experiment("most_exciting", gabor_subject(), **QUICK, contrast=40.0)["image"].values
    rms = np.sqrt(((image - GREY) ** 2).mean(axis=(2, 3, 4)))
    assert image.min() >= 0
    assert image.max() <= 255
    assert (rms <= 40.0 + 1e-3).all()
    mild = run_experiment("most_exciting", gabor_subject(), **QUICK, contrast=5.0)["image"].values
    np.testing.assert_allclose(np.sqrt(((mild - GREY) ** 2).mean(axis=(2, 3, 4))), 5.0, rtol=1e-3)


def test_a_video_drifts_the_way_that_the_neuron_prefers() -> None:
    settings = {**QUICK, "moving": True, "smoothness_in_time": 0.02, "seconds": 0.4, "seeds": 1}
    result = run_experiment("most_exciting", gabor_subject(), **settings)
    assert result.sizes["frame"] == 12
    video = result["image"].values[1, 0]
    forwards, backwards = (answer[1].mean() for answer in _answers(video, video[::-1]))
    assert forwards > 1.5 * backwards


def _answers(*videos: np.ndarray) -> list[np.ndarray]:
    subject = gabor_subject()
    return list(subject.respond(subject.clip(video) for video in videos))


def test_variants_differ_and_stay_exciting_where_a_neuron_does_not_care() -> None:
    result = run_experiment("most_exciting", gabor_subject(), **{**QUICK, "seeds": 1}, variants=3, share=0.8)
    best, blank = result["activation"].max("start"), result["blank"]
    assert (result["variant_activation"] >= blank + 0.8 * (best - blank) - 1e-4).all()
    simple, whole = np.concatenate([result["image"].values[:, :1], result["variant_image"].values], axis=1)[:, :, 0]
    assert min(_likeness(*pair) for pair in combinations(whole, 2)) < -0.5  # it answers the opposite phase as well
    assert min(_likeness(*pair) for pair in combinations(simple, 2)) > 0.2


def test_a_seed_decides_everything_and_other_neurons_nothing() -> None:
    bundle = PRETRAINED / "linear_nonlinear"
    mouse = Manifest.read(bundle).mice[0].name
    quick = {"iterations": 3, "natural": 2, "seconds": 0.1, "blank": 0.1}
    both, again, alone = (
        run_experiment("most_exciting", bundle_subject(bundle, mouse, neurons), **quick)["image"].values
        for neurons in ([3, 50], [3, 50], [50])
    )
    np.testing.assert_array_equal(both, again)
    np.testing.assert_allclose(both[1], alone[0], atol=0.05)
    other = run_experiment("most_exciting", bundle_subject(bundle, mouse, [3, 50]), **quick, seed=1)["image"].values
    assert abs(other - both).max() > 1


def test_it_draws_itself_with_and_without_variants() -> None:
    for variants in (0, 2):
        result = run_experiment("most_exciting", gabor_subject(), **{**QUICK, "iterations": 2}, variants=variants)
        assert isinstance(draw_experiment(result), Figure)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"contrast": 200.0}, "contrast of at most 128 grey levels"),
        ({"iterations": 0}, "iterations: is 0; give 1 or more"),
        ({"share": 1.0}, r"share: is 1\.0; give one between 0 and 1"),
        ({"variants": -1}, "variants: is -1; give 0 or more"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        run_experiment("most_exciting", gabor_subject(), **settings)
