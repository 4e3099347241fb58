"""Statistics: segments counted by the node's processes, added up in tables as the national reports need them.

A segment is stored in one transaction under its own id, so collecting a file twice counts once. Look-ups per second
wait in `lookup_seconds` until `registry.busiest_seconds` folds them into the day's peak.

A day is a calendar day in Beijing. Each entry of a segment tells of one day, and says of which.
"""

from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from registry.database import Connection
from registry.tables import late_days

LATE_AFTER: Final = timedelta(minutes=2)
"""A process writes its counts at least once a minute; what is collected so long after the end of its day is late."""
LATE_DAYS_MAX: Final = 62
"""Of older days nothing is told again by itself."""
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
    """What was counted for one prefix; "" stands for names of no prefix served here.

    `day_at` is the first second of the day it tells of; 0 in segments of earlier releases: the day they begin in.
    """

    prefix: _Label
    latency: Latency
    sources: Annotated[list[tuple[_Label, Outcome, _Count]], Meta(max_length=_ROWS_MAX)] = []
    seconds: Annotated[list[tuple[_EpochS, _Count]], Meta(max_length=_ROWS_MAX)] = []
    faces: dict[_Label, _Count] = {}
    day_at: _EpochS = 0


class RegistrationSegment(msgspec.Struct, frozen=True):
    """Requests that registered `items` identifiers below one prefix, or anywhere below a secondary one (`is_node`)."""

    prefix: _Label
    is_node: bool
    day_at: _EpochS
    items: _Figure
    latency: Latency


class EffectiveSegment(msgspec.Struct, frozen=True):
    """How soon registrations of a day could be looked up, in microseconds; bucket n begins at 2^(n/8)."""

    day_at: _EpochS
    count: _Count
    sum_us: _Figure
    max_us: _Figure
    buckets: Annotated[list[tuple[Annotated[int, Meta(ge=0, le=512)], _Count]], Meta(max_length=513)] = []


class Segment(msgspec.Struct, frozen=True):
    """What one process counted between two instants."""

    v: Literal[1]
    id: UUID
    process: _Label
    begin: _EpochS = msgspec.field(name="from")
    end: _EpochS = msgspec.field(name="to")
    prefixes: Annotated[list[PrefixSegment], Meta(max_length=_PREFIXES_MAX)] = []
    registrations: Annotated[list[RegistrationSegment], Meta(max_length=_PREFIXES_MAX)] = []
    effective: Annotated[list[EffectiveSegment], Meta(max_length=100)] = []


class SegmentError(ValueError):
    """A segment that is not of the agreed shape; collecting it again would not help."""


_REMEMBER = """
INSERT INTO lookup_segments (id, process, stored_at, begins_at, ends_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO NOTHING RETURNING id"""
_ADD_COUNTS = """
INSERT INTO lookup_counts AS kept (day, prefix, address, outcome, count)
SELECT day, prefix, address, outcome, sum(count)
FROM unnest($1::date[], $2::text[], $3::text[], $4::text[], $5::bigint[]) AS new (day, prefix, address, outcome, count)
GROUP BY day, prefix, address, outcome ORDER BY day, prefix, address, outcome
ON CONFLICT (day, prefix, address, outcome) DO UPDATE SET count = kept.count + excluded.count"""
_ADD_FACES = """
INSERT INTO lookup_faces AS kept (day, prefix, face, count)
SELECT day, prefix, face, sum(count)
FROM unnest($1::date[], $2::text[], $3::text[], $4::bigint[]) AS new (day, prefix, face, count)
GROUP BY day, prefix, face ORDER BY day, prefix, face
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
_ADD_NODE_SECONDS = """
INSERT INTO lookup_node_seconds AS kept (node, second, count, added_at)
SELECT split_part(prefix, '.', 1) || '.' || split_part(prefix, '.', 2) AS node, second, sum(count), $1
FROM unnest($2::text[], $3::timestamptz[], $4::bigint[]) AS new (prefix, second, count)
WHERE prefix <> ''
GROUP BY node, second ORDER BY node, second
ON CONFLICT (node, second) DO UPDATE SET count = kept.count + excluded.count, added_at = excluded.added_at"""
_ADD_REGISTRATIONS = """
INSERT INTO registration_latency AS kept
    (day, prefix, is_node, items, count, sum_us, min_us, min_at, max_us, max_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (day, prefix, is_node) DO UPDATE SET
    items = kept.items + excluded.items,
    count = kept.count + excluded.count,
    sum_us = kept.sum_us + excluded.sum_us,
    min_at = CASE WHEN (excluded.min_us, excluded.min_at) < (kept.min_us, kept.min_at)
                  THEN excluded.min_at ELSE kept.min_at END,
    min_us = least(kept.min_us, excluded.min_us),
    max_at = CASE WHEN (-excluded.max_us, excluded.max_at) < (-kept.max_us, kept.max_at)
                  THEN excluded.max_at ELSE kept.max_at END,
    max_us = greatest(kept.max_us, excluded.max_us)"""
_ADD_EFFECTIVE = """
INSERT INTO registration_effective AS kept (day, count, sum_us, max_us) VALUES ($1, $2, $3, $4)
ON CONFLICT (day) DO UPDATE SET
    count = kept.count + excluded.count,
    sum_us = kept.sum_us + excluded.sum_us,
    max_us = greatest(kept.max_us, excluded.max_us)"""
_ADD_EFFECTIVE_BUCKETS = """
INSERT INTO registration_effective_buckets AS kept (day, bucket, count) VALUES ($1, $2, $3)
ON CONFLICT (day, bucket) DO UPDATE SET count = kept.count + excluded.count"""
_DRAINED = """
INSERT INTO spool_drained AS kept (drained_at) VALUES ($1)
ON CONFLICT (only_row) DO UPDATE SET drained_at = greatest(kept.drained_at, excluded.drained_at)"""
_FORGET = "DELETE FROM lookup_segments WHERE stored_at < $1"


async def store_segment(connection: Connection, segment: dict[str, Any], *, now: datetime | None = None) -> bool:
    """Add a segment to the tables, in one transaction; False if it was added before.

    Raises `SegmentError` for one that is not of the agreed shape, before anything is stored.
    """
    checked = read_segment(segment)
    stored_at = now or datetime.now(UTC)
    async with connection.transaction():
        stretch = _instant(checked.begin), _instant(checked.end)
        if await connection.fetchval(_REMEMBER, checked.id, checked.process, stored_at, *stretch) is None:
            return False
        by_day = sorted(((beijing_day(found.day_at or checked.begin), found) for found in checked.prefixes), key=_place)
        await _add_counts(connection, by_day)
        await _add_latency(connection, by_day)
        await _add_seconds(connection, stored_at, checked.prefixes)
        await _add_registrations(connection, checked)
        late = _late_days(checked, [day for day, _ in by_day], stored_at)
        if late:
            await late_days.note(connection, late, stored_at)
        return True


async def note_drained(connection: Connection, at: datetime) -> None:
    """Note that every segment written before this instant is in the tables."""
    await connection.execute(_DRAINED, at)


async def forget_segments(connection: Connection, now: datetime) -> None:
    """Forget the ids of segments that cannot turn up again, and which days were late that nobody tells any more."""
    await connection.execute(_FORGET, now - SEGMENTS_REMEMBERED)
    await late_days.forget(connection, (now - timedelta(days=LATE_DAYS_MAX)).date())


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


def _late_days(segment: Segment, counted: list[date], stored_at: datetime) -> list[date]:
    """Return the days that a segment tells of, be it only that they were measured, and that should be told by now."""
    last = beijing_day(int((stored_at - LATE_AFTER).timestamp())) - timedelta(days=1)
    first = last - timedelta(days=LATE_DAYS_MAX)
    days = {*counted, *(beijing_day(one.day_at) for one in segment.registrations)}
    day, until = max(beijing_day(segment.begin), first), min(beijing_day(max(segment.begin, segment.end - 1)), last)
    while day <= until:
        days.add(day)
        day += timedelta(days=1)
    return sorted(day for day in days if first <= day <= last)


_OfDay = tuple[date, PrefixSegment]


def _place(entry: _OfDay) -> tuple[date, str]:
    """Order entries, so that two who store segments at once never wait for each other."""
    return entry[0], entry[1].prefix


async def _add_counts(connection: Connection, entries: list[_OfDay]) -> None:
    sources = [(day, found.prefix, *source) for day, found in entries for source in found.sources]
    if sources:
        await connection.execute(_ADD_COUNTS, *map(list, zip(*sources, strict=True)))
    faces = [(day, found.prefix, *face) for day, found in entries for face in found.faces.items()]
    if faces:
        await connection.execute(_ADD_FACES, *map(list, zip(*faces, strict=True)))


async def _add_latency(connection: Connection, entries: list[_OfDay]) -> None:
    rows = [(day, found.prefix, *_figures(found.latency)) for day, found in entries if found.latency.count]
    await connection.executemany(_ADD_LATENCY, rows)


async def _add_registrations(connection: Connection, segment: Segment) -> None:
    """Add what was measured of registrations; most segments tell of lookups only."""
    if segment.registrations:
        rows = [
            (beijing_day(one.day_at), one.prefix, one.is_node, one.items, *_figures(one.latency))
            for one in segment.registrations
            if one.latency.count
        ]
        await connection.executemany(_ADD_REGISTRATIONS, sorted(rows))
    for one in segment.effective:
        day = beijing_day(one.day_at)
        await connection.execute(_ADD_EFFECTIVE, day, one.count, one.sum_us, one.max_us)
        await connection.executemany(_ADD_EFFECTIVE_BUCKETS, [(day, *bucket) for bucket in sorted(one.buckets)])


def _figures(latency: Latency) -> tuple[int | datetime, ...]:
    min_at, max_at = _instant(latency.min_at), _instant(latency.max_at)
    return latency.count, latency.sum_us, latency.min_us, min_at, latency.max_us, max_at


async def _add_seconds(connection: Connection, now: datetime, prefixes: list[PrefixSegment]) -> None:
    seconds = [(found.prefix, _instant(at), count) for found in prefixes for at, count in found.seconds]
    if seconds:
        columns = list(map(list, zip(*seconds, strict=True)))
        await connection.execute(_ADD_SECONDS, now, *columns)
        await connection.execute(_ADD_NODE_SECONDS, now, *columns)


def _instant(epoch_s: int) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)
