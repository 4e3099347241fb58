"""The self-check's connection to PostgreSQL: whether it answers, and entering what the spool holds."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from node.monitor.event_spool import EventSpool, Item
from node.monitor.watch import Probed
from registry.database import AWAY
from registry.service.prefix_routes import Address, addresses_of
from registry.tables import node_events, prefixes
from registry.tables.node_events import Event, Outage

TIMEOUT_S: Final = 3.0
ENTERED_AT_ONCE: Final = 200
PREFIXES_AT_ONCE: Final = 500

_log = logging.getLogger(__name__)


class Database:
    """One connection, opened when it is needed and again when it is lost. For one task at a time."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def probe(self) -> Probed:
        """See whether a statement is answered."""
        try:
            await (await self._open()).execute("SELECT 1")
        except (*AWAY, asyncpg.PostgresError) as error:
            await self.close()
            return Probed(is_well=False, cause=f"PostgreSQL: {error or type(error).__name__}"[:500])
        return Probed(is_well=True)

    async def enter(self, spool: EventSpool, now: datetime) -> int:
        """Enter what is pending, in its order; returns how much. While the database is away nothing is lost."""
        entered = 0
        try:
            connection = await self._open()
            while batch := spool.pending[:ENTERED_AT_ONCE]:
                async with connection.transaction():
                    for item in batch:
                        await _enter(connection, spool, item, now)
                spool.mark_entered(batch)
                entered += len(batch)
        except AWAY as error:
            await self.close()
            _log.debug("events wait for PostgreSQL: %s", error)
        return entered

    async def open_events(self) -> list[Event] | None:
        """Return the monitor's own events that are not recovered; None while the database is away."""
        try:
            return await node_events.open_events(await self._open(), "monitor")
        except AWAY:
            await self.close()
            return None

    async def go_live(self, at: datetime) -> bool:
        """Note since when the node is live; False while the database is away."""
        try:
            await node_events.go_live(await self._open(), at)
        except AWAY:
            await self.close()
            return False
        return True

    async def routes(self) -> dict[str, tuple[Address, ...]] | None:
        """Return where the prefixes in force are served that are not hosted here; None while the database is away."""
        found: dict[str, tuple[Address, ...]] = {}
        after = ""
        try:
            connection = await self._open()
            while page := await prefixes.page(connection, after, PREFIXES_AT_ONCE, None, "active"):
                found |= {one.prefix: addresses_of(one) for one in page if one.hosting == "routed"}
                after = page[-1].prefix
        except AWAY:
            await self.close()
            return None
        return {prefix: addresses for prefix, addresses in found.items() if addresses}

    async def close(self) -> None:
        """Give the connection up, without waiting for the other side."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _open(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=TIMEOUT_S,
                command_timeout=TIMEOUT_S,
                server_settings={"application_name": "idnode-monitor", "timezone": "UTC"},
            )
        return self._connection


async def _enter(
    connection: "asyncpg.Connection[asyncpg.Record]", spool: EventSpool, item: Item, now: datetime
) -> None:
    if isinstance(item, Outage):
        await node_events.put_outage(connection, item)
        return
    abnormal = spool.abnormal_of(item)
    if item.event_type == "recovered":
        # A database restored from a backup may lack the event that this one ends.
        if abnormal is not None:
            await node_events.insert(connection, abnormal, now)
        elif await node_events.by_number(connection, item.related_event_no or "") is None:
            _log.warning("the event %s ends one that nobody knows; it is not entered", item.event_no)
            return
    await node_events.insert(connection, item, now)


def own_only(events: Sequence[Event], known: Sequence[str]) -> list[Event]:
    """Return the events that are not among the known ones."""
    return [event for event in events if event.event_no not in known]
