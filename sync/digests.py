"""Digests of the rows held of one stream, over ranges of keys: two sides compare much with few questions.

The digest is SHA-256 over the rows in ascending order of their keys' UTF-8 octets; a row gives its key, one 0x00, its
version in decimal digits, one 0x0A.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

DEPTH_MAX: Final = 8
ROWS_MAX: Final = 2_000
"""A range of at most so many rows is answered with the rows themselves, if asked for."""

_Key = Annotated[str, Meta(max_length=400)]
_Hex = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Held(NamedTuple):
    """A row as far as digests go."""

    key: str
    ver: int


class KeyRange(NamedTuple):
    """Keys from `lower` up to but without `upper`; None: no bound."""

    lower: str | None = None
    upper: str | None = None


class HeldRow(msgspec.Struct, frozen=True):
    """A row in an answer."""

    key: _Key
    ver: Annotated[int, Meta(ge=1)]


class RangeDigest(msgspec.Struct, frozen=True, rename={"lower": "from", "upper": "to"}):
    """One range in an answer."""

    count: Annotated[int, Meta(ge=0)]
    sha256: _Hex
    lower: _Key | None = None
    upper: _Key | None = None


class DigestAnswer(msgspec.Struct, frozen=True, rename={"lower": "from", "upper": "to"}):
    """What the collector holds of a range: in all, in smaller ranges if asked with a depth, and row by row."""

    count: Annotated[int, Meta(ge=0)]
    sha256: _Hex
    lower: _Key | None = None
    upper: _Key | None = None
    ranges: Annotated[tuple[RangeDigest, ...], Meta(max_length=1 << DEPTH_MAX)] = ()
    rows: Annotated[tuple[HeldRow, ...], Meta(max_length=ROWS_MAX)] | None = None


class Digest:
    """The digest of rows given page by page, in the order of their keys' UTF-8 octets, and how many there were."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def add(self, rows: Sequence[Held]) -> None:
        """Take in the next rows."""
        self._hash.update(b"".join(b"%b\0%d\n" % (key.encode(), ver) for key, ver in rows))
        self.count += len(rows)

    @property
    def hexadecimal(self) -> str:
        """The digest of what was taken in so far."""
        return self._hash.hexdigest()
