"""Whom a token spoke for a moment ago, so that a client's next requests need not ask the database again."""

from datetime import datetime, timedelta
from typing import Final

from registry.authority import Principal
from registry.ids import token_sha256

KEPT: Final = timedelta(seconds=1)
"""A token that expires, or is revoked through another host's registry, may count for this much longer."""
TOKENS_MAX: Final = 10_000


class TokenMemo:
    """Tokens by hash, each for a second; a full memo starts over. Revoking through this registry forgets at once."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Principal, datetime]] = {}

    def recall(self, token: str, now: datetime) -> Principal | None:
        """Return whom the token speaks for, if that was found out within the last second."""
        found = self._known.get(token_sha256(token))
        # Also when the clock was set back: what was found out in the future is found out again.
        return found[0] if found is not None and timedelta(0) <= now - found[1] < KEPT else None

    def remember(self, token: str, principal: Principal, now: datetime) -> None:
        """Keep what the database said at `now`."""
        if len(self._known) >= TOKENS_MAX:
            self._known = {}
        self._known[token_sha256(token)] = (principal, now)

    def forget(self) -> None:
        """Ask the database again for every token."""
        self._known = {}
