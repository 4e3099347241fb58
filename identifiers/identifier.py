"""What parsing a code returns: an Identifier with its key, or Invalid with its reason."""

import hashlib
from typing import Final, Literal

import msgspec

STORAGE_KEY_OCTETS_MAX: Final = 480
"""Longest key stored as it is; LMDB's own limit is 511 octets."""

InvalidCode = Literal[
    "empty",
    "too_long",
    "unknown_scheme",
    "unsupported_form",
    "bad_prefix",
    "bad_suffix",
    "bad_char",
    "not_nfc",
    "bad_syntax",
    "leading_zero",
    "bad_length",
    "bad_range",
    "bad_check_digit",
    "bad_company_prefix",
    "unknown_ai",
    "bad_order",
    "missing_ai",
    "no_single_key",
    "serial_with_batch",
    "bad_acsn",
    "bad_base58",
    "unknown_method",
]


class HandleParts(msgspec.Struct, frozen=True, gc=False):
    """A Handle as written: ``prefix "/" suffix``. A prefix as an object has the prefix ``0.NA``."""

    prefix: str
    suffix: str

    @property
    def named_prefix(self) -> str | None:
        """The prefix this name stands for as an object (``0.NA/88.118`` names ``88.118``), else None."""
        return self.suffix if self.prefix.upper() == "0.NA" else None


class GS1Parts(msgspec.Struct, frozen=True, gc=False):
    """GS1 application identifiers and their values, in path order; the first is the key."""

    elements: tuple[tuple[str, str], ...]


class Identifier(msgspec.Struct, frozen=True, gc=False):
    """One code in its normal form.

    ``key`` is what records are stored under and compared by; ``spelling`` is what the owner wrote, without
    carriers and URI wrappers, and is what answers show. ``query`` and ``fragment`` followed the code in a URI and
    are no part of it.
    """

    scheme: str
    canonical: str
    key: str
    spelling: str
    parts: HandleParts | GS1Parts
    query: str | None = None
    fragment: str | None = None
    warnings: tuple[str, ...] = ()


class Invalid(msgspec.Struct, frozen=True, gc=False):
    """Why a text is no identifier. ``position`` counts code points from 0; ``suggestion`` is a valid text."""

    code: InvalidCode
    position: int
    message: str
    suggestion: str | None = None


def storage_key(key: str) -> bytes:
    """Return the octets a store files ``key`` under; long keys are hashed, so compare the full key after reading."""
    octets = key.encode()
    if len(octets) <= STORAGE_KEY_OCTETS_MAX:
        return octets
    scheme = key.partition(":")[0]
    return b"#" + scheme.encode() + b":" + hashlib.sha256(octets).hexdigest().encode()
