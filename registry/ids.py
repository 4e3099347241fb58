"""Ids and secrets: opaque, unguessable, and telling at a glance what they name."""

import hashlib
import secrets

TOKEN_LENGTH = 47
"""Characters of a token: `idn_` and 256 random bits."""


def new_id(kind: str) -> str:
    """Make an id such as `ent_3f9c0a…`, unique for all practical purposes."""
    return f"{kind}_{secrets.token_hex(8)}"


def new_token() -> str:
    """Make a token, to be shown once."""
    return "idn_" + secrets.token_urlsafe(32)


def token_sha256(token: str) -> bytes:
    """Hash a token to what is stored of it."""
    return hashlib.sha256(token.encode(errors="replace")).digest()
