"""Windows: a clip cut into them and put together again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_ray.data.clip import Clip
from sensorium_ray.data.windows import WindowSpec, predict_clip
from sensorium_ray.errors import ConfigError


def _counting_clip(frames: int) -> Clip:
    """The video's only pixel says which frame it is."""
    return Clip(np.arange(frames, dtype=np.float32)[:, None, None], np.zeros((2, frames)), np.zeros((2, frames)))


@given(
    frames=st.integers(1, 90),
    window=st.builds(
        lambda size, stride, hop: WindowSpec(size, stride, min(hop, size)),
        st.integers(1, 20),
        st.integers(1, 4),
        st.integers(1, 20),
    ),
)
def test_every_frame_is_answered_by_its_own_windows(frames: int, window: WindowSpec) -> None:
    def echo(video: np.ndarray, *_: np.ndarray) -> np.ndarray:
        return video[:, None, :, 0, 0]

    answer = predict_clip(echo, _counting_clip(frames), 1, window)
    np.testing.assert_allclose(answer[0], np.arange(frames))


def test_the_winners_windows_start_at_every_frame() -> None:
    starts = sorted(WindowSpec(16, 2, 1).indices(60)[:, 0])
    assert starts == list(range(60 - 30))


@pytest.mark.parametrize("frames", [1, 99, 100, 101, 350])
def test_chunks_of_a_long_clip_are_exact(frames: int) -> None:
    past = 7

    def trailing_sum(video: np.ndarray, *_: np.ndarray) -> np.ndarray:
        line = video[:, :, 0, 0]
        held = np.concatenate([np.repeat(line[:, :1], past, axis=1), line], axis=1)
        return np.stack([held[:, i : i + past + 1].sum(axis=1) for i in range(line.shape[1])], axis=1)[:, None]

    clip = _counting_clip(frames)
    answer = predict_clip(trailing_sum, clip, past + 1, None)
    expected = trailing_sum(clip.video[None])[0]
    np.testing.assert_allclose(answer, expected)


def test_an_impossible_window_is_refused() -> None:
    with pytest.raises(ConfigError, match="is impossible"):
        WindowSpec(4, 1, 5)
