"""Training windows: drawn from trials, read without the frames between them, ahead of the training."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Protocol, TypeVar

import numpy as np

from ..errors import ConfigError
from .store import MouseData, TrialInfo

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Readable(Protocol[T_co]):
    """What is drawn first and read later, as a `Draw` is."""

    def read(self) -> T_co:
        """Read it."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Training windows of one mouse, float32; in memory time goes before channels and neurons.

    The arrays may be parts of one, in which a frame's video lies beside its responses.

    Parameters
    ----------
    video : (batch, frames, height, width)
    behavior : (batch, channels, frames)
    pupil_center : (batch, 2, frames)
    responses : (batch, neurons, frames)
    moment : (batch, frames) int64, the place of each frame in its trial
    """

    video: np.ndarray
    behavior: np.ndarray
    pupil_center: np.ndarray
    responses: np.ndarray
    moment: np.ndarray


@dataclass(frozen=True, slots=True)
class Draw:
    """A batch before it is read.

    Parameters
    ----------
    mouse : whose windows they are.
    places : trial and first frame of each window.
    frames, stride : of a window, and from one of its frames to the next.
    """

    mouse: MouseData
    places: list[tuple[TrialInfo, int]]
    frames: int
    stride: int

    def read(self) -> Batch:
        """Read the windows' own frames.

        Raises
        ------
        DataError : a trial's file is missing or damaged.
        """
        rows = np.empty((len(self.places), self.frames), self.mouse.row_dtype)
        self.mouse.read_windows([(trial.trial, start) for trial, start in self.places], self.stride, rows)
        # The small fields are copied, since in a float16 store's rows they are not aligned.
        return Batch(
            _as_float32(rows["video"]),
            rows["behavior"].copy().swapaxes(1, 2),
            rows["pupil_center"].copy().swapaxes(1, 2),
            _as_float32(rows["responses"]).swapaxes(1, 2),
            self.moments(),
        )

    def moments(self) -> np.ndarray:
        """Place of each frame in its trial: (batch, frames) int64; of a still image, which is held, 0."""
        span = np.arange(self.frames) * self.stride
        return np.stack([np.minimum(start + span, trial.frames - 1) for trial, start in self.places])


def draw_windows(
    mouse: MouseData,
    trials: Sequence[TrialInfo],
    size: int,
    frames: int,
    stride: int,
    rng: np.random.Generator,
) -> Draw:
    """Draw `size` windows at random trials and moments; a still image is held for a whole window.

    Raises
    ------
    ConfigError : no trial is as long as a window.
    """
    reach = (frames - 1) * stride + 1
    long_enough = [trial for trial in trials if trial.frames >= reach or trial.frames == 1]
    if not long_enough:
        raise ConfigError(
            f"no trial of {mouse.name} has the {reach} frames of a training window", "window", "shorten it"
        )
    places = []
    for pick in rng.integers(len(long_enough), size=size):
        trial = long_enough[pick]
        places.append((trial, int(rng.integers(max(1, trial.frames - reach + 1)))))
    return Draw(mouse, places, frames, stride)


def sample_windows(
    mouse: MouseData,
    trials: Sequence[TrialInfo],
    size: int,
    frames: int,
    stride: int,
    rng: np.random.Generator,
) -> Batch:
    """Draw and read `size` windows, as `draw_windows` and `Draw.read` do.

    Raises
    ------
    ConfigError : no trial is as long as a window.
    DataError : a trial's file is missing or damaged.
    """
    return draw_windows(mouse, trials, size, frames, stride, rng).read()


def prefetch(draws: Iterable[Readable[T]], readers: int = 2) -> Generator[T, None, None]:
    """Batches in the order of `draws`, read by threads while their user is busy with the ones before.

    As many batches as there are readers are ahead of the one in use. Readers wait for disks and networks side by side;
    what is in memory one reads as fast as several. What a reader raises comes out where its batch would have. Closing
    the iterator, as `contextlib.closing` does, waits for the readers.
    """
    with ThreadPoolExecutor(readers, thread_name_prefix="prefetch") as pool:
        ahead: deque[Future[T]] = deque()
        try:
            for draw in draws:
                ahead.append(pool.submit(draw.read))
                if len(ahead) > readers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _as_float32(values: np.ndarray) -> np.ndarray:
    """Exact, and for float16 through a table, which is three times as fast as numpy's conversion."""
    if values.dtype == np.float32:
        return values
    converted = np.empty(values.shape, np.float32)
    for window, place in zip(values, converted, strict=True):  # one by one, which keeps the indices in the CPU's cache
        np.take(_halves(), window.view(np.uint16), out=place, mode="wrap")
    return converted


@cache
def _halves() -> np.ndarray:
    """(65536,) float32: every float16 there is."""
    return np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
