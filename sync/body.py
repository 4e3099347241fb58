"""The bytes of a batch (docking contract 9.3): NDJSON, the header line first, each line ended by one LF."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from sync.batch import Header, Limits, Row

HEADER_OCTETS_MAX: Final = 16 * 1024
"""Room kept for the header line: 64 entries in `requires` at their longest, and the rest of it."""

BODY_OCTETS_MAX: Final = 32 * 1024 * 1024
"""The contract's hard maximum of a body before compression (9.13)."""

_COMPRESSION_LEVEL: Final = 3
"""Level 6 saves another tenth of the size of such rows and costs three times the processor time."""

_NUMBER_OCTETS: Final = 5
"""What a row's line may grow by when it gets its number: a batch holds at most 10,000 rows (9.13)."""

_encoder = msgspec.json.Encoder()
_header_decoder = msgspec.json.Decoder(Header)
_row_decoder = msgspec.json.Decoder(Row)


class BodyError(Exception):
    """A stored or received body is not what the profile describes; the message says where it departs."""


def row_line(row: Row) -> bytes:
    """Return the row's line, LF included."""
    return _encoder.encode(row) + b"\n"


def rows_sha256(lines: bytes) -> str:
    """Return the digest of the row lines as they stand in the body; for no rows, the digest of nothing."""
    return hashlib.sha256(lines).hexdigest()


def compose(header: Header, lines: bytes) -> bytes:
    """Return the uncompressed body."""
    return _encoder.encode(header) + b"\n" + lines


def compress(content: bytes) -> bytes:
    """Return `content` as one gzip member; the same content always gives the same bytes (no time of day in it)."""
    return gzip.compress(content, compresslevel=_COMPRESSION_LEVEL, mtime=0)


def decompress(content: bytes, octets_max: int = BODY_OCTETS_MAX) -> bytes:
    """Return what a gzip member holds; raises BodyError if it is damaged, incomplete or larger than `octets_max`."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(content, octets_max + 1)
    except zlib.error as error:
        raise BodyError(f"not a gzip stream: {error}") from error
    if len(plain) > octets_max:
        raise BodyError(f"more than {octets_max} octets after decompression")
    if not inflater.eof or inflater.unused_data:
        raise BodyError("the gzip stream is cut off or followed by other data")
    return plain


def take_apart(body: bytes) -> tuple[Header, bytes]:
    """Return the header and the row lines of an uncompressed body; raises BodyError."""
    end = body.find(b"\n")
    if end < 0 or not body.endswith(b"\n"):
        raise BodyError("every line, the last one too, must end with LF")
    try:
        return _header_decoder.decode(body[:end]), body[end + 1 :]
    except msgspec.DecodeError as error:
        raise BodyError(f"header line: {error}") from error


def rows_of(lines: bytes) -> Iterator[Row]:
    """Yield the rows of the lines in order; raises BodyError naming the row."""
    for number, line in enumerate(lines.split(b"\n")[:-1], start=1):
        try:
            yield _row_decoder.decode(line)
        except msgspec.DecodeError as error:
            raise BodyError(f"row {number}: {error}") from error


def numbered(rows: Iterable[Row]) -> list[bytes]:
    """Return the rows' lines, numbered anew from 1."""
    return [row_line(msgspec.structs.replace(row, n=n)) for n, row in enumerate(rows, start=1)]


def cut(rows: Sequence[Row], limits: Limits) -> Iterator[Sequence[Row]]:
    """Cut rows into runs that fit into one batch each, as few as their order allows.

    A row longer than a line may be is the caller's to keep out: it would stand alone here.
    """
    budget = limits.max_bytes - HEADER_OCTETS_MAX
    start, octets = 0, 0
    for position, row in enumerate(rows):
        length = len(row_line(row)) + _NUMBER_OCTETS
        if position > start and (position - start == limits.max_rows or octets + length > budget):
            yield rows[start:position]
            start, octets = position, 0
        octets += length
    if start < len(rows):
        yield rows[start:]
