"""A video that a stranger sent, decoded in a process of its own, which may take so much memory and time and no more.

A file of two kilobytes can make a decoder ask for gigabytes before it has told a single frame; in a process of its own
that costs a sentence. The child reads the video from its standard input, writes frames as raw float32 to its standard
output, which is a file, and its verdict as the last line of its standard error.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
import subprocess
import sys
import tempfile
from asyncio import Semaphore
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np

from ..errors import DataError
from .resampling import Sampling, SourceFrame, resample
from .video import ANEW, Limits, open_video

MEMORY = 1024**3
"""Of a decoder, bytes; a film of 4096 x 2304 pixels and 10 bits needs some 600 MB."""
CPU_SECONDS = 1800
"""Of a decoder; an hour of 1080 lines takes ten minutes."""
_AT_ONCE = 2
"""Decoders of this process; further videos wait."""
_TOO_MUCH: dict[str, Any] = {"refused": "too much"}
"""What a decoder says that reached its limit of memory; one that reached another was killed and says nothing."""

_places = Semaphore(_AT_ONCE)


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A video in a model's size and rate.

    Parameters
    ----------
    frames : (frames, height, width) float32, grey levels 0..255; they lie in a file without a name, on the disk.
    shape : height and width of the source, pixels.
    rate : of the source, frames per second.
    source_frames : of the source.
    """

    frames: np.ndarray
    shape: tuple[int, int]
    rate: float
    source_frames: int


async def decode(file: BinaryIO, sampling: Sampling, limits: Limits, where: str = "video") -> Decoded:
    """Decode a video file; when this is cancelled, the decoder is killed.

    Parameters
    ----------
    file : on the disk, open; read from its beginning.
    where : what errors call it.

    Raises
    ------
    DataError : it is no video, damaged, or beyond the limits of `video.open_video` or of memory and time here.
    """
    most = {"memory": MEMORY, "cpu_seconds": CPU_SECONDS}
    asked = json.dumps({"sampling": asdict(sampling), "limits": asdict(limits), "where": where} | most)
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as frames:
        async with _places:
            file.seek(0)
            command = [sys.executable, "-m", __name__, asked]
            child = subprocess.Popen(command, stdin=file, stdout=frames, stderr=subprocess.PIPE, env=environment)
            try:
                _, said = await asyncio.to_thread(child.communicate)
            finally:
                child.kill()
        if child.returncode > 0:
            raise RuntimeError(f"a decoder failed: {said.decode(errors='replace')}")
        verdict = json.loads(said.splitlines()[-1]) if child.returncode == 0 else _TOO_MUCH
        if verdict == _TOO_MUCH:
            what = f"needs more than {MEMORY // 1024**2} MiB or {CPU_SECONDS} s to be decoded"
            raise DataError(what, where, ANEW)
        if "refused" in verdict:
            raise DataError(*verdict["refused"])
        mapped = np.memmap(frames, np.float32, mode="r", shape=(verdict["frames"], *sampling.shape))
    return Decoded(mapped, tuple(verdict["shape"]), verdict["rate"], verdict["source_frames"])


def _child(asked: str) -> dict[str, Any]:
    """Decode, and say how it went."""
    given = json.loads(asked)
    sampling, limits = Sampling(**given["sampling"]), Limits(**given["limits"])
    size = int(limits.seconds * sampling.rate + 2) * 4 * sampling.shape[0] * sampling.shape[1]
    for what, limit in (
        (resource.RLIMIT_DATA, given["memory"]),
        (resource.RLIMIT_CPU, given["cpu_seconds"]),
        (resource.RLIMIT_FSIZE, size),
    ):
        resource.setrlimit(what, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    counted = written = 0

    def count(source: Iterable[SourceFrame]) -> Iterator[SourceFrame]:
        nonlocal counted
        for frame in source:
            counted += 1
            yield frame

    try:
        with open_video(sys.stdin.buffer, limits, given["where"]) as video:
            for frame in resample(count(video.frames), sampling):
                sys.stdout.buffer.write(frame.tobytes())
                written += 1
            sys.stdout.buffer.flush()
            return {"frames": written, "shape": video.shape, "rate": video.rate, "source_frames": counted}
    except DataError as error:
        if _is_memory(error.__cause__):
            return _TOO_MUCH
        return {"refused": (error.what, error.where, error.mend)}
    except (MemoryError, OSError) as error:
        if _is_memory(error):
            return _TOO_MUCH
        raise


def _is_memory(error: BaseException | None) -> bool:
    """Whether it says that there is no more memory; a module that cannot be imported for that says it as an OSError."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


if __name__ == "__main__":
    print(json.dumps(_child(sys.argv[1])), file=sys.stderr)
