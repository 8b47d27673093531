"""Messages of an Arrow stream, cut out of bytes as they come: pyarrow's own reader of streams waits for them.

Arrow's encapsulated message: a mark, the length of the metadata, the metadata (a flatbuffer, which says how long the
body is), the body. A message without metadata ends the stream.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pyarrow as pa
from flatbuffers import encode
from flatbuffers.number_types import Int64Flags, UOffsetTFlags
from flatbuffers.table import Table

ARROW = "application/vnd.apache.arrow.stream"
"""Media type of such a stream."""

_PREFIX = struct.Struct("<II")
_MARK = 0xFFFFFFFF
_BODY_LENGTH = 10  # place of field 3, `bodyLength`, in the table of Arrow's Message.fbs


class Messages:
    """A stream that is being received."""

    def __init__(self) -> None:
        self.ended = False
        self._received = bytearray()

    def take(self, chunk: bytes) -> Iterator[pa.Message]:
        """Messages that are whole with the next bytes of the stream.

        Raises
        ------
        Exception : of many kinds, where the bytes are no Arrow stream.
        """
        rest = memoryview(chunk)
        while rest and not self.ended:
            missing = _size(self._received) - len(self._received)
            self._received += rest[:missing]
            rest = rest[missing:]
            if len(self._received) < _size(self._received):
                continue
            message, self._received = self._received, bytearray()
            if len(message) == _PREFIX.size:
                self.ended = True
            else:
                yield pa.ipc.read_message(pa.py_buffer(message))


def _size(received: bytearray) -> int:
    """Bytes of a message, as far as what has been received of it tells."""
    if len(received) < _PREFIX.size:
        return _PREFIX.size
    mark, length = _PREFIX.unpack_from(received)
    if mark != _MARK:
        raise ValueError(f"begins with {mark:x}")
    head = _PREFIX.size + length
    return head if not length or len(received) < head else head + _body_size(received[_PREFIX.size : head])


def _body_size(metadata: bytearray) -> int:
    message = Table(metadata, encode.Get(UOffsetTFlags.packer_type, metadata, 0))
    size = int(message.GetSlot(_BODY_LENGTH, 0, Int64Flags))
    if size < 0:
        raise ValueError(f"has a body of {size} bytes")
    return size
