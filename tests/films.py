"""Small video files."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import av
import numpy as np


def film(
    levels: Iterable[int],
    container: str = "mp4",
    codec: str = "mpeg4",
    size: tuple[int, int] = (64, 48),
    rate: int = 20,
) -> bytes:
    """A video of so many pixels (width, height), each frame of one grey level."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=20, options={"crf": "4", "qmin": "1", "qmax": "4"})
        (stream.width, stream.height), stream.pix_fmt, stream.bit_rate = size, "yuv420p", 4_000_000
        for level in levels:
            frame = av.VideoFrame.from_ndarray(np.full(size[::-1], level, np.uint8), format="gray")
            out.mux(stream.encode(frame.reformat(format="yuv420p")))
        out.mux(stream.encode())
    return buffer.getvalue()
