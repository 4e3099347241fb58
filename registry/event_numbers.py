"""The numbers of events: `<prefix>-<yyyyMMddHHmmss in UTC>-<8 characters>` (docking contract 5.2)."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_CHARACTERS: Final = 8


def event_number(prefix: str, occurred_at: datetime, choose: Callable[[str], str] = secrets.choice) -> str:
    """Make the number of an event that began at this moment; unique for all practical purposes.

    At most 64 characters, so the prefix may have 40.
    """
    tail = "".join(choose(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    return f"{prefix}-{occurred_at.astimezone(UTC):%Y%m%d%H%M%S}-{tail}"
