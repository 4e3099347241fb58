"""Ids and secrets: opaque, unguessable, and telling at a glance what they name."""

import hashlib
import secrets
from typing import Final

TOKEN_LENGTH = 47
"""Characters of a token: `idn_` and 256 random bits."""
_REQUEST_ID_OCTETS: Final = 16
_DRAWN_AT_ONCE: Final = 256
_drawn: Final[list[str]] = []


def new_id(kind: str) -> str:
    """Make an id such as `ent_3f9c0a…`, unique for all practical purposes."""
    return f"{kind}_{secrets.token_hex(8)}"


def new_request_id() -> str:
    """Draw 128 bits, as hexadecimal digits. The system is asked for many at once, which is most of the cost."""
    if not _drawn:
        octets = secrets.token_bytes(_DRAWN_AT_ONCE * _REQUEST_ID_OCTETS)
        _drawn.extend(octets[at : at + _REQUEST_ID_OCTETS].hex() for at in range(0, len(octets), _REQUEST_ID_OCTETS))
    return _drawn.pop()


def new_token() -> str:
    """Make a token, to be shown once."""
    return "idn_" + secrets.token_urlsafe(32)


def token_sha256(token: str) -> bytes:
    """Hash a token to what is stored of it."""
    return hashlib.sha256(token.encode(errors="replace")).digest()
