"""Any video file as grey frames, one at a time.

A file is known by its first bytes, never by its name, and only that one demuxer of FFmpeg is tried on it: playlists,
`concat` scripts and image sequences, which open other files, are therefore no videos here. Nothing else is opened on
behalf of a file, and only the codecs below are decoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.stream import Disposition
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream

from ..benchmark import FRAME_RATE
from ..errors import DataError
from .resampling import GREY, LONGEST_SIDE, SourceFrame

_QUICKTIME = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # boxes that mp4 and mov begin with
_CODECS = (
    *("av1", "dvvideo", "ffv1", "ffvhuff", "gif", "h263", "h264", "hevc", "huffyuv", "libdav1d", "mjpeg", "mpeg1video"),
    *("mpeg2video", "mpeg4", "msmpeg4", "msmpeg4v2", "png", "prores", "qtrle", "rawvideo", "theora", "utvideo"),
    *("vp8", "vp9"),
)
_COARSE_TICK = 0.01  # s, of gif; a clock that ticks slower counts frames
_MOST_BOXES = 100_000  # at the top of a file; a fragmented hour has some thousands
ANEW = "encode it anew, for example with ffmpeg -i IN OUT.mp4"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is decoded at most, whatever a file's header promises.

    Parameters
    ----------
    pixels : of a frame.
    frames : in the file.
    seconds : of video.
    """

    pixels: int = 4096 * 2304
    frames: int = 1_000_000
    seconds: float = 7200.0


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """An open video.

    Parameters
    ----------
    shape : height and width of its first frame as shown, pixels.
    rate : its mean frames per second, as its header tells it.
    frames : to go through once, while the file is open; a DataError where the video is damaged or beyond the limits.
    """

    shape: tuple[int, int]
    rate: float
    frames: Iterator[SourceFrame]


@contextmanager
def open_video(file: BinaryIO | Path, limits: Limits = Limits(), where: str = "video") -> Iterator[Video]:
    """Open mp4, mov, mkv, webm, avi or gif for the best of its video streams; sound is not read.

    Frames are uint8, 0 black and 255 white: the luma that the video was encoded with (not linear light), its limited
    range 16..235 spread over 0..255 where it has one. RGB and palettes become luma with the weights of BT.601 (0.299,
    0.587, 0.114); 10 and 12 bits are cut to 8 (white of a full range: 254). Transparent pixels show mid-grey, except
    in webm, whose transparency is not read. Frames are turned and mirrored as the file asks; interlaced ones stay so.

    Times are seconds since the first frame. Where they are missing or do not increase, a frame follows the one before.

    Parameters
    ----------
    file : a path, or a seekable file, which is read from its beginning.
    where : what errors call the file if it has no path.

    Raises
    ------
    DataError : the file is missing, no video, of another codec, empty, damaged, or beyond the limits.
    """
    with ExitStack() as stack:
        if isinstance(file, Path):
            where = str(file)
            try:
                file = stack.enter_context(file.open("rb"))
            except OSError as error:
                raise DataError(f"cannot be read ({error.strerror})", where) from error
        source = stack.enter_context(closing(_Source(file, limits, where)))
        frames = source.frames()
        first = next(frames, None)
        if first is None:
            raise DataError("holds no frame", where)
        yield Video((first.pixels.shape[0], first.pixels.shape[1]), source.rate, chain((first,), frames))


class _Source:
    """The video stream of a file, its header read and checked."""

    def __init__(self, file: BinaryIO, limits: Limits, where: str) -> None:
        self._limits, self._where = limits, where
        demuxer = _demuxer(file)
        if demuxer is None:
            raise DataError("is no video", where, "give an mp4, mov, mkv, webm, avi or gif file")
        self._cut_short = _is_cut_short(file, demuxer)
        self._container = self._open(file, demuxer)
        self._stream = stream = self._video_stream()
        self._tick = float(stream.time_base or 1 / FRAME_RATE)
        seconds = (stream.duration or 0) * self._tick or (self._container.duration or 0) / av.time_base
        counted = stream.frames / seconds if stream.frames > 0 and seconds > 0 else 0
        self.rate = float(counted or stream.average_rate or stream.guessed_rate or FRAME_RATE)
        self._check(stream.codec_context.width, stream.codec_context.height, stream.frames, seconds)
        # Avi has no times of its own; those made up for frames that a decoder reorders are wrong.
        self._stamped = demuxer != "avi" or not stream.codec_context.has_b_frames
        aspect = stream.sample_aspect_ratio
        self._aspect = float(aspect) if aspect and aspect > 0 else 1.0
        stream.codec_context.options = {"max_pixels": self._most_pixels}

    def close(self) -> None:
        """Free the demuxer and the decoder; the file stays open."""
        self._container.close()

    def frames(self) -> Iterator[SourceFrame]:
        """Frames in the order in which they are shown."""
        reformatter = VideoReformatter()
        origin: float | None = None
        begin, end = -math.inf, 0.0
        count = 0
        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt:
                    raise self._damaged(end)
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise self._damaged(end)
                    time = frame.pts * self._tick if self._stamped and frame.pts is not None else None
                    if origin is None and time is not None:
                        origin = time - end
                    begin = end if time is None or origin is None or time - origin <= begin else time - origin
                    duration = frame.duration * self._tick if frame.duration > 0 else 1 / self.rate
                    end = begin + duration
                    count += 1
                    self._check(frame.width, frame.height, count, end)
                    pixels, turned = _upright(_grey(frame, reformatter), frame)
                    aspect = 1 / self._aspect if turned else self._aspect
                    yield SourceFrame(pixels, begin, duration, self._rounding(origin), aspect)
        except av.FFmpegError as error:
            raise self._damaged(end) from error
        if self._cut_short:
            raise self._damaged(end)

    def _open(self, file: BinaryIO, demuxer: str) -> InputContainer:
        """Read the header; a second wall of lists stands behind the choice of the demuxer."""

        def refuse(url: str, flags: int, options: dict[str, str]) -> None:
            raise DataError("refers to another file", self._where, ANEW)

        options = {
            "format_whitelist": "mov,matroska,avi,gif",
            "codec_whitelist": ",".join(_CODECS),
            "protocol_whitelist": "",
            "max_pixels": self._most_pixels,
        }
        file.seek(0)
        try:
            return av.open(file, "r", format=demuxer, options=options, metadata_errors="replace", io_open=refuse)
        except av.FFmpegError as error:
            raise self._damaged() from error

    def _video_stream(self) -> VideoStream:
        stream = self._container.streams.best("video")
        moving = isinstance(stream, VideoStream) and not stream.disposition & Disposition.attached_pic
        codec = None if stream is None or stream.codec_context is None else stream.codec_context.name
        if isinstance(stream, VideoStream) and moving and codec in _CODECS:
            return stream
        if self._cut_short:
            raise self._damaged()
        if not moving:
            raise DataError("has no video stream", self._where, "give a file with pictures that move")
        raise DataError(f"is encoded with {codec or 'an unknown codec'}", self._where, ANEW)

    @property
    def _most_pixels(self) -> str:
        """For the decoder: more, since it counts margins too, and a frame a little too large shall be called that."""
        return str(4 * self._limits.pixels + 2**20)

    def _rounding(self, origin: float | None) -> float:
        """By how much a time may be late because the clock of the file ticks coarsely, seconds."""
        if self._tick > _COARSE_TICK or self._tick * self.rate > 0.9:
            return 0.0  # its ticks are its frames
        return self._tick if origin else self._tick / 2  # the first frame's time was rounded too, unless it is 0

    def _check(self, width: int, height: int, frames: int, seconds: float) -> None:
        limits = self._limits
        if width * height > limits.pixels or max(width, height) > LONGEST_SIDE:
            mend = f"shrink it to {limits.pixels} pixels a frame and {LONGEST_SIDE} a side or fewer"
            raise DataError(f"has frames of {width}x{height} pixels", self._where, mend)
        if frames > limits.frames:
            raise DataError(f"has more than {limits.frames} frames", self._where, "cut it, or lower its frame rate")
        if seconds > limits.seconds + self._tick:
            raise DataError(f"is longer than {limits.seconds:g} s", self._where, "cut it")

    def _damaged(self, seconds: float | None = None) -> DataError:
        what = "breaks off" if self._cut_short else "is damaged"
        when = "in its header" if seconds is None else f"after {seconds:.2f} s of video"
        return DataError(f"{what} {when}", self._where, "give the whole file" if self._cut_short else ANEW)


def _demuxer(file: BinaryIO) -> str | None:
    """Name of the demuxer for a file's first bytes; None: it is no video."""
    file.seek(0)
    head = file.read(12)
    if head[4:8] in _QUICKTIME:
        return "mp4"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if head[:4] == b"RIFF" and head[8:11] == b"AVI":
        return "avi"
    return "gif" if head[:6] in (b"GIF87a", b"GIF89a") else None


def _is_cut_short(file: BinaryIO, demuxer: str) -> bool:
    """Whether a file ends before its outermost boxes do, or a gif without its trailer.

    FFmpeg takes a file that ends between two frames for whole. Boxes of unknown length, which live recordings have,
    may end anywhere.
    """
    file.seek(0, 2)
    size = file.tell()
    if demuxer == "gif":
        file.seek(max(0, size - 16))
        return not file.read().rstrip(b"\0\r\n").endswith(b";")
    position = 0
    for _ in range(_MOST_BOXES):
        file.seek(position)
        length = _LENGTH_OF_BOX[demuxer](file.read(16).ljust(16, b"\0"))
        position += length or 0
        if length is None or position >= size:
            break
    return position > size


def _quicktime_box(head: bytes) -> int | None:
    """Bytes of a box of mp4 with its header; None: unknown, or there is none."""
    length = int.from_bytes(head[:4], "big")
    if length == 1:
        length = int.from_bytes(head[8:16], "big")
    return length if length >= 8 else None


def _riff_box(head: bytes) -> int | None:
    """Bytes of a RIFF with its header; None: unknown, or there is none."""
    length = int.from_bytes(head[4:8], "little")
    return 8 + length if head[:4] == b"RIFF" and 0 < length < 2**32 - 1 else None


def _matroska_box(head: bytes) -> int | None:
    """Bytes of the EBML header or of the segment, each with its identifier; None: unknown, or there is neither."""
    if head[:4] not in (b"\x1aE\xdf\xa3", b"\x18S\x80g") or not head[4]:
        return None
    count = 9 - head[4].bit_length()  # leading zeros of the length tell how many bytes it has
    unknown = 2 ** (7 * count) - 1
    length = int.from_bytes(head[4 : 4 + count], "big") & unknown
    return None if length == unknown else 4 + count + length


_LENGTH_OF_BOX = {"mp4": _quicktime_box, "avi": _riff_box, "matroska": _matroska_box}


def _grey(frame: av.VideoFrame, reformatter: VideoReformatter) -> np.ndarray:
    """Luma of a frame over mid-grey, (height, width) uint8."""
    # Luma is the same in every colour space, and swscale refuses some: call all of them BT.601.
    space = {"src_colorspace": Colorspace.ITU601, "dst_colorspace": Colorspace.ITU601}
    if not (frame.format.has_palette or any(component.is_alpha for component in frame.format.components)):
        return np.asarray(reformatter.reformat(frame, format="gray", threads=1, **space).to_ndarray())
    plane = reformatter.reformat(frame, format="ya8", threads=1, **space).planes[0]
    rows = np.frombuffer(bytes(plane), np.uint8).reshape(frame.height, plane.line_size)
    luma, alpha = rows[:, : 2 * frame.width].reshape(frame.height, frame.width, 2).transpose(2, 0, 1)
    if (alpha == 255).all():
        return np.ascontiguousarray(luma)
    return np.rint(GREY + (luma - GREY) * (alpha / 255)).astype(np.uint8)


def _upright(pixels: np.ndarray, frame: av.VideoFrame) -> tuple[np.ndarray, bool]:
    """Turn and mirror a frame as its display matrix asks, by quarters of a turn.

    Returns
    -------
    (height, width) uint8, and whether rows became columns.
    """
    data: object = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(data, Buffer):
        return pixels, False
    # The matrix maps (x, y) of the source to (a x + c y, b x + d y) on screen.
    a, b, _, c, d, *_ = np.frombuffer(bytes(data), np.int32)
    turned = bool(abs(b) > abs(a))
    if turned:
        pixels, a, d = pixels.T, c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1], turned
