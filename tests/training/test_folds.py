"""Folds: duplicates of a video, whoever saw them and however noisy, stay together."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from world import World

from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import ConfigError
from sensorium_ray.training.folds import folds_of, near_duplicates, perceptual_hash, spread


def _movie(seed: int) -> np.ndarray:
    """Ten frames of smooth noise, as slow as natural movies are: (frames, height, width), grey levels."""
    smooth = gaussian_filter(np.random.default_rng(seed).normal(size=(10, 36, 64)), (1, 4, 4))
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255)


def _worse(movie: np.ndarray, seed: int) -> np.ndarray:
    """As after another encoding: dimmer, blurred, with noise, in whole grey levels."""
    noise = np.random.default_rng(seed).normal(0, 6, movie.shape)
    return np.clip(np.rint(gaussian_filter(0.8 * movie + 15, (0, 0.7, 0.7)) + noise), 0, 255)


def test_noisy_copies_are_in_one_group_and_other_movies_in_others() -> None:
    movies = [_movie(seed) for seed in range(40)]
    copies = [_worse(movie, seed) for seed, movie in enumerate(movies)]
    groups = near_duplicates(np.stack([perceptual_hash(movie) for movie in (*movies, *copies)]))
    np.testing.assert_array_equal(groups[:40], groups[40:])
    assert len(set(groups[:40])) == 40


def test_a_duplicate_of_a_duplicate_is_of_the_same_group() -> None:
    first = np.random.default_rng(0).random(300) < 0.5
    second, third = first.copy(), first.copy()
    second[:50] ^= True
    third[:100] ^= True
    assert len(set(near_duplicates(np.stack([first, third])))) == 2
    assert len(set(near_duplicates(np.stack([first, second, third])))) == 1


def test_every_mouse_has_about_as_many_trials_in_each_fold() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 4, (200, 3)) * (rng.random((200, 3)) < 0.4)
    chosen = spread(counts, 7, seed=0)
    loads = np.stack([counts[chosen == fold].sum(0) for fold in range(7)])
    assert (loads.max(0) - loads.min(0) <= 3).all()
    np.testing.assert_array_equal(chosen, spread(counts, 7, seed=0))
    assert not np.array_equal(chosen, spread(counts, 7, seed=1))


def test_a_movie_that_two_mice_saw_is_in_one_fold(world: World) -> None:
    store = FrameStore.open(world.store)
    found = folds_of(store, 3)
    by_video: dict[str, set[int]] = {}
    for mouse, by_trial in found.items():
        trials = store[mouse].select("train")
        assert sorted(by_trial) == [info.trial for info in trials]
        for info in trials:
            by_video.setdefault(info.video, set()).add(by_trial[info.trial])
    assert all(len(fold) == 1 for fold in by_video.values())
    assert set().union(*by_video.values()) == {1, 2, 3}
    assert found == folds_of(FrameStore.open(world.store), 3)


def test_more_folds_than_videos_are_refused(world: World) -> None:
    with pytest.raises(ConfigError, match="too few for 500 folds; take fewer folds"):
        folds_of(FrameStore.open(world.store), 500)
