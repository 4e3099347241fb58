"""What the registry does for its tables from time to time; the registry's process calls it, about once a minute."""

from datetime import datetime, timedelta
from typing import Final

from registry import journal_days, statistics
from registry.database import Connection
from registry.service.change import ANSWERS_KEPT
from registry.tables import idempotency

JOURNAL_KEPT_DAYS: Final = 35


async def maintain(connection: Connection, now: datetime, *, journal_kept_days: int = JOURNAL_KEPT_DAYS) -> None:
    """Make and seal the journal's days, drop those over `journal_kept_days`, and forget what has served its time.

    Every step may be repeated and may fail by itself; what failed is done at the next call.
    """
    await journal_days.ensure_partitions(connection, now)
    await journal_days.seal_days(connection, now)
    await journal_days.drop_before(connection, (now - timedelta(days=journal_kept_days)).date())
    await idempotency.purge(connection, now - ANSWERS_KEPT)
    await statistics.fold_seconds(connection, now)
    await statistics.forget_segments(connection, now)
