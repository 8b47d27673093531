"""Training windows: drawn from trials, read without the frames between them, ahead of the training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache, partial
from queue import SimpleQueue
from typing import Generic, TypeVar

import numpy as np

from ..errors import ConfigError
from .reader import ReaderProcess, SharedMemory
from .rows import Window, read_rows
from .store import MouseData, TrialInfo

T = TypeVar("T")
Read = Callable[[list[Window]], None]
"""Fills memory with windows' rows, as `rows.read_rows` does."""


class Readable(ABC, Generic[T]):
    """What is drawn first and read later, as a `Draw` is."""

    __slots__ = ()

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes of the rows that it is read from."""

    @abstractmethod
    def read_into(self, memory: np.ndarray, read: Read) -> T:
        """Read by means of `read`, which fills `memory` (nbytes,) uint8; what is given may lie there."""

    def read(self) -> T:
        """Read it here and now.

        Raises
        ------
        DataError : a trial's file is missing or damaged.
        """
        memory = np.empty(self.nbytes, np.uint8)
        return self.read_into(memory, partial(read_rows, memory.data))


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
class Draw(Readable[Batch]):
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

    @property
    def nbytes(self) -> int:
        """Bytes of the windows' rows."""
        return len(self.places) * self.frames * self.mouse.row_dtype.itemsize

    def read_into(self, memory: np.ndarray, read: Read) -> Batch:
        """Read the windows' own frames; see `Readable.read_into`."""
        rows = memory.view(self.mouse.row_dtype).reshape(len(self.places), self.frames)
        self.mouse.read_windows([(trial.trial, start) for trial, start in self.places], self.stride, rows, read)
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
    """Batches in the order of `draws`, read by processes while their user is busy with the ones before.

    A batch may be used until the next one is asked for, whose memory it then becomes. As many batches as there are
    readers are ahead of the one in use. What a reader raises comes out where its batch would have. Closing the
    iterator, as `contextlib.closing` does, waits for the readers and ends them.
    """
    with ExitStack() as stack:
        memories = deque(stack.enter_context(closing(SharedMemory())) for _ in range(readers + 1))
        idle: SimpleQueue[ReaderProcess] = SimpleQueue()
        for _ in range(readers):
            idle.put(stack.enter_context(ReaderProcess(memories)))
        pool = stack.enter_context(ThreadPoolExecutor(readers, thread_name_prefix="prefetch"))
        stack.callback(pool.shutdown, cancel_futures=True)

        def read(draw: Readable[T], memory: SharedMemory) -> T:
            process = idle.get()
            try:
                return draw.read_into(memory.bytes(draw.nbytes), partial(process.read, memory))
            finally:
                idle.put(process)

        ahead: deque[tuple[SharedMemory, Future[T]]] = deque()
        for draw in draws:
            memory = memories.popleft()
            ahead.append((memory, pool.submit(read, draw, memory)))
            if len(ahead) > readers:
                memory, future = ahead.popleft()
                yield future.result()
                memories.append(memory)
        while ahead:
            yield ahead.popleft()[1].result()


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
