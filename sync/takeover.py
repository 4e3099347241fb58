"""After an emergency take-over has ended: T2 and T7 are told in full, once (docking contract 7.6)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from registry.tables import takeovers
from sync.context import Context
from sync.database import Connection, DatabaseAway, transaction
from sync.full_sets import send_full

POLL_S: Final = 5.0
_SCOPES_OF_T7: Final = "SELECT scope FROM report_streams WHERE reporter = $1 AND table_id = 'T7' ORDER BY scope"

_log = logging.getLogger(__name__)


class AfterTakeovers:
    """Queues the full sets in the transaction that notes it, so that they are queued once."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self, wake: Callable[[], None]) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                if await self.step():
                    wake()
            except DatabaseAway as error:
                _log.warning("full sets after a take-over wait: %s", error)
            await asyncio.sleep(POLL_S)

    async def step(self) -> bool:
        """Queue the full sets of a take-over that has ended; False if there is none."""
        async with transaction(self._context.pool) as connection:
            ended = await takeovers.without_full_sets(connection)
            if not ended:
                return False
            for table, scope in await self._streams(connection):
                await send_full(connection, self._context, table, scope)
            await takeovers.full_sets_queued(connection, ended, self._context.now())
        _log.info("a take-over has ended: T2 and T7 are told in full")
        return True

    async def _streams(self, connection: Connection) -> list[tuple[str, str]]:
        rows = await connection.fetch(_SCOPES_OF_T7, self._context.reporter)
        return [("T2", self._context.reporter), *(("T7", row["scope"]) for row in rows)]
