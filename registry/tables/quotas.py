"""The tables `quotas` and `quota_use`: how much an enterprise may keep and ask, and how much of it is used."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from registry.database import Connection

_LIMITS = "identifiers_max, identifiers_per_day_max, octets_max, job_rows_max, requests_per_s_max, requests_burst_max"
_COLUMNS = f"enterprise_id, {_LIMITS}, updated_at, counted_at"
_PUT = f"""
INSERT INTO quotas (enterprise_id, {_LIMITS}, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (enterprise_id) DO UPDATE
SET identifiers_max = excluded.identifiers_max,
    identifiers_per_day_max = excluded.identifiers_per_day_max,
    octets_max = excluded.octets_max,
    job_rows_max = excluded.job_rows_max,
    requests_per_s_max = excluded.requests_per_s_max,
    requests_burst_max = excluded.requests_burst_max,
    updated_at = excluded.updated_at
RETURNING {_COLUMNS}"""
_BY_ENTERPRISE = f"SELECT {_COLUMNS} FROM quotas WHERE enterprise_id = $1"
_ALL = f"SELECT {_COLUMNS} FROM quotas"
_PAGE = f"""
SELECT {_COLUMNS} FROM quotas
WHERE enterprise_id > $1 AND ($2::text IS NULL OR enterprise_id = $2) AND num_nonnulls({_LIMITS}) > 0
ORDER BY enterprise_id LIMIT $3"""
_TAKE = "SELECT take_quota($1, $2, $3, $4)"
_USE = """
SELECT coalesce(sum(identifiers), 0)::bigint,
       coalesce(sum(day_identifiers) FILTER (WHERE day = $2), 0)::bigint,
       coalesce(sum(octets), 0)::bigint
FROM quota_use WHERE enterprise_id = $1"""
_COUNT = """
SELECT count(*), coalesce(sum(octet_length(values)), 0)::bigint FROM identifiers
WHERE state = 'active' AND prefix_id = ANY(ARRAY(SELECT id FROM prefixes WHERE enterprise_id = $1))"""
_CORRECT = """
INSERT INTO quota_use AS used (enterprise_id, slot, identifiers, octets, day, day_identifiers)
SELECT enterprise_id, 0, $2, $3, '-infinity', 0 FROM quotas WHERE enterprise_id = $1
ON CONFLICT (enterprise_id, slot) DO UPDATE
SET identifiers = used.identifiers + excluded.identifiers, octets = used.octets + excluded.octets"""
# Of two that have counted at the same time only one may add the difference.
_COUNTED = """
UPDATE quotas SET counted_at = $3 WHERE enterprise_id = $1 AND counted_at IS NOT DISTINCT FROM $2
RETURNING enterprise_id"""
_UNCOUNTED = "UPDATE quotas SET counted_at = NULL WHERE enterprise_id = $1"
_DUE = """
SELECT enterprise_id FROM quotas
WHERE (identifiers_max IS NOT NULL OR identifiers_per_day_max IS NOT NULL OR octets_max IS NOT NULL)
  AND (counted_at IS NULL OR counted_at < $1 OR (counted_at < updated_at + $2 AND updated_at + $2 < $3))
ORDER BY counted_at NULLS FIRST LIMIT $4"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an enterprise may; None: as much as it likes.

    Identifiers are counted while they are active, octets are those of their values as stored, a day is a calendar day
    in Beijing, and `job_rows_max` counts the rows of one job.
    """

    identifiers_max: int | None = None
    identifiers_per_day_max: int | None = None
    octets_max: int | None = None
    job_rows_max: int | None = None
    requests_per_s_max: int | None = None
    requests_burst_max: int | None = None

    @property
    def counted(self) -> bool:
        """Whether what the enterprise registers has to be counted."""
        return not (self.identifiers_max is self.identifiers_per_day_max is self.octets_max is None)


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of one enterprise. `counted_at`: when its use was last compared with the tables."""

    enterprise: str
    limits: Limits
    updated_at: datetime
    counted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Use:
    """What an enterprise has used of its limits."""

    identifiers: int
    identifiers_today: int
    octets: int


async def put(connection: Connection, enterprise: str, limits: Limits, now: datetime) -> Quota:
    """Set the limits of an enterprise, in place of others. A row without any stays: its use may be counted just now."""
    row = await connection.fetchrow(
        _PUT,
        enterprise,
        limits.identifiers_max,
        limits.identifiers_per_day_max,
        limits.octets_max,
        limits.job_rows_max,
        limits.requests_per_s_max,
        limits.requests_burst_max,
        now,
    )
    assert row is not None  # noqa: S101 - RETURNING gives a row or the statement has failed
    return _from_row(tuple(row.values()))


async def by_enterprise(connection: Connection, enterprise: str) -> Quota | None:
    """Return the limits of an enterprise; None if it has none."""
    row = await connection.fetchrow(_BY_ENTERPRISE, enterprise)
    return _from_row(tuple(row.values())) if row else None


async def all_limits(connection: Connection) -> dict[str, Limits]:
    """Return the limits of every enterprise that has some."""
    quotas = [_from_row(tuple(row.values())) for row in await connection.fetch(_ALL)]
    return {quota.enterprise: quota.limits for quota in quotas}


async def page(connection: Connection, after: str, limit: int, enterprise: str | None) -> list[Quota]:
    """Return the next quotas in the order of the enterprises' ids, of one enterprise or of all."""
    return [_from_row(tuple(row.values())) for row in await connection.fetch(_PAGE, after, enterprise, limit)]


async def take(connection: Connection, enterprise: str, identifiers: int, octets: int, today: date) -> str | None:
    """Add to the use; None, or the name of the limit that says no, or "again" for a transaction to be repeated."""
    found: str | None = await connection.fetchval(_TAKE, enterprise, identifiers, octets, today)
    return found


async def use(connection: Connection, enterprise: str, today: date) -> Use:
    """Return what is used. Zeros for an enterprise without limits: nothing is counted for it."""
    row = await connection.fetchrow(_USE, enterprise, today)
    assert row is not None  # noqa: S101 - a sum without GROUP BY has one row
    return Use(*row.values())


async def count(connection: Connection, enterprise: str, *, timeout_s: float) -> tuple[int, int]:
    """Count the active identifiers below an enterprise's prefixes, and the octets of their values."""
    row = await connection.fetchrow(_COUNT, enterprise, timeout=timeout_s)
    assert row is not None  # noqa: S101 - as above
    return row[0], row[1]


async def correct(
    connection: Connection, enterprise: str, identifiers: int, octets: int, *, seen: datetime | None, now: datetime
) -> bool:
    """Add what the counts were found to differ by from the tables; False if someone did since `seen`."""
    if await connection.fetchrow(_COUNTED, enterprise, seen, now) is None:
        return False
    if identifiers or octets:
        await connection.execute(_CORRECT, enterprise, identifiers, octets)
    return True


async def distrust(connection: Connection, enterprise: str) -> None:
    """Have the use of an enterprise counted again soon."""
    await connection.execute(_UNCOUNTED, enterprise)


async def due(
    connection: Connection, *, counted_before: datetime, settling: timedelta, now: datetime, limit: int
) -> list[str]:
    """Return enterprises whose use is to be counted again.

    Because it was not yet or not since `counted_before`, or because the last time was while the limits were
    `settling`: some writers did not know them yet.
    """
    rows = await connection.fetch(_DUE, counted_before, settling, now, limit)
    return [row[0] for row in rows]


def _from_row(row: tuple[Any, ...]) -> Quota:
    enterprise, *limits, updated_at, counted_at = row
    return Quota(enterprise, Limits(*limits), updated_at, counted_at)
