"""COPY's binary form taken apart into rows and put together again (PostgreSQL manual, COPY, "Binary Format")."""

from __future__ import annotations

import struct
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Signature, no flags, no header extension.
HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
_FIELDS = struct.Struct(">h")
_LENGTH = struct.Struct(">i")


def rows_of(stream: bytes) -> list[bytes]:
    """Return the rows of a whole stream, undecoded; raise ValueError when it is not one."""
    if not stream.startswith(HEADER):
        raise ValueError("not COPY's binary form, or one with header extensions")
    rows, place = [], len(HEADER)
    try:
        while (fields := _FIELDS.unpack_from(stream, place)[0]) >= 0:
            begin, place = place, place + _FIELDS.size
            for _ in range(fields):
                # -1 is a null, without octets.
                place += _LENGTH.size + max(_LENGTH.unpack_from(stream, place)[0], 0)
            rows.append(stream[begin:place])
    except struct.error as error:
        raise ValueError("COPY's binary form is broken off") from error
    return rows


def stream_of(rows: Iterable[bytes]) -> bytes:
    """Return a whole stream of these rows."""
    return b"".join(chain((HEADER,), rows, (TRAILER,)))
