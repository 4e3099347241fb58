"""Frames on the Unix sockets between this node's own processes: a length of four octets, then so many."""

from collections.abc import Iterator
from typing import Final

FRAME_OCTETS_MAX: Final = 4 * 2**20
"""Of one frame, its length included."""
_LENGTH_OCTETS: Final = 4


class FrameTooLong(Exception):  # noqa: N818 - what the other side did
    """More than `FRAME_OCTETS_MAX` are announced."""


def frame(body: bytes) -> tuple[bytes, bytes]:
    """Return the pieces of a frame, to be sent one behind the other."""
    return len(body).to_bytes(_LENGTH_OCTETS, "big"), body


class FrameReader:
    """Takes frames out of a stream."""

    def __init__(self) -> None:
        self._read = bytearray()

    def feed(self, data: bytes) -> Iterator[memoryview]:
        """Yield the bodies that are whole with `data`, to be used at once. Raises FrameTooLong."""
        self._read += data
        read, at = self._read, 0
        while len(read) - at >= _LENGTH_OCTETS:
            end = at + _LENGTH_OCTETS + int.from_bytes(read[at : at + _LENGTH_OCTETS], "big")
            if end - at > FRAME_OCTETS_MAX:
                raise FrameTooLong("too long")
            if len(read) < end:
                break
            yield memoryview(read)[at + _LENGTH_OCTETS : end]
            at = end
        self._read = read[at:]
