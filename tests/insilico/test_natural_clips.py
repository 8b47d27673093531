"""Responses to natural clips, of seeds or of a store's recordings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from insilico.pretended import pretend
from tiny_store import Tiny

from sensorium_ray.data.stimuli import natural_movie
from sensorium_ray.data.store import open_store
from sensorium_ray.errors import ConfigError, DataError
from sensorium_ray.insilico.experiments import natural_clips
from sensorium_ray.insilico.run import draw_experiment, run_experiment
from sensorium_ray.insilico.subject import Subject


def of_store(unit_ids: np.ndarray) -> Subject:
    """Neurons of a mouse of the tiny store, which answer the video's mean and their own share of the pupil's size."""
    neurons = len(unit_ids)

    def answer(clip):  # type: ignore[no-untyped-def]
        return clip.video.mean((1, 2)) + clip.behavior[0] * np.arange(1, neurons + 1)[:, None]

    return replace(pretend(answer, neurons, shape=(4, 6)), mouse="mouse-b", unit_ids=unit_ids)


def test_movies_are_those_of_their_seeds() -> None:
    subject = pretend(lambda clip: clip.video.mean((1, 2))[None])
    found = run_experiment("natural_clips", subject, clips=2, seed=5, settle=0.5, seconds=0.5)
    assert found["video"].values.tolist() == ["movie 5", "movie 6"]
    movie = natural_movie(np.random.default_rng(6), 30).astype(np.float32).mean((1, 2))
    assert found["response"].values[0, 1] == pytest.approx(movie, rel=1e-4)
    assert found["mean_response"].values[0, 1] == pytest.approx(movie[15:].mean(), rel=1e-4)
    assert "recorded" not in found


def test_a_stores_oracle_trials_are_shown_beside_what_was_recorded(tiny: Tiny) -> None:
    mouse = open_store(tiny.store)["mouse-b"]
    neurons = [3, 0]
    subject = of_store(mouse.unit_ids[neurons])
    found = run_experiment("natural_clips", subject, store=str(tiny.store))
    first = {info.video: info.trial for info in reversed(mouse.select("oracle"))}
    assert sorted(found["video"].values) == sorted(first)
    told, recorded = [], []
    for place, video in enumerate(found["video"].values.tolist()):
        trial = first[video]
        answer = np.concatenate([*subject.respond([mouse.clip(trial)])])
        assert np.allclose(found["response"][:, place], answer)
        assert np.array_equal(found["recorded"][:, place], mouse.responses(trial)[neurons])
        told.append(answer[:, 50:])
        recorded.append(mouse.responses(trial)[neurons][:, 50:])
    told, recorded = np.concatenate(told, axis=1), np.concatenate(recorded, axis=1)
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(told, recorded, strict=True)]
    assert found["single_trial_correlation"].values == pytest.approx(expected, abs=1e-4)
    draw_experiment(found)


def test_another_mouses_store_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    subject = of_store(np.array([4, 99]))
    with pytest.raises(DataError, match="has no unit 99 of mouse 'mouse-b'; name the store that the model was trained"):
        run_experiment("natural_clips", subject, store=str(tiny.store))
    with pytest.raises(DataError, match="holds no mouse 'mouse-z'"):
        run_experiment("natural_clips", replace(subject, mouse="mouse-z"), store=str(tiny.store))
    with pytest.raises(DataError, match="is no finished frame store"):
        run_experiment("natural_clips", subject, store=str(tmp_path))
    with pytest.raises(ConfigError, match="clips: is 0; give 1 or more"):
        run_experiment("natural_clips", subject, clips=0)


def test_its_path_is_marked_as_one() -> None:
    assert natural_clips.LOCAL == ("store",)
