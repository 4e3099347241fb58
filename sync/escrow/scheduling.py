"""A deposit every day after 08:30 Beijing time, driven by the clock given (docking contract 7.2)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, time, timedelta
from typing import Final

from registry.tables import takeovers
from sync.calendar_time import BEIJING
from sync.database import DatabaseAway, Pool, connected
from sync.escrow import log
from sync.escrow.errors import EscrowError
from sync.escrow.settings import EscrowSettings

FROM: Final = time(8, 30)
"""Beijing time. The platform takes deposits from 08:00 on."""
AGAIN_AFTER: Final = timedelta(minutes=15)
"""How soon a failed run is repeated."""
POLL_S: Final = 30.0

_log = logging.getLogger(__name__)


def is_due(now: datetime, watermark: datetime | None) -> bool:
    """Whether the newest deposit handed in is older than the last 08:30 in Beijing."""
    today = datetime.combine(now.astimezone(BEIJING).date(), FROM, BEIJING)
    begins = today if now >= today else today - timedelta(days=1)
    return watermark is None or watermark < begins


class Schedule:
    """Makes the deposits that are due, prefix by prefix."""

    def __init__(
        self,
        settings: EscrowSettings,
        pool: Pool,
        now: Callable[[], datetime],
        deposit: Callable[[str], Awaitable[object]],
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._now = now
        self._deposit = deposit
        self._not_before: dict[str, datetime] = {}

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(POLL_S)

    async def step(self) -> None:
        """Make what is due now, also when a take-over has ended; a failure is logged, and tried again after a while."""
        for prefix in self._settings.prefixes:
            now = self._now()
            if now < self._not_before.get(prefix, now):
                continue
            try:
                async with connected(self._pool) as connection:
                    watermark = await log.last_success(connection, prefix)
                    due = is_due(now, watermark) or await takeovers.ended_since(connection, watermark or now)
                if due:
                    await self._deposit(prefix)
            except DatabaseAway as error:
                _log.warning("deposits wait: %s", error)
            except EscrowError as error:
                self._not_before[prefix] = now + AGAIN_AFTER
                _log.error("the deposit of %s failed: %s", prefix, error)
            except Exception:  # noqa: BLE001 - whatever it is, reports go on and the next deposit is tried
                self._not_before[prefix] = now + AGAIN_AFTER
                _log.exception("the deposit of %s failed", prefix)
