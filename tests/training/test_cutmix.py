"""CutMix: what is pasted, and what the answer to it is."""

import numpy as np
import pytest

from sensorium_ray.data.loading import Batch
from sensorium_ray.training.cutmix import Paste, draw_pastes, mix


def _windows(*values: float, frames: int = 3, shape: tuple[int, int] = (4, 6)) -> Batch:
    """Windows that are the same number everywhere."""
    count, full = len(values), np.array(values, np.float32)

    def fill(*rest: int) -> np.ndarray:
        return np.broadcast_to(full.reshape(-1, *[1] * len(rest)), (count, *rest)).copy()

    moment = np.arange(count)[:, None] * 10 + np.arange(frames)
    return Batch(fill(frames, *shape), fill(2, frames), fill(2, frames), fill(5, frames), moment)


def test_a_rectangle_and_its_share_of_everything_else_is_the_others() -> None:
    batch = _windows(1, 2, 9)
    mixed = mix(batch, [Paste(1, (0, 2), (3, 6))])
    np.testing.assert_array_equal(mixed.video[0], 1)
    inside = np.zeros((4, 6), bool)
    inside[0:2, 3:6] = True
    np.testing.assert_array_equal(mixed.video[1][:, inside], 9)
    np.testing.assert_array_equal(mixed.video[1][:, ~inside], 2)
    for name in ("behavior", "pupil_center", "responses"):
        np.testing.assert_array_equal(getattr(mixed, name)[0], 1)
        np.testing.assert_allclose(getattr(mixed, name)[1], 2 + (9 - 2) * 6 / 24)
    np.testing.assert_array_equal(mixed.moment, batch.moment[:2])


def test_the_windows_that_were_read_stay_as_they_are() -> None:
    batch = _windows(1, 9)
    mix(batch, [Paste(0, (0, 4), (0, 6))])
    np.testing.assert_array_equal(batch.video[0], 1)
    np.testing.assert_array_equal(batch.responses[0], 1)


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_as_many_windows_are_mixed_as_the_probability_says(probability: float) -> None:
    pastes = draw_pastes(2000, probability, (36, 64), np.random.default_rng(0))
    assert len(pastes) == pytest.approx(2000 * probability, abs=100)
    assert len({paste.window for paste in pastes}) == len(pastes)


def test_rectangles_stay_in_the_frame_and_come_in_all_sizes() -> None:
    pastes = draw_pastes(4000, 1.0, (36, 64), np.random.default_rng(0))
    shares = []
    for paste in pastes:
        (top, bottom), (left, right) = paste.rows, paste.columns
        assert 0 <= top <= bottom <= 36
        assert 0 <= left <= right <= 64
        shares.append((bottom - top) * (right - left) / (36 * 64))
    # Uniform shares with uniform centres lose a part at the border: a uniform one alone would have a mean of 0.5.
    assert 0.2 < np.mean(shares) < 0.45
    assert np.max(shares) > 0.8


def test_without_cutmix_no_random_number_is_drawn() -> None:
    rng = np.random.default_rng(0)
    draw_pastes(8, 0.0, (36, 64), rng)
    assert rng.random() == np.random.default_rng(0).random()
