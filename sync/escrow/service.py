"""Deposits made by themselves, whether the node reports or not, until it is told to stop (docking contract 7.2)."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from sync.database import DatabaseAway, open_pool
from sync.escrow.depositing import Depositor
from sync.escrow.scheduling import Schedule
from sync.escrow.settings import EscrowSettings
from sync.service import prepare

AGAIN_S: Final = 5.0
"""How soon the tables are prepared again while PostgreSQL is away."""

_log = logging.getLogger(__name__)


async def run(settings: EscrowSettings, stop: asyncio.Event) -> None:
    """Make the deposits that are due until `stop` is set; one under way then is made anew after the next start."""
    while not await _prepared(settings.dsn):
        with suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_S):
                await stop.wait()
        if stop.is_set():
            return
    pool = await open_pool(settings.dsn)
    try:
        deposit = Depositor(settings, _now).deposit
        making = asyncio.create_task(Schedule(settings, pool, _now, deposit).run(), name="deposits")
        await stop.wait()
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)
    finally:
        pool.terminate()


async def _prepared(dsn: str) -> bool:
    try:
        await prepare(dsn)
    except DatabaseAway as error:
        _log.warning("deposits cannot begin yet: %s", error)
        return False
    return True


def _now() -> datetime:
    return datetime.now(UTC)
