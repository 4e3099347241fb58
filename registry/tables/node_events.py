"""The tables of events, of stretches without service, and of when the node went live."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from registry.database import Connection

EventType = Literal["abnormal", "recovered"]
Source = Literal["monitor", "operator", "enterprise"]
Service = Literal["registration", "resolution", "unmeasured"]

_COLUMNS: Final = "prefix, condition, event_type, event_no, occurred_at, related_event_no, cause, abnormal_type, source"
_INSERT: Final = f"""
INSERT INTO node_events ({_COLUMNS}, recorded_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING RETURNING true"""  # noqa: S608 - the column list above
_INSERT_TOLD: Final = f"""
INSERT INTO node_events ({_COLUMNS}, recorded_at, queued_at)
SELECT $1, $2, $3, $4, $5, $6::text, $7, $8, $9, $10, $10
WHERE $6::text IS NULL OR EXISTS (SELECT FROM node_events WHERE event_no = $6)
ON CONFLICT DO NOTHING"""  # noqa: S608 - the column list above
_OPEN: Final = f"""
SELECT {_COLUMNS} FROM node_events AS e
WHERE event_type = 'abnormal' AND ($1::text IS NULL OR source = $1)
  AND NOT EXISTS (SELECT FROM node_events AS r WHERE r.related_event_no = e.event_no)
ORDER BY position LIMIT 10000"""  # noqa: S608 - the column list above
_BY_NUMBER: Final = f"SELECT {_COLUMNS} FROM node_events WHERE event_no = $1"  # noqa: S608 - the column list above
_PAGE: Final = f"""
SELECT position, recorded_at, queued_at, {_COLUMNS} FROM node_events
WHERE position > $1 ORDER BY position LIMIT $2"""  # noqa: S608 - the column list above
_NEWEST: Final = f"""
SELECT position, recorded_at, queued_at, {_COLUMNS} FROM node_events
ORDER BY position DESC LIMIT $1"""  # noqa: S608 - the column list above
_UNQUEUED: Final = f"""
SELECT position, recorded_at, queued_at, {_COLUMNS} FROM node_events
WHERE queued_at IS NULL ORDER BY position LIMIT $1 FOR UPDATE"""  # noqa: S608 - the column list above
_QUEUED: Final = "UPDATE node_events SET queued_at = $2 WHERE event_no = ANY($1::text[])"
_OUTAGE: Final = """
INSERT INTO outages (outage_id, service, started_at, ended_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (outage_id) DO UPDATE SET ended_at = excluded.ended_at"""
_OUTAGES: Final = """
SELECT outage_id, service, started_at, ended_at FROM outages
WHERE started_at < $2 AND (ended_at IS NULL OR ended_at > $1) ORDER BY started_at, outage_id"""
_GO_LIVE: Final = "INSERT INTO service_life (live_since) VALUES ($1) ON CONFLICT DO NOTHING"
_LIVE_SINCE: Final = "SELECT live_since FROM service_life"


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event of a prefix. `condition` says what is told apart, such as `database`; instants are aware."""

    prefix: str
    condition: str
    event_type: EventType
    event_no: str
    occurred_at: datetime
    related_event_no: str | None = None
    cause: str | None = None
    abnormal_type: int | None = None
    source: Source = "monitor"


class Outage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stretch in which the probes of a service failed, or nothing was probed. Without an end it lasts."""

    outage_id: str
    service: Service
    started_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as it stands in the table; `position` orders them."""

    position: int
    recorded_at: datetime
    queued_at: datetime | None
    event: Event


async def insert(connection: Connection, event: Event, now: datetime) -> bool:
    """Enter an event; False if it is there already, or its abnormal event is recovered already."""
    return bool(await connection.fetchval(_INSERT, *msgspec.structs.astuple(event), now))


async def insert_told(connection: Connection, event: Event, now: datetime) -> None:
    """Enter an event that goes to the national node another way, unless it ends one that is not known here."""
    await connection.execute(_INSERT_TOLD, *msgspec.structs.astuple(event), now)


async def open_events(connection: Connection, source: Source | None = None) -> list[Event]:
    """Return abnormal events that are not recovered, of one source or of all; the oldest first."""
    return [Event(**row) for row in await connection.fetch(_OPEN, source)]


async def by_number(connection: Connection, event_no: str) -> Event | None:
    """Return the event with this number."""
    row = await connection.fetchrow(_BY_NUMBER, event_no)
    return None if row is None else Event(**row)


async def page(connection: Connection, after: int, limit: int) -> list[Recorded]:
    """Return the next events behind a position."""
    return _recorded(await connection.fetch(_PAGE, after, limit))


async def newest(connection: Connection, limit: int) -> list[Recorded]:
    """Return the newest events, the newest first."""
    return _recorded(await connection.fetch(_NEWEST, limit))


async def lock_unqueued(connection: Connection, limit: int) -> list[Recorded]:
    """Return events that are not queued yet, in their order, locked until the transaction ends."""
    return _recorded(await connection.fetch(_UNQUEUED, limit))


async def mark_queued(connection: Connection, numbers: Sequence[str], now: datetime) -> None:
    """Note that events are queued."""
    await connection.execute(_QUEUED, list(numbers), now)


async def put_outage(connection: Connection, outage: Outage) -> None:
    """Enter a stretch without service, or its end."""
    await connection.execute(_OUTAGE, *msgspec.structs.astuple(outage))


async def outages(connection: Connection, start: datetime, end: datetime) -> list[Outage]:
    """Return what touches the time between two instants."""
    return [Outage(**row) for row in await connection.fetch(_OUTAGES, start, end)]


async def go_live(connection: Connection, at: datetime) -> None:
    """Note that the node is live since this moment, unless it is known to be."""
    await connection.execute(_GO_LIVE, at)


async def live_since(connection: Connection) -> datetime | None:
    """Return since when the node is live; None before its probes were answered for the first time."""
    found: datetime | None = await connection.fetchval(_LIVE_SINCE)
    return found


def _recorded(rows: Sequence[Any]) -> list[Recorded]:
    return [
        Recorded(position, recorded_at, queued_at, Event(*rest))
        for position, recorded_at, queued_at, *rest in map(tuple, rows)
    ]
