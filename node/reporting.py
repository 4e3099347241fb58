"""What operators see and order of the reports over the API: the reading and the orders of `idnode sync`."""

from collections.abc import Sequence
from datetime import datetime

from registry.database import Connection
from registry.reporting import Finding, Resent
from sync import dead_letters, findings
from sync.directives import store
from sync.outbox import links, pauses, streams
from sync.tables import PLAIN


class ReportingDesk:
    """The reports of one reporter. Needs the tables of `sync`."""

    def __init__(self, reporter: str) -> None:
        self._reporter = reporter

    @property
    def tables(self) -> Sequence[str]:
        """The tables there are."""
        return ("T9", *PLAIN)

    async def findings(self, connection: Connection, now: datetime) -> Sequence[Finding]:
        """Return what is not in order."""
        found = await findings.find(connection, self._reporter, now)
        return [Finding(one.what, one.since, one.detail, one.remedy) for one in found]

    async def retry(self, connection: Connection, now: datetime) -> None:
        """Have everything that waits tried soon."""
        await links.ask_retry(connection, self._reporter, now)

    async def pause(
        self, connection: Connection, now: datetime, tables: Sequence[str], *, by: str, reason: str
    ) -> None:
        """Send nothing of these tables."""
        names = list(tables) or [pauses.ALL]
        await pauses.begin(connection, self._reporter, names, now, ordered_by=by, reason=reason)

    async def unpause(self, connection: Connection, tables: Sequence[str]) -> int:
        """Send these tables again."""
        return await pauses.end(connection, self._reporter, list(tables) or [pauses.ALL])

    async def resume(self, connection: Connection, table: str, scope: str) -> bool:
        """Let a halted stream go on."""
        return await streams.resume(connection, self._reporter, table, scope)

    async def send_full(
        self, connection: Connection, now: datetime, table: str, scope: str, *, start_over: bool
    ) -> str:
        """Order the full set of a stream."""
        kind = "start_over" if start_over else "send_full"
        return await store.order(connection, self._reporter, kind, {"table": table, "scope": scope}, now)

    async def resend(self, connection: Connection, table: str, scope: str, keys: Sequence[str] | None) -> Resent | None:
        """Send refused rows again."""
        found = await dead_letters.resend(connection, self._reporter, table, scope, keys)
        return None if found is None else Resent(found.queued, found.not_stored, found.never_sent)

    async def dismiss(self, connection: Connection, table: str, scope: str, keys: Sequence[str]) -> int:
        """Close open rows."""
        return await dead_letters.dismiss(connection, self._reporter, table, scope, keys)
