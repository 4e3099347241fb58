"""The figures of a day or of several, as the national reports need them: read from what the collector has added up.

Days are calendar days in Beijing; both ends of a range belong to it. Durations are in microseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import asyncpg

from registry.database import Connection
from registry.measured_time import Stretch, measured_seconds
from registry.statistics import BEIJING

P99: Final = 0.99
BUCKETS_PER_OCTAVE: Final = 8

# A peer on a socket for both families has its IPv4 address written as IPv6; a zone is nobody else's business.
_ADDRESS: Final = (
    "CASE WHEN address LIKE '::ffff:%.%' THEN substr(address, 8) ELSE split_part(address, '%', 1) END COLLATE \"C\""
)
_BELOW: Final = "(prefix = $2 OR starts_with(prefix, $2 || '.'))"
# One statement, so that the sums are those of the sources, whatever is counted meanwhile.
_SOURCES = """
SELECT address, requests AS count, (sum(requests) OVER ())::bigint AS requests,
       (sum(successes) OVER ())::bigint AS successes, count(*) OVER () AS sources,
       max(length(address)) OVER () AS longest_address
FROM (
    SELECT {address} AS address, sum(count)::bigint AS requests,
           coalesce(sum(count) FILTER (WHERE outcome IN ('found', 'referral')), 0)::bigint AS successes
    FROM lookup_counts WHERE day = $1 AND {below} GROUP BY 1
) AS by_address
ORDER BY address"""
_LATENCY = """
SELECT sum(count)::bigint AS count, sum(sum_us)::bigint AS sum_us,
       min(min_us) AS min_us, (array_agg(min_at ORDER BY min_us, min_at))[1] AS min_at,
       max(max_us) AS max_us, (array_agg(max_at ORDER BY max_us DESC, max_at))[1] AS max_at, {items} AS items
FROM {table} WHERE day BETWEEN $1 AND $3 AND {whose} HAVING count(*) > 0"""
_PEAK = """
SELECT count, second FROM (
    SELECT peak_qps AS count, peak_at AS second FROM {peaks} WHERE day = $1 AND {of} = $2
    UNION ALL
    SELECT count, second FROM {seconds} WHERE {of} = $2 AND second >= $3 AND second < $4
) AS busy ORDER BY count DESC, second LIMIT 1"""
_REGISTERED = """
SELECT wanted.prefix, coalesce(c.added, 0) AS added,
       coalesce(t.total, 0) - coalesce((
           SELECT sum(later.added - later.withdrawn) FROM registration_counts AS later
           WHERE later.prefix = wanted.prefix AND later.day > $1), 0)::bigint AS total
FROM unnest($2::text[]) AS wanted (prefix)
LEFT JOIN registration_totals AS t USING (prefix)
LEFT JOIN registration_counts AS c ON c.prefix = wanted.prefix AND c.day = $1"""
_PREFIXES = """
SELECT count(*) FILTER (WHERE since_day = $1) AS added,
       count(*) FILTER (WHERE until_day IS NULL OR until_day > $1) AS total
FROM prefix_days WHERE since_day <= $1 AND starts_with(prefix, $2 || '.')"""
_IN_FORCE = """
SELECT p.prefix, p.hosting, p.enterprise_id FROM prefixes AS p
WHERE starts_with(p.prefix, $2 || '.') AND p.prefix > $3 AND EXISTS (
    SELECT FROM prefix_days AS d
    WHERE d.prefix = p.prefix AND d.since_day <= $1 AND (d.until_day IS NULL OR d.until_day >= $1))
ORDER BY p.prefix LIMIT $4"""
_WAS_HOSTED = """
SELECT EXISTS (
    SELECT FROM prefixes AS p JOIN prefix_days AS d USING (prefix)
    WHERE prefix = $2 AND p.hosting = 'here' AND d.since_day <= $1 AND (d.until_day IS NULL OR d.until_day >= $1))"""
_SEGMENTS = """
SELECT process, begins_at, ends_at FROM lookup_segments
WHERE stored_at >= $1 AND ends_at > $1 AND begins_at < $2 ORDER BY process, begins_at, ends_at"""
_MEASURES_REGISTRATION = "SELECT EXISTS (SELECT FROM lookup_segments WHERE process = 'registry')"
_EFFECTIVE = """
SELECT coalesce(sum(count), 0)::bigint AS count, coalesce(sum(sum_us), 0)::bigint AS sum_us
FROM registration_effective WHERE day BETWEEN $1 AND $2"""
_EFFECTIVE_BUCKETS = """
SELECT bucket, sum(count)::bigint AS count FROM registration_effective_buckets
WHERE day BETWEEN $1 AND $2 GROUP BY bucket ORDER BY bucket"""
_DRAINED = "SELECT drained_at FROM spool_drained"


@dataclass(frozen=True, slots=True)
class Requests:
    """How many lookups were asked for, how many were answered with content, and from how many addresses.

    `longest_address` is the most characters an address has.
    """

    requests: int
    successes: int
    sources: int
    longest_address: int


NO_REQUESTS: Final = Requests(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Measured:
    """Durations in microseconds; each extreme with the first second in which it was reached."""

    count: int
    sum_us: int
    min_us: int
    min_at: datetime
    max_us: int
    max_at: datetime
    items: int = 0


@dataclass(frozen=True, slots=True)
class Peak:
    """The most lookups in a UTC second, and the first second that had so many."""

    count: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Registered:
    """How many were added in a day, and how many there were at its end."""

    added: int
    total: int


@dataclass(frozen=True, slots=True)
class PrefixInForce:
    """A prefix that was in force on a day; `is_hosted` as it is now."""

    prefix: str
    is_hosted: bool
    enterprise: str


@dataclass(frozen=True, slots=True)
class Effective:
    """How soon registrations could be looked up; `p99_us` is the 99th percentile, to within 9 %."""

    count: int
    sum_us: int
    p99_us: int


def bounds(day: date) -> tuple[datetime, datetime]:
    """Return the instants at which a Beijing day begins and ends."""
    start = datetime.combine(day, time(), UTC) - BEIJING
    return start, start + timedelta(days=1)


async def collected_until(connection: Connection) -> datetime | None:
    """Return the instant up to which everything counted and written is in the tables; None before the first time."""
    drained: datetime | None = await connection.fetchval(_DRAINED)
    return drained


class Sources:
    """The addresses that asked for names of a prefix on a day, in their order, and their sums."""

    def __init__(self, cursor: Any, first: list[asyncpg.Record]) -> None:
        self._cursor = cursor
        self._held = first
        sums = first[0] if first else None
        self.sums = NO_REQUESTS if sums is None else Requests(*list(sums.values())[2:])

    async def take(self, count: int) -> list[tuple[str, int]]:
        """Return the next addresses with their counts, `count` of them unless there are fewer left."""
        if len(self._held) < count:
            self._held += await self._cursor.fetch(count)
        taken, self._held = self._held[:count], self._held[count:]
        return [(row["address"], row["count"]) for row in taken]


async def sources(connection: Connection, day: date, prefix: str, *, below: bool) -> Sources:
    """Find who asked for names of a prefix, with `below` of every prefix below it too. Within a transaction."""
    cursor = await connection.cursor(_SOURCES.format(address=_ADDRESS, below=_whose(below=below)), day, prefix)
    return Sources(cursor, await cursor.fetch(1))


async def lookup_latency(
    connection: Connection, first: date, last: date, prefix: str, *, below: bool
) -> Measured | None:
    """Return how long lookups took; None where there were none."""
    query = _LATENCY.format(items="0", table="lookup_latency", whose=_whose(below=below))
    return _measured(await connection.fetchrow(query, first, prefix, last))


async def registration_latency(
    connection: Connection, first: date, last: date, prefix: str, *, below: bool
) -> Measured | None:
    """Return how long requests took that registered; None where there were none."""
    whose = "prefix = $2 AND is_node" if below else "prefix = $2 AND NOT is_node"
    query = _LATENCY.format(items="sum(items)::bigint", table="registration_latency", whose=whose)
    return _measured(await connection.fetchrow(query, first, _node_of(prefix) if below else prefix, last))


async def busiest_second(connection: Connection, day: date, prefix: str, *, below: bool) -> Peak | None:
    """Return the busiest second of a prefix, with `below` that of everything below it; None without lookups."""
    names = (
        {"peaks": "lookup_node_peaks", "seconds": "lookup_node_seconds", "of": "node"}
        if below
        else {"peaks": "lookup_peaks", "seconds": "lookup_seconds", "of": "prefix"}
    )
    row = await connection.fetchrow(_PEAK.format(**names), day, _node_of(prefix) if below else prefix, *bounds(day))
    return None if row is None else Peak(row["count"], row["second"])


async def registered(connection: Connection, day: date, prefixes: Sequence[str]) -> dict[str, Registered]:
    """Return the identifiers added below prefixes, and how many they had when the day ended."""
    rows = await connection.fetch(_REGISTERED, day, list(prefixes))
    return {row["prefix"]: Registered(row["added"], row["total"]) for row in rows}


async def prefixes_registered(connection: Connection, day: date, below: str) -> Registered:
    """Return the prefixes below a secondary prefix that came into force, and how many were when the day ended."""
    row = await connection.fetchrow(_PREFIXES, day, below)
    assert row is not None  # noqa: S101 - a query of aggregates gives one row
    return Registered(row["added"], row["total"])


async def prefixes_in_force(
    connection: Connection, day: date, below: str, after: str, limit: int
) -> list[PrefixInForce]:
    """Return the next prefixes behind `after` that were in force on some part of a day."""
    rows = await connection.fetch(_IN_FORCE, day, below, after, limit)
    return [PrefixInForce(row["prefix"], row["hosting"] == "here", row["enterprise_id"]) for row in rows]


async def was_hosted(connection: Connection, day: date, prefix: str) -> bool:
    """Whether a prefix was in force on some part of a day and is hosted here."""
    return bool(await connection.fetchval(_WAS_HOSTED, day, prefix))


async def seconds_measured(connection: Connection, day: date) -> int:
    """Return how many seconds of a day were measured, of lookups and of registrations both; at most 86,400."""
    start, end = bounds(day)
    rows = await connection.fetch(_SEGMENTS, start - timedelta(hours=1), end)
    kinds = {"worker"} | ({"registry"} if await connection.fetchval(_MEASURES_REGISTRATION) else set())
    return measured_seconds([Stretch(*row.values()) for row in rows], kinds, start, end)


async def effective(connection: Connection, first: date, last: date) -> Effective:
    """Return how soon the registrations of some days could be looked up."""
    row = await connection.fetchrow(_EFFECTIVE, first, last)
    assert row is not None  # noqa: S101 - a query of aggregates gives one row
    below, p99_us = 0, 0
    for bucket in await connection.fetch(_EFFECTIVE_BUCKETS, first, last):
        below += bucket["count"]
        p99_us = round(2 ** ((bucket["bucket"] + 1) / BUCKETS_PER_OCTAVE))
        if below >= P99 * row["count"]:
            break
    return Effective(row["count"], row["sum_us"], p99_us)


def _whose(*, below: bool) -> str:
    return _BELOW if below else "prefix = $2"


def _node_of(prefix: str) -> str:
    """Return the secondary prefix under which figures of a whole node are kept."""
    return ".".join(prefix.split(".")[:2])


def _measured(row: asyncpg.Record | None) -> Measured | None:
    return None if row is None else Measured(**row)
