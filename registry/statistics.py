"""Lookup statistics: segments counted by the resolver's workers, added up in tables as the national reports need them.

A segment is stored in one transaction under its own id, so collecting a file twice counts once. Look-ups per second
wait in `lookup_seconds` until nobody has added to a second for two minutes, and are then folded into the day's peak:
workers, and hosts that were cut off for a while, tell of the same second at different times.

A day is a calendar day in Beijing. A segment counts for the day in which it begins: workers write one every ten
seconds, and begin a new one at midnight.
"""

from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from registry.database import Connection

FOLD_AFTER: Final = timedelta(minutes=2)
SEGMENTS_REMEMBERED: Final = timedelta(days=60)
"""For so long a segment that turns up again is recognised."""
BEIJING: Final = timedelta(hours=8)

_PREFIXES_MAX = 100_000
_ROWS_MAX = 1_000_000
_Count = Annotated[int, Meta(ge=1, le=2**53)]
_Figure = Annotated[int, Meta(ge=0, le=2**53)]
_EpochS = Annotated[int, Meta(ge=0, le=2**33)]
_Label = Annotated[str, Meta(max_length=64)]
Outcome = Literal["found", "referral", "absent", "gone", "denied", "malformed"]


class Latency(msgspec.Struct, frozen=True):
    """Durations in microseconds; the instants are the first at which the extremes were reached, in epoch seconds."""

    count: _Figure
    sum_us: _Figure
    min_us: _Figure
    min_at: _EpochS
    max_us: Annotated[int, Meta(ge=-1, le=2**53)]
    max_at: _EpochS


class PrefixSegment(msgspec.Struct, frozen=True):
    """What was counted for one prefix; "" stands for names of no prefix served here."""

    prefix: _Label
    latency: Latency
    sources: Annotated[list[tuple[_Label, Outcome, _Count]], Meta(max_length=_ROWS_MAX)] = []
    seconds: Annotated[list[tuple[_EpochS, _Count]], Meta(max_length=_ROWS_MAX)] = []
    faces: dict[_Label, _Count] = {}


class Segment(msgspec.Struct, frozen=True):
    """What one process counted between two instants."""

    v: Literal[1]
    id: UUID
    process: _Label
    begin: _EpochS = msgspec.field(name="from")
    end: _EpochS = msgspec.field(name="to")
    prefixes: Annotated[list[PrefixSegment], Meta(max_length=_PREFIXES_MAX)] = []


class SegmentError(ValueError):
    """A segment that is not of the agreed shape; collecting it again would not help."""


_REMEMBER = """
INSERT INTO lookup_segments (id, process, stored_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING RETURNING id"""
_ADD_COUNTS = """
INSERT INTO lookup_counts AS kept (day, prefix, address, outcome, count)
SELECT $1, prefix, address, outcome, sum(count)
FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) AS new (prefix, address, outcome, count)
GROUP BY prefix, address, outcome ORDER BY prefix, address, outcome
ON CONFLICT (day, prefix, address, outcome) DO UPDATE SET count = kept.count + excluded.count"""
_ADD_FACES = """
INSERT INTO lookup_faces AS kept (day, prefix, face, count)
SELECT $1, prefix, face, sum(count)
FROM unnest($2::text[], $3::text[], $4::bigint[]) AS new (prefix, face, count)
GROUP BY prefix, face ORDER BY prefix, face
ON CONFLICT (day, prefix, face) DO UPDATE SET count = kept.count + excluded.count"""
_ADD_LATENCY = """
INSERT INTO lookup_latency AS kept (day, prefix, count, sum_us, min_us, min_at, max_us, max_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (day, prefix) DO UPDATE SET
    count = kept.count + excluded.count,
    sum_us = kept.sum_us + excluded.sum_us,
    min_at = CASE WHEN (excluded.min_us, excluded.min_at) < (kept.min_us, kept.min_at)
                  THEN excluded.min_at ELSE kept.min_at END,
    min_us = least(kept.min_us, excluded.min_us),
    max_at = CASE WHEN (-excluded.max_us, excluded.max_at) < (-kept.max_us, kept.max_at)
                  THEN excluded.max_at ELSE kept.max_at END,
    max_us = greatest(kept.max_us, excluded.max_us)"""
_ADD_SECONDS = """
INSERT INTO lookup_seconds AS kept (prefix, second, count, added_at)
SELECT prefix, second, sum(count), $1
FROM unnest($2::text[], $3::timestamptz[], $4::bigint[]) AS new (prefix, second, count)
GROUP BY prefix, second ORDER BY prefix, second
ON CONFLICT (prefix, second) DO UPDATE SET count = kept.count + excluded.count, added_at = excluded.added_at"""
_FOLD = """
WITH quiet AS (
    DELETE FROM lookup_seconds WHERE added_at <= $1 RETURNING prefix, second, count
), peaks AS (
    SELECT DISTINCT ON (day, prefix)
           (second AT TIME ZONE 'UTC' + interval '8 hours')::date AS day, prefix, count, second
    FROM quiet
    ORDER BY day, prefix, count DESC, second
)
INSERT INTO lookup_peaks AS kept (day, prefix, peak_qps, peak_at)
SELECT day, prefix, count, second FROM peaks
ON CONFLICT (day, prefix) DO UPDATE SET peak_qps = excluded.peak_qps, peak_at = excluded.peak_at
WHERE (-excluded.peak_qps, excluded.peak_at) < (-kept.peak_qps, kept.peak_at)"""
_FORGET = "DELETE FROM lookup_segments WHERE stored_at < $1"


async def store_segment(connection: Connection, segment: dict[str, Any], *, now: datetime | None = None) -> bool:
    """Add a segment to the tables, in one transaction; False if it was added before.

    Raises `SegmentError` for one that is not of the agreed shape, before anything is stored.
    """
    checked = read_segment(segment)
    stored_at = now or datetime.now(UTC)
    async with connection.transaction():
        if await connection.fetchval(_REMEMBER, checked.id, checked.process, stored_at) is None:
            return False
        day = beijing_day(checked.begin)
        await _add_counts(connection, day, checked.prefixes)
        await _add_latency(connection, day, checked.prefixes)
        await _add_seconds(connection, stored_at, checked.prefixes)
        return True


async def fold_seconds(connection: Connection, now: datetime) -> None:
    """Fold the seconds nobody has added to for a while into the days' peaks; of equal seconds the first counts."""
    await connection.execute(_FOLD, now - FOLD_AFTER)


async def forget_segments(connection: Connection, now: datetime) -> None:
    """Forget the ids of segments that cannot turn up again."""
    await connection.execute(_FORGET, now - SEGMENTS_REMEMBERED)


def read_segment(segment: dict[str, Any]) -> Segment:
    """Check a segment's shape. Raises `SegmentError` that says where it is wrong."""
    try:
        checked = msgspec.convert(segment, Segment)
        for prefix in checked.prefixes:
            for address, _, _ in prefix.sources:
                ip_address(address)
    except ValueError as error:
        raise SegmentError(f"this is no segment of lookup statistics: {error}") from error
    return checked


def beijing_day(epoch_s: int) -> date:
    """Return the calendar day in Beijing of an instant; China has no summer time."""
    return (datetime.fromtimestamp(epoch_s, UTC) + BEIJING).date()


async def _add_counts(connection: Connection, day: date, prefixes: list[PrefixSegment]) -> None:
    sources = [(found.prefix, *source) for found in prefixes for source in found.sources]
    if sources:
        await connection.execute(_ADD_COUNTS, day, *map(list, zip(*sources, strict=True)))
    faces = [(found.prefix, *face) for found in prefixes for face in found.faces.items()]
    if faces:
        await connection.execute(_ADD_FACES, day, *map(list, zip(*faces, strict=True)))


async def _add_latency(connection: Connection, day: date, prefixes: list[PrefixSegment]) -> None:
    rows = [
        (
            day,
            found.prefix,
            found.latency.count,
            found.latency.sum_us,
            found.latency.min_us,
            _instant(found.latency.min_at),
            found.latency.max_us,
            _instant(found.latency.max_at),
        )
        for found in sorted(prefixes, key=lambda found: found.prefix)
        if found.latency.count
    ]
    await connection.executemany(_ADD_LATENCY, rows)


async def _add_seconds(connection: Connection, now: datetime, prefixes: list[PrefixSegment]) -> None:
    seconds = [(found.prefix, _instant(at), count) for found in prefixes for at, count in found.seconds]
    if seconds:
        await connection.execute(_ADD_SECONDS, now, *map(list, zip(*seconds, strict=True)))


def _instant(epoch_s: int) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)
