"""The limits of all enterprises as they were a moment ago, so that a write asks for them only where there are some."""

from datetime import datetime, timedelta
from typing import Final

from registry.database import Connection
from registry.tables import quotas
from registry.tables.quotas import Limits

KEPT: Final = timedelta(seconds=5)
"""Limits set through another host's registry hold here this much later."""

NO_LIMITS: Final = Limits()


class QuotaMemo:
    """The whole table of limits, read again when it is five seconds old. Setting some through here forgets at once."""

    def __init__(self) -> None:
        self._limits: dict[str, Limits] = {}
        self._read_at: datetime | None = None

    def fresh(self, now: datetime) -> bool:
        """Whether what is known may still be used."""
        # Also when the clock was set back: what was found out in the future is found out again.
        return self._read_at is not None and timedelta(0) <= now - self._read_at < KEPT

    def recall(self, enterprise: str) -> Limits:
        """Return the limits of an enterprise as last read."""
        return self._limits.get(enterprise, NO_LIMITS)

    async def refresh(self, connection: Connection, now: datetime) -> None:
        """Read the limits again if they are not fresh."""
        if not self.fresh(now):
            self._limits = await quotas.all_limits(connection)
            self._read_at = now

    def forget(self) -> None:
        """Read the limits again at the next request."""
        self._read_at = None


MEMO: Final = QuotaMemo()
"""The memo of this process. Ids of enterprises are random: one of another database is never taken for one of this."""
