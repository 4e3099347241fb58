"""Handlers: the state of the registry, and the description of its API."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from registry.api.call import Answer, Call, answer
from registry.api.shapes import Status
from registry.service import status

SECTION_TIMEOUT_S: Final = 5.0


async def get_status(call: Call) -> Answer:
    """GET /api/v1/status."""
    position = call.context.barrier.position
    async with call.connected() as connection:
        database = await status.database(connection)
        journal = await status.journal_figures(connection, position)
        counts = await status.counts(connection)
    replica = {"connected": position is not None, "position": status.shown(position) if position else None}
    more = {name: await _section(provide) for name, provide in call.context.status.items()}
    return answer(Status(database, journal, replica, counts, more))


async def _section(provide: Callable[[], Awaitable[Any]]) -> Any:
    """Ask another part of the node. One that does not answer is shown as such; the rest is worth showing."""
    try:
        async with asyncio.timeout(SECTION_TIMEOUT_S):
            return await provide()
    except OSError as error:
        return {"error": str(error) or type(error).__name__}
