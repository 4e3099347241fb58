"""What the registry does for its tables from time to time; the registry's process calls it, about once a minute."""

from datetime import datetime, timedelta
from typing import Final

from registry import audit_months, busiest_seconds, journal_days, registration_counts, statistics
from registry.database import Connection
from registry.service import files
from registry.service.accounts import purge_sessions
from registry.service.change import ANSWERS_KEPT
from registry.service.sign_in import SESSION_KEPT
from registry.service.throttle import FORGOTTEN_AFTER
from registry.tables import idempotency, users

JOURNAL_KEPT_DAYS: Final = 35
ACCESS_KEPT_DAYS: Final = 180


async def maintain(
    connection: Connection,
    now: datetime,
    *,
    journal_kept_days: int = JOURNAL_KEPT_DAYS,
    access_kept_days: int = ACCESS_KEPT_DAYS,
) -> None:
    """Make and seal the journal's days, drop those over `journal_kept_days`, and forget what has served its time.

    Of the audit log, entries of access go `access_kept_days` after the end of their month; entries of changes stay.

    Every step may be repeated and may fail by itself; what failed is done at the next call.
    """
    await journal_days.ensure_partitions(connection, now)
    await journal_days.seal_days(connection, now)
    await registration_counts.count_registrations(connection, now)  # before the journal it reads is dropped
    await journal_days.drop_before(connection, (now - timedelta(days=journal_kept_days)).date())
    await audit_months.ensure_partitions(connection, now)
    await audit_months.drop_before(connection, (now - timedelta(days=access_kept_days)).date())
    await purge_sessions(connection, now - SESSION_KEPT)
    await users.purge_failures(connection, now - FORGOTTEN_AFTER)
    await idempotency.purge(connection, now - ANSWERS_KEPT)
    await files.forget_unbound(connection, now)
    await busiest_seconds.fold_seconds(connection, now)
    await statistics.forget_segments(connection, now)
