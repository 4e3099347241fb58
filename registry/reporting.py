"""What the API asks of the reporting to the national node, which is put together outside the registry."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from registry.database import Connection


class Finding(NamedTuple):
    """One thing that is not in order: its kind, since when, what exactly, and what helps."""

    what: str
    since: datetime | None
    detail: str
    remedy: str


class Resent(NamedTuple):
    """What became of rows that were to be sent again, by key: queued, not kept any more, never sent as unfit."""

    queued: Sequence[str]
    not_stored: Sequence[str]
    never_sent: Sequence[str]


class Reporting(Protocol):
    """The reports of this node, as an operator sees them; each call is in the caller's transaction."""

    @property
    def tables(self) -> Sequence[str]:
        """Return the names of the tables there are."""
        ...

    async def findings(self, connection: Connection, now: datetime) -> Sequence[Finding]:
        """Return what is not in order, what stops most first."""
        ...

    async def retry(self, connection: Connection, now: datetime) -> None:
        """Have the link and every waiting stream tried soon, whatever was planned."""
        ...

    async def pause(
        self, connection: Connection, now: datetime, tables: Sequence[str], *, by: str, reason: str
    ) -> None:
        """Send nothing of these tables; none named: of all."""
        ...

    async def unpause(self, connection: Connection, tables: Sequence[str]) -> int:
        """Send these tables again, none named: all; return how many were paused."""
        ...

    async def resume(self, connection: Connection, table: str, scope: str) -> bool:
        """Let a halted stream go on; False if there is none."""
        ...

    async def send_full(
        self, connection: Connection, now: datetime, table: str, scope: str, *, start_over: bool
    ) -> str:
        """Order the full set of a stream; return the id under which its outcome is told among the directives."""
        ...

    async def resend(self, connection: Connection, table: str, scope: str, keys: Sequence[str] | None) -> Resent | None:
        """Send refused rows again as they were, all or those of `keys`; None: there is no such stream."""
        ...

    async def dismiss(self, connection: Connection, table: str, scope: str, keys: Sequence[str]) -> int:
        """Close open rows without sending them; return how many there were."""
        ...
