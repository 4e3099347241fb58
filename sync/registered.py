"""Everything registered as of one instant, for a feed that cannot follow the journal from where it stands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from identifiers.changes import KIND_TEMPLATE, Change, Cursor
from registry import database as registry_database
from registry.snapshot import Snapshot, open_snapshot
from registry.states import template_state
from registry.tables import templates
from sync.database import Connection, away

TEMPLATES_AT_ONCE: Final = 100


class Registered:
    """A consistent view, valid inside the block that opened it. Following the journal from `cursor` skips nothing."""

    def __init__(self, connection: Connection, snapshot: Snapshot) -> None:
        self._connection = connection
        self._snapshot = snapshot
        self.cursor: Cursor = snapshot.cursor

    async def states(self) -> AsyncIterator[list[Change]]:
        """Give every template, then everything else, as changes that create it; what is withdrawn says so itself."""
        after = ""
        while page := await templates.page(self._connection, after, TEMPLATES_AT_ONCE):
            after = page[-1].code
            yield [
                Change(*self.cursor, one.updated_at, KIND_TEMPLATE, one.code, "create", template_state(one))
                for one in page
            ]
        async for states in self._snapshot.states():
            yield states


@asynccontextmanager
async def everything_registered(dsn: str) -> AsyncIterator[Registered]:
    """Open the view on a connection of its own; raises DatabaseAway."""
    with away():
        connection = await registry_database.connect(dsn)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield Registered(connection, await open_snapshot(connection))
        finally:
            connection.terminate()
