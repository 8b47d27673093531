"""Videos of strangers are decoded in a process of its own, within bounds."""

from __future__ import annotations

import asyncio
import io
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
import psutil
import pytest
from films import film

from sensorium_ray.data import decoding
from sensorium_ray.data.decoding import Decoded, decode
from sensorium_ray.data.resampling import Sampling, resample
from sensorium_ray.data.video import Limits, open_video
from sensorium_ray.errors import DataError


@contextmanager
def on_disk(content: bytes) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file


def decoded(content: bytes) -> Decoded:
    with on_disk(content) as file:
        return asyncio.run(decode(file, Sampling(), Limits()))


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if decoding.__name__ in " ".join(one.cmdline())]


def test_it_gives_the_frames_that_decoding_here_gives() -> None:
    content = film(range(40, 200, 4), size=(160, 90))
    with open_video(io.BytesIO(content)) as video:
        expected = np.stack(list(resample(video.frames)))
    found = decoded(content)
    np.testing.assert_array_equal(found.frames, expected, strict=True)
    assert (found.shape, found.rate, found.source_frames) == ((90, 160), 20.0, 40)


def test_what_it_refuses_is_the_same_sentence() -> None:
    with pytest.raises(DataError, match="video: is no video; give an mp4"):
        decoded(b"no film at all")


@pytest.fixture(scope="module")
def large() -> bytes:
    return film([100] * 150, size=(1920, 1080))


@pytest.mark.parametrize(("bound", "value"), [("MEMORY", 40 * 1024**2), ("CPU_SECONDS", 1)])
def test_more_memory_or_time_than_it_has_is_a_sentence(
    large: bytes, bound: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, bound, value)
    with pytest.raises(DataError, match=r"video: needs more than \d+ MiB or \d+ s to be decoded; encode it anew"):
        decoded(large)


def test_a_small_file_that_claims_millions_of_frames_costs_a_sentence() -> None:
    content = bytearray(film([100] * 3))

    def claim(box: bytes, offset: int, value: int) -> None:
        at = content.index(box) + 4 + offset
        content[at : at + 4] = struct.pack(">I", value)

    for box, offset, value in (("stsz", 4, 1), ("stsz", 8, 2_000_000), ("stts", 8, 2_000_000), ("stsc", 12, 2_000_000)):
        claim(box.encode(), offset, value)
    with pytest.raises(DataError, match="has more than 1000000 frames"):
        decoded(bytes(content))


def test_who_leaves_takes_the_decoder_along() -> None:
    async def leave() -> None:
        with on_disk(film([100] * 2000, size=(640, 360))) as file:
            running = asyncio.create_task(decode(file, Sampling(), Limits()))
            while not children():
                await asyncio.sleep(0.01)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(leave())
    deadline = time.monotonic() + 20
    while children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not children()
