"""The `WWW-Authenticate` lines of a 401 (Handle over HTTP, 7.5).

Known clients split the joined header at `", "` and look for keys spelled exactly as here, so nothing of it may change.
"""

import base64
from typing import NamedTuple

from identifiers import sm2
from identifiers.handle_wire.keys import UsablePrivateKey, sign
from resolver.faces.handle_api.sessions import Session

BASIC_LINE = 'Basic realm="handle"'


class SiteSignature(NamedTuple):
    """The site's own proof: the algorithm's name, and the octets."""

    algorithm: str
    octets: bytes


def site_signature(key: UsablePrivateKey, nonce: bytes, cnonce: bytes) -> SiteSignature:
    """Sign with the site's key. Takes about a millisecond: not for the event loop."""
    octets = nonce + cnonce
    if isinstance(key, sm2.PrivateKey):
        return SiteSignature("SM3", sign(sm2.sm3(octets), key, "SM3"))
    return SiteSignature("SHA256", sign(octets, key, "SHA-256"))


def challenge_lines(session: Session, signature: SiteSignature | None, error: str, *, offers_basic: bool) -> list[str]:
    """Return one line for each scheme that is offered."""
    parts = [f'Handle sessionId="{session.id}"', f'nonce="{base64_text(session.nonce)}"']
    if signature is not None:
        parts += [f'serverAlg="{signature.algorithm}"', f'serverSignature="{base64_text(signature.octets)}"']
    if error:
        parts.append(f'error="{_quotable(error)}"')
    line = ", ".join(parts)
    return [BASIC_LINE, line] if offers_basic else [line]


def base64_text(octets: bytes) -> str:
    """Return octets as Base64 with padding."""
    return base64.b64encode(octets).decode()


def _quotable(text: str) -> str:
    """Return a text that needs no escaping between quotation marks and does not look like the end of a pair."""
    return "".join(
        character for character in text.replace(", ", "; ") if " " <= character <= "~" and character not in '"\\'
    )
