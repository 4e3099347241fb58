"""Quotas: how much an enterprise may register and keep, counted in the transaction of each change.

The counts hold the truth as far as the registry's writes go through `take`. What they miss, because limits were set
while others wrote or because a prefix changed hands, `recount` adds: it compares counts and tables in one snapshot, in
which both tell of the same transactions, so nobody has to wait meanwhile.
"""

import math
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Final

import asyncpg
import msgspec

from identifiers.changes import KIND_QUOTA, Cursor
from registry import journal
from registry.authority import Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.errors import ChangedMeanwhile, Conflict, NotFound, TooManyRequests
from registry.quota_memo import KEPT, MEMO
from registry.states import instant, to_millisecond
from registry.statistics import BEIJING, beijing_day
from registry.tables import enterprises, quotas
from registry.tables.quotas import Limits, Quota, Use

COUNTED_EVERY: Final = timedelta(hours=24)
COUNT_TIMEOUT_S: Final = 600.0
RECOUNTS_AT_ONCE: Final = 16

_AGAIN: Final = "again"
_ASK: Final = "withdraw what is not needed, or ask an administrator for a larger quota"
_EXHAUSTED: Final = {
    "identifiers_max": "the enterprise has as many identifiers as it may",
    "octets_max": "the values of the enterprise take as much room as they may",
}


class QuotaState(msgspec.Struct, frozen=True):
    """The limits of an enterprise, as the journal carries them."""

    enterprise: str
    identifiers_max: int | None
    identifiers_per_day_max: int | None
    octets_max: int | None
    job_rows_max: int | None
    requests_per_s_max: int | None
    requests_burst_max: int | None
    updated_at: str


async def take(
    connection: Connection, enterprise_id: str, now: datetime, *, identifiers: int = 0, octets: int = 0
) -> None:
    """Count identifiers and octets of values that this transaction adds (or, negative, gives back).

    To be called in the transaction of the change and, where it adds, before the transaction's first write: it may wait
    for other writers of the enterprise. Costs no round trip where the enterprise has no limits to count against. Raises
    `Conflict` when the enterprise has used up what it may keep, `TooManyRequests` when it has used up its day.
    """
    await MEMO.refresh(connection, now)
    if not MEMO.recall(enterprise_id).counted or not (identifiers or octets):
        return
    exceeded = await quotas.take(connection, enterprise_id, identifiers, octets, _today(now))
    if exceeded == _AGAIN:
        raise ChangedMeanwhile(f"quota of {enterprise_id}")
    if exceeded == "identifiers_per_day_max":
        raise TooManyRequests(
            "daily_quota_exhausted",
            "the enterprise has registered as many identifiers today as it may in a day",
            remedy="go on tomorrow (Beijing time), or ask an administrator for a larger quota",
            retry_after_s=_until_tomorrow_s(now),
        )
    if exceeded is not None:
        raise Conflict("quota_exhausted", _EXHAUSTED[exceeded], remedy=_ASK)


async def limits(connection: Connection, enterprise_id: str, now: datetime) -> Limits:
    """Return the limits of an enterprise, as they were a few seconds ago at most."""
    await MEMO.refresh(connection, now)
    return MEMO.recall(enterprise_id)


async def change(
    connection: Connection, principal: Principal, now: datetime, enterprise: str, wanted: Limits
) -> tuple[Quota, Cursor]:
    """Set the limits of an enterprise; none at all lifts its quota. After the commit, call `MEMO.forget`."""
    authorise(principal, Action.CHANGE_QUOTA)
    now = to_millisecond(now)
    await journal.serialise(connection, KIND_QUOTA, enterprise)
    await _check_known(connection, enterprise)
    before = await quotas.by_enterprise(connection, enterprise)
    changed = await quotas.put(connection, enterprise, wanted, now)
    if wanted.counted and not (before is not None and before.limits.counted):
        # Nothing was counted so far, or not for a while.
        await quotas.distrust(connection, enterprise)
    cursor = await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_QUOTA,
        key=enterprise,
        op="update" if before is not None else "create",
        after=_state(changed),
    )
    return changed, cursor


async def get(connection: Connection, principal: Principal, now: datetime, enterprise: str) -> tuple[Quota | None, Use]:
    """Return the quota of an enterprise, None if it never had one, and what it has used of it."""
    authorise(principal, Action.READ_QUOTA)
    check_reaches(principal, Action.READ_QUOTA, enterprise)
    await _check_known(connection, enterprise)
    found = await quotas.by_enterprise(connection, enterprise)
    return found, await quotas.use(connection, enterprise, _today(now))


async def page(connection: Connection, principal: Principal, after: str, limit: int) -> list[Quota]:
    """Return the next quotas the principal may see, in the order of the enterprises' ids."""
    everything = authorise(principal, Action.READ_QUOTA) is Reach.EVERYTHING
    # An id no enterprise has leaves none.
    return await quotas.page(connection, after, limit, None if everything else principal.enterprise or "")


async def expect_recount(connection: Connection, *enterprises_changed: str) -> None:
    """Have the counts of enterprises compared with the tables within about a minute: prefixes have changed hands."""
    for enterprise in sorted(enterprises_changed):
        await quotas.distrust(connection, enterprise)


async def recount_due(connection: Connection, now: datetime) -> None:
    """Compare the counts that are due with the tables: new ones within about a minute, each once a day."""
    enterprises_due = await quotas.due(
        connection,
        counted_before=now - COUNTED_EVERY,
        settling=2 * KEPT,
        now=now,
        limit=RECOUNTS_AT_ONCE,
    )
    for enterprise in enterprises_due:
        await recount(connection, enterprise, now)


async def recount(connection: Connection, enterprise: str, now: datetime) -> None:
    """Correct the counts of an enterprise by what they differ from the tables. Takes seconds for 10 million records."""
    # In one snapshot a take and what was taken for are both there or both not.
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(f"SET LOCAL statement_timeout = {COUNT_TIMEOUT_S * 1000:.0f}")
        quota = await quotas.by_enterprise(connection, enterprise)
        if quota is None:
            return
        used = await quotas.use(connection, enterprise, _today(now))
        identifiers, octets = await quotas.count(connection, enterprise, timeout_s=COUNT_TIMEOUT_S)
    missed = identifiers - used.identifiers, octets - used.octets
    with suppress(asyncpg.TransactionRollbackError):  # somebody else's turn; it is due again
        async with connection.transaction():
            await quotas.correct(connection, enterprise, *missed, seen=quota.counted_at, now=now)


async def _check_known(connection: Connection, enterprise: str) -> None:
    if await enterprises.by_id(connection, enterprise) is None:
        raise NotFound("unknown_enterprise", f"there is no enterprise {enterprise}", remedy="correct the id")


def _state(quota: Quota) -> bytes:
    limits = quota.limits
    return msgspec.json.encode(
        QuotaState(
            quota.enterprise,
            limits.identifiers_max,
            limits.identifiers_per_day_max,
            limits.octets_max,
            limits.job_rows_max,
            limits.requests_per_s_max,
            limits.requests_burst_max,
            instant(quota.updated_at),
        )
    )


def _today(now: datetime) -> date:
    return beijing_day(int(now.timestamp()))


def _until_tomorrow_s(now: datetime) -> int:
    there = now.astimezone(UTC) + BEIJING
    tomorrow = there.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return max(1, math.ceil((tomorrow - there).total_seconds()))
