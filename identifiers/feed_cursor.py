"""Positions in the journal as the change feed hands them out: opaque to readers, and tied to one journal.

    format u1 | BLAKE2b of the journal's epoch, 8 octets | xid u8 | seq u8, big-endian; in Base64 for URLs

The format is 1. Readers store a cursor and send it back (docking contract 10.1).
"""

import base64
import binascii
import struct
from hashlib import blake2b
from typing import Final, NamedTuple

from identifiers.changes import Cursor

_LAYOUT: Final = struct.Struct(">B8sQQ")
_FORMAT: Final = 1
_CHARACTERS: Final = 34
_DIGEST_OCTETS: Final = 8


class FeedCursorError(ValueError):
    """A text that is no cursor."""


class FeedCursor(NamedTuple):
    """A position, and the digest (hexadecimal) of the epoch of its journal."""

    epoch: str
    position: Cursor


def epoch_digest(epoch: str) -> str:
    """Return what stands for a journal's epoch in its cursors, hexadecimal."""
    return blake2b(epoch.encode(), digest_size=_DIGEST_OCTETS).hexdigest()


def write_feed_cursor(digest: str, position: Cursor) -> str:
    """Return the cursor of a position; `digest` is the epoch's, hexadecimal."""
    packed = _LAYOUT.pack(_FORMAT, bytes.fromhex(digest), *position)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_feed_cursor(text: str) -> FeedCursor:
    """Return the position in a cursor. Raises FeedCursorError."""
    if len(text) != _CHARACTERS:
        raise FeedCursorError("this is no cursor of a change feed")
    try:
        octets = base64.b64decode(text + "==", altchars=b"-_", validate=True)
        form, digest, xid, seq = _LAYOUT.unpack(octets)
    except (binascii.Error, struct.error, ValueError) as error:
        raise FeedCursorError("this is no cursor of a change feed") from error
    if form != _FORMAT:
        raise FeedCursorError("this cursor is of another version")
    return FeedCursor(digest.hex(), Cursor(xid, seq))
