"""Windows: a clip cut into them and put together again."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_ray.data.clip import Clip
from sensorium_ray.data.windows import Blocks, Chunks, Overlapping, with_windows
from sensorium_ray.errors import ConfigError


def _counting_clip(frames: int) -> Clip:
    """The video's only pixel says which frame it is."""
    return Clip(np.arange(frames, dtype=np.float32)[:, None, None], np.zeros((2, frames)), np.zeros((2, frames)))


@given(
    frames=st.integers(1, 90),
    window=st.builds(
        lambda size, stride, hop: Overlapping(size, stride, min(hop, size)),
        st.integers(1, 20),
        st.integers(1, 4),
        st.integers(1, 20),
    ),
)
def test_every_frame_is_answered_by_its_own_windows(frames: int, window: Overlapping) -> None:
    def echo(video: np.ndarray, *_: np.ndarray) -> np.ndarray:
        return video[:, None, :, 0, 0]

    answer = window.predict(echo, _counting_clip(frames))
    np.testing.assert_allclose(answer[0], np.arange(frames))


def test_the_winners_windows_start_at_every_frame() -> None:
    starts = sorted(Overlapping(16, 2, 1).indices(60)[:, 0])
    assert starts == list(range(60 - 30))


@pytest.mark.parametrize("frames", [1, 99, 100, 101, 350])
def test_chunks_of_a_long_clip_are_exact(frames: int) -> None:
    past = 7

    def trailing_sum(video: np.ndarray, *_: np.ndarray) -> np.ndarray:
        line = video[:, :, 0, 0]
        held = np.concatenate([np.repeat(line[:, :1], past, axis=1), line], axis=1)
        return np.stack([held[:, i : i + past + 1].sum(axis=1) for i in range(line.shape[1])], axis=1)[:, None]

    clip = _counting_clip(frames)
    answer = Chunks(past=past).predict(trailing_sum, clip)
    expected = trailing_sum(clip.video[None])[0]
    np.testing.assert_allclose(answer, expected)


def test_the_first_chunk_is_as_long_as_any_chunk_with_its_past() -> None:
    asked: list[tuple[int, int]] = []

    def note(video: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        asked.append((int(rest[2][0, 0]), int(rest[2][0, -1])))
        return video[:, None, :, 0, 0]

    for frames in (300, 520):
        answer = Chunks(200, 100).predict(note, _counting_clip(frames))
        np.testing.assert_array_equal(answer[0], np.arange(frames))
    assert asked == [(0, 299), (0, 299), (200, 499), (400, 519)]


@given(
    frames=st.integers(1, 90),
    blocks=st.builds(
        lambda answered, lost, offset: Blocks(answered + lost, lost, offset),
        st.integers(1, 20),
        st.integers(0, 20),
        st.integers(0, 40),
    ),
)
def test_blocks_answer_every_frame_once_and_hold_the_first(frames: int, blocks: Blocks) -> None:
    """The network answers with the frame itself and with the first one that its window holds."""

    def echo(video: np.ndarray, *_: np.ndarray) -> np.ndarray:
        line = video[:, :, 0, 0]
        own, first = line[:, blocks.lost :], np.repeat(line[:, :1], blocks.frames - blocks.lost, axis=1)
        return np.stack([own, first], axis=1)

    own, first = blocks.predict(echo, _counting_clip(frames))
    np.testing.assert_array_equal(own, np.arange(frames))
    assert (first >= np.maximum(0, np.arange(frames) - blocks.frames + 1)).all()


def test_blocks_begin_at_the_offset_and_end_with_the_clip() -> None:
    """Dynamic-V1FM's published windows over 299 frames: from 35 on in steps of 15, the last one at the end."""
    asked: list[int] = []

    def note(video: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        asked.extend(rest[2][:, 0].tolist())
        return np.zeros((len(video), 1, 15))

    Blocks(30, 15, 50).predict(note, _counting_clip(299))
    assert [start for start in asked if start >= 35] == [*range(35, 261, 15), 269]


def test_every_cut_tells_the_network_where_its_frames_lie() -> None:
    clip = _counting_clip(57)

    def check(video: np.ndarray, behavior: np.ndarray, pupil: np.ndarray, moment: np.ndarray) -> np.ndarray:
        np.testing.assert_array_equal(video[:, :, 0, 0], moment)
        return np.zeros((len(video), 1, cut.answered(video.shape[1])))

    for cut in (Chunks(20, 7), Overlapping(8, 2, 3), Blocks(13, 5, 2)):
        assert cut.predict(check, clip).shape == (1, 57)


@pytest.mark.parametrize("cut", [lambda: Overlapping(4, 1, 5), lambda: Blocks(4, 4), lambda: Chunks(0)])
def test_an_impossible_cut_is_refused(cut: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match="is impossible"):
        cut()


def test_windows_may_be_longer_and_closer_or_further_apart() -> None:
    assert with_windows(Overlapping(16, 2, 8), 24, 1) == Overlapping(24, 2, 1)
    with pytest.raises(ConfigError, match="hop at most frames"):
        with_windows(Overlapping(16, 2, 8), 16, 17)
    with pytest.raises(ConfigError, match="no overlapping windows"):
        with_windows(Chunks(), 16, 8)
