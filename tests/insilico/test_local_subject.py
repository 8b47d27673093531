"""A bundle as a subject answers as its predictor does, wherever it is asked."""

from pathlib import Path

import numpy as np
import pytest
from tiny_store import Tiny

from sensorium_ray.bundle.ensemble import write_ensemble
from sensorium_ray.bundle.manifest import bundle_checksum
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.data.clip import Clip
from sensorium_ray.errors import BundleError, DataError
from sensorium_ray.insilico.local import bundle_subject
from sensorium_ray.insilico.subject import Subject

BUNDLE = PRETRAINED / "factorised3d"
MICE = load_predictor(BUNDLE).mice
NEURONS = [5, 399, 0]
LENGTHS = [30] * 9 + [45, 1, 1, 30]
"""Frames of clips: more of one length than are asked together, and others between them."""


def clips(subject: Subject) -> list[Clip]:
    rng = np.random.default_rng(0)
    return [subject.clip(rng.uniform(0, 255, (frames, 36, 64)).astype(np.float32)) for frames in LENGTHS]


def check(subject: Subject, bundle: Path, mouse: str, neurons: list[int] | None) -> None:
    predictor = load_predictor(bundle)
    chosen = None if neurons is None else np.array(neurons)
    shown = clips(subject)
    for clip, answer in zip(shown, subject.ask(iter(shown), len(shown)), strict=True):
        expected = predictor.predict(clip, mouse, chosen)
        assert answer.shape == expected.shape == (subject.neurons, clip.frames)
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-4)


def test_clips_together_are_answered_as_one_by_one() -> None:
    check(bundle_subject(BUNDLE, MICE[1], NEURONS), BUNDLE, MICE[1], NEURONS)


def test_an_ensemble_is_asked_alike(tmp_path: Path) -> None:
    members = {name: PRETRAINED / name for name in ("factorised3d", "linear_nonlinear")}
    write_ensemble(members, [0.25, 0.75], tmp_path / "both", {})
    check(bundle_subject(tmp_path / "both", MICE[0], NEURONS), tmp_path / "both", MICE[0], NEURONS)


def test_ray_answers_as_this_process_does(ray_session: None) -> None:
    here, there = (bundle_subject(BUNDLE, MICE[0], NEURONS, address) for address in (None, "local"))
    shown = clips(here)
    for ours, theirs in zip(here.ask(iter(shown), 13), there.ask(iter(shown), 13), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4)


def test_it_says_who_answers() -> None:
    predictor = load_predictor(BUNDLE)
    entry = predictor.manifest.mice[1]
    subject = bundle_subject(predictor, entry.name, NEURONS)
    assert (subject.model, subject.mouse, subject.rate) == ("factorised3d", entry.name, 30.0)
    assert subject.checksum == bundle_checksum(BUNDLE)
    assert subject.frame_shape == (36, 64)
    assert subject.unit_ids.tolist() == [entry.unit_ids[neuron] for neuron in NEURONS]
    assert bundle_subject(predictor, entry.name).neurons == len(entry.unit_ids)


def test_a_mouse_is_in_its_mean_state_unless_told_otherwise() -> None:
    subject = bundle_subject(BUNDLE, MICE[0], NEURONS)
    entry = load_predictor(BUNDLE).manifest.mice[0]
    video = np.zeros((4, 36, 64), np.float32)
    clip = subject.clip(video)
    assert clip.behavior == pytest.approx(np.repeat(np.array(entry.behavior_mean)[:, None], 4, axis=1))
    assert clip.pupil_center == pytest.approx(np.repeat(np.array(entry.pupil_center_mean)[:, None], 4, axis=1))
    held, moving = np.array([40.0, 7.0]), np.arange(8.0).reshape(2, 4)
    assert subject.clip(video, held).behavior.tolist() == [[40] * 4, [7] * 4]
    assert subject.clip(video, moving).behavior.tolist() == moving.tolist()


@pytest.mark.parametrize("neurons", [[], [-1], [400], [0.5], [[1]]])
def test_unknown_neurons_are_refused(neurons: list) -> None:
    with pytest.raises(DataError, match=r"neurons: are not indices of this mouse's neurons; .* from 0 to 399"):
        bundle_subject(BUNDLE, MICE[1], neurons)


def test_an_unknown_mouse_and_an_unknown_state_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"mouse: is missing; name one of {MICE[0]}, {MICE[1]}"):
        bundle_subject(BUNDLE)
    with pytest.raises(DataError, match="knows no mouse 'x'"):
        bundle_subject(BUNDLE, "x")
    with pytest.raises(DataError, match="does not know the mouse's mean behaviour; import it with the frame store"):
        bundle_subject(tiny.good, "mouse-b")
    with pytest.raises(BundleError):
        bundle_subject(tmp_path, "x")
