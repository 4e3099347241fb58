"""Pages of a list: how many at once, and the opaque cursor that says where the next page begins."""

import base64
import hashlib
import re
from typing import Final

from registry.errors import InvalidRequest

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1_000
_LIMIT = re.compile(r"[0-9]{1,4}")
_CURSOR_CHARACTERS_MAX: Final = 4_096
_CHECK_OCTETS: Final = 8
BEGIN_AGAIN: Final = "leave the cursor out to begin again, or send the `next` of the page before unchanged"


def read_limit(text: str | None) -> int:
    """Return the number of items a page is to have."""
    if text is None:
        return LIMIT_DEFAULT
    if _LIMIT.fullmatch(text) is None or not 1 <= int(text) <= LIMIT_MAX:
        raise InvalidRequest("bad_limit", f"limit is a number from 1 to {LIMIT_MAX}", remedy="correct the limit")
    return int(text)


def write_cursor(scope: str, position: str) -> str:
    """Make the cursor behind `position` in the list `scope` (which list, and of what).

    It holds nothing secret and gives no right: the check only tells a damaged or foreign cursor from one of ours.
    """
    payload = position.encode()
    return base64.urlsafe_b64encode(_check(scope, payload) + payload).decode().rstrip("=")


def read_cursor(scope: str, text: str | None) -> str:
    """Return the position in a cursor, "" without one. Raises `InvalidRequest` for what `write_cursor` has not made."""
    if not text:
        return ""
    position = _position(scope, text) if len(text) <= _CURSOR_CHARACTERS_MAX else None
    if position is None:
        raise InvalidRequest("bad_cursor", "this cursor was not given for this list", remedy=BEGIN_AGAIN)
    return position


def _position(scope: str, text: str) -> str | None:
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        check, payload = octets[:_CHECK_OCTETS], octets[_CHECK_OCTETS:]
        return payload.decode() if check == _check(scope, payload) else None
    except ValueError:
        return None


def _check(scope: str, payload: bytes) -> bytes:
    return hashlib.sha256(scope.encode() + b"\x00" + payload).digest()[:_CHECK_OCTETS]
