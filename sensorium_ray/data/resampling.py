"""Any video in the models' size and rate: grey frames (36, 64) at 30 a second, one at a time.

Every way of resizing is linear and separable, so a frame is multiplied by one matrix for its rows and one for its
columns. What a model frame shows lies in a window of the source: `crop` takes the largest window of the model's
aspect that lies in the frame, `pad` the smallest that holds it, `stretch` the frame itself.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from ..benchmark import FRAME_RATE, FRAME_SHAPE
from ..errors import ConfigError, DataError

Resize = Literal["area", "nearest"]
Fit = Literal["crop", "pad", "stretch"]
Timing = Literal["hold", "blend"]

GREY = 128.0
"""Grey level of bars and of what lies behind transparent pixels, that of a blank screen (`stimuli.GREY`)."""
LONGEST_SIDE = 16384
"""Of a source frame, pixels: how much each counts in each model pixel is held in one matrix a side."""

_SAME_TIME = 1e-9  # s, by which times that are equal may differ after arithmetic


@dataclass(frozen=True, slots=True, eq=False)
class SourceFrame:
    """A frame of a video as it comes.

    Parameters
    ----------
    pixels : (height, width), grey levels 0..255, any real dtype.
    time : when it comes on screen, seconds, on a clock that need not begin at 0.
    duration : how long it stays, seconds; counts for the last frame, since the others stay until the next comes.
    rounding : how much earlier than `time` it may truly have come, seconds, for a clock with coarse ticks.
    pixel_aspect : width of a pixel over its height.
    """

    pixels: np.ndarray
    time: float
    duration: float
    rounding: float = 0.0
    pixel_aspect: float = 1.0


@dataclass(frozen=True, slots=True)
class Sampling:
    """What a video is turned into, and how.

    Parameters
    ----------
    shape : height and width of a model frame, pixels.
    rate : model frames per second.
    resize : 'area' averages over exactly the area that a pixel covers where the source is finer, and interpolates
        bilinearly where it is coarser; 'nearest' takes the source pixel in the middle of that area.
    fit : what to do where the aspects differ: 'crop' the source about its centre, 'pad' it with bars of `GREY`,
        or 'stretch' it.
    timing : 'hold' gives the frame that is on screen when the model frame begins; 'blend' interpolates linearly
        between that frame and the next. Neither averages over time where the source is faster.

    Raises
    ------
    ConfigError : a way that there is not, or a shape or rate that is not positive.
    """

    shape: tuple[int, int] = FRAME_SHAPE
    rate: float = FRAME_RATE
    resize: Resize = "area"
    fit: Fit = "crop"
    timing: Timing = "hold"

    def __post_init__(self) -> None:
        for name, ways in (("resize", Resize), ("fit", Fit), ("timing", Timing)):
            if getattr(self, name) not in get_args(ways):
                raise ConfigError(f"'{getattr(self, name)}' is no way", name, f"take {' or '.join(get_args(ways))}")
        if min(self.shape) < 1:
            raise ConfigError(f"{self.shape} is no size", "shape", "give height and width in pixels")
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ConfigError(f"{self.rate} is no rate", "rate", "give frames per second")

    def describe(self, shape: tuple[int, int], rate: float) -> str | None:
        """What becomes of a video in words: '256x144 at 25 frames/s resampled to 64x36 at 30 (area, crop, hold)'.

        Parameters
        ----------
        shape : height and width of the source, pixels.
        rate : of the source, frames per second.

        Returns
        -------
        None where the source has the size and the rate already.
        """
        if shape == self.shape and math.isclose(rate, self.rate, rel_tol=1e-4):
            return None
        (height, width), (to_height, to_width) = shape, self.shape
        return (
            f"{width}x{height} at {rate:.4g} frames/s resampled to {to_width}x{to_height} at {self.rate:.4g} "
            f"({self.resize}, {self.fit}, {self.timing})"
        )


def resample(frames: Iterable[SourceFrame], sampling: Sampling = Sampling()) -> Iterator[np.ndarray]:
    """Model frames of a video, each as soon as the source has told it; two source frames are held at most.

    Parameters
    ----------
    frames : in the order of their times, which must increase.

    Yields
    ------
    (height, width) float32, grey levels 0..255; of D seconds of video round(D * rate) frames, but at least 1.
    A video of the models' size and rate comes out as it is, under 'hold' to the last bit.

    Raises
    ------
    DataError : there is no frame.
    """
    source = iter(frames)
    first = next(source, None)
    if first is None:
        raise DataError("holds no frame", "video")
    rate, origin = sampling.rate, first.time
    shown = _Shown(first, sampling)
    del first
    drawn = given = 0
    ready: deque[np.ndarray] = deque()  # one at most: whether the video lasts long enough for it is not yet known
    for frame in source:
        following = _Shown(frame, sampling)
        begin = frame.time - frame.rounding - origin - _SAME_TIME
        certain = round((frame.time - origin) * rate)
        del frame
        while drawn / rate < begin:
            ready.append(shown.until(following, drawn / rate + origin))
            drawn += 1
            while ready and given < certain:
                yield ready.popleft()
                given += 1
        shown = following
    for _ in range(given, max(1, round((shown.time + shown.duration - origin) * rate))):
        yield ready.popleft() if ready else shown.grey().copy()


def resample_array(video: np.ndarray, rate: float, sampling: Sampling = Sampling()) -> np.ndarray:
    """Model frames of an array.

    Parameters
    ----------
    video : (frames, height, width), grey levels 0..255, any real dtype.
    rate : of the array, frames per second.

    Returns
    -------
    (model frames, height, width) float32

    Raises
    ------
    DataError : the array is no video, or the rate is not positive.
    """
    frames = frames_of(video, rate)
    if video.shape[1:] == sampling.shape and rate == sampling.rate:
        with np.errstate(over="ignore"):  # as in `_resized`
            return video.astype(np.float32)
    return np.stack(list(resample(frames, sampling)))


def frames_of(video: np.ndarray, rate: float) -> Iterator[SourceFrame]:
    """Frames of an array (frames, height, width), shown `rate` a second.

    Raises
    ------
    DataError : the array is no video, or the rate is not positive.
    """
    if video.ndim != 3 or 0 in video.shape or max(video.shape[1:]) > LONGEST_SIDE:
        mend = f"give (frames, height, width), no side longer than {LONGEST_SIDE}"
        raise DataError(f"has shape {video.shape}", "video", mend)
    if not np.issubdtype(video.dtype, np.number) or np.iscomplexobj(video):
        raise DataError(f"has dtype {video.dtype}", "video", "give real numbers")
    if not (math.isfinite(rate) and rate > 0):
        raise DataError(f"{rate} is no rate", "video", "give frames per second")
    return (SourceFrame(pixels, index / rate, 1 / rate) for index, pixels in enumerate(video))


class _Shown:
    """A source frame that is resized when first asked for, since a fast source has frames that no one asks for."""

    def __init__(self, frame: SourceFrame, sampling: Sampling) -> None:
        self.time, self.duration = frame.time, frame.duration
        self._sampling = sampling
        self._source: SourceFrame | None = frame
        self._grey = np.empty(0)

    def grey(self) -> np.ndarray:
        """The frame in the model's size, (height, width) float32."""
        if self._source is not None:
            self._grey, self._source = _resized(self._source, self._sampling), None
        return self._grey

    def until(self, following: _Shown, time: float) -> np.ndarray:
        """What is on screen at a time before the following frame."""
        if self._sampling.timing == "hold" or time <= self.time:
            return self.grey().copy()
        share = np.float32(min(1.0, (time - self.time) / (following.time - self.time)))
        return np.asarray(self.grey() + share * (following.grey() - self.grey()))


def _resized(frame: SourceFrame, sampling: Sampling) -> np.ndarray:
    """A frame in the model's size, (height, width) float32."""
    height, width = frame.pixels.shape
    tall, wide = _window(height, width, frame.pixel_aspect, sampling)
    rows = _weights(height, tall, sampling.shape[0], sampling.resize)
    columns = _weights(width, wide, sampling.shape[1], sampling.resize)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which a clip refuses
        grey = frame.pixels.astype(np.float32)
    if not _is_identity(rows):
        grey = rows @ grey
    if not _is_identity(columns):
        grey = grey @ columns.T
    if sampling.fit == "pad":
        grey += GREY * (1 - np.outer(rows.sum(axis=1), columns.sum(axis=1)))
    # An average lies between its terms; rounding of float32 must not lead out of the grey levels.
    return np.clip(grey, 0, 255) if frame.pixels.dtype == np.uint8 else grey


def _window(height: int, width: int, pixel_aspect: float, sampling: Sampling) -> tuple[float, float]:
    """Height and width, in source pixels, of the part of the source that a model frame shows."""
    to_height, to_width = sampling.shape
    # The same aspect gives exactly the same window: whole numbers are multiplied before they are divided.
    tall, wide = width * to_height * pixel_aspect / to_width, height * to_width / (to_height * pixel_aspect)
    if sampling.fit == "stretch":
        return height, width
    return (height, wide) if (wide < width) == (sampling.fit == "crop") else (tall, width)


def _is_identity(weights: np.ndarray) -> bool:
    return weights.shape[0] == weights.shape[1] and bool((weights.diagonal() == 1).all())


@lru_cache(maxsize=8)
def _weights(length: int, extent: float, target: int, resize: Resize) -> np.ndarray:
    """How much each source pixel counts in each target pixel along one axis.

    Parameters
    ----------
    length : of the source, pixels.
    extent : of the window, source pixels, about the centre of the source.
    target : pixels that the window is divided into.

    Returns
    -------
    (target, length) float32; rows sum to 1, less the part of the target pixel that lies beyond the source.
    """
    edges = (length - extent) / 2 + extent * np.arange(target + 1) / target
    centres = (edges[:-1] + edges[1:]) / 2
    pixels = np.arange(length)
    if resize == "nearest":
        weights = np.floor(centres)[:, None] == pixels
    elif extent >= target:
        overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
        weights = np.maximum(overlap, 0) * (target / extent)
    else:
        position = np.clip(centres - 0.5, 0, length - 1)[:, None]
        inside = (centres >= 0) & (centres <= length)
        weights = np.maximum(1 - np.abs(position - pixels), 0) * inside[:, None]
    return weights.astype(np.float32)
