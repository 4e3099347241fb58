"""Events that an operator enters: something abnormal of the node or of an enterprise, and its end (contract 5.2)."""

from datetime import datetime, timedelta
from typing import Final

from registry import journal
from registry.database import Connection
from registry.errors import Conflict, NotFound, one_field
from registry.event_numbers import event_number
from registry.tables import node_events, prefix_allocation, prefixes
from registry.tables.node_events import Event

CONDITION: Final = "entered by the operator"
AHEAD_MAX: Final = timedelta(minutes=5)
"""What is to happen is no event yet."""


async def enter_abnormal(
    connection: Connection,
    now: datetime,
    *,
    prefix: str,
    abnormal_type: int,
    cause: str | None,
    occurred_at: datetime | None = None,
    condition: str = CONDITION,
) -> Event:
    """Enter that something is abnormal since `occurred_at` (without it: now).

    Raises `Conflict` while one of the same prefix and condition is open, `InvalidFields` for a prefix that is neither
    the node's own nor one of its enterprises, or a moment to come.
    """
    await _check_prefix(connection, prefix)
    at = _past(occurred_at or now, now)
    await journal.serialise(connection, "event", f"{prefix} {condition}")
    for event in await node_events.open_events(connection):
        if (event.prefix, event.condition) == (prefix, condition):
            raise Conflict(
                "event_open",
                f"the event {event.event_no} of this prefix and condition is open",
                remedy="enter that it recovered first, or give another condition",
            )
    event = Event(
        prefix=prefix,
        condition=condition,
        event_type="abnormal",
        event_no=event_number(prefix, at),
        occurred_at=at,
        cause=cause,
        abnormal_type=abnormal_type,
        source="operator",
    )
    await node_events.insert(connection, event, now)
    return event


async def enter_recovered(
    connection: Connection, now: datetime, event_no: str, occurred_at: datetime | None = None
) -> Event:
    """Enter that an event which an operator entered is over since `occurred_at` (without it: now).

    Raises `NotFound`, `Conflict` if it is recovered or the self-check watches it, `InvalidFields` for a moment that is
    to come or lies before the event.
    """
    await journal.serialise(connection, "event", event_no)
    abnormal = await node_events.by_number(connection, event_no)
    if abnormal is None or abnormal.event_type != "abnormal":
        raise NotFound(
            "unknown_event", f"there is no abnormal event {event_no[:64]}", remedy="GET /monitor/v1/events lists them"
        )
    if abnormal.source != "operator":
        raise Conflict(
            "event_watched", "the self-check found this event and tells its end itself", remedy="there is no need"
        )
    at = _past(occurred_at or now, now)
    if at < abnormal.occurred_at:
        raise one_field("bad_event", "occurred_at", f"lies before the event, which began at {abnormal.occurred_at}")
    event = Event(
        prefix=abnormal.prefix,
        condition=abnormal.condition,
        event_type="recovered",
        event_no=event_number(abnormal.prefix, at),
        occurred_at=at,
        related_event_no=event_no,
        source="operator",
    )
    if not await node_events.insert(connection, event, now):
        raise Conflict("event_recovered", f"the event {event_no} is recovered already", remedy="there is no need")
    return event


def _past(at: datetime, now: datetime) -> datetime:
    if at > now + AHEAD_MAX:
        raise one_field("bad_event", "occurred_at", "lies in the future")
    return at.replace(microsecond=0)


async def _check_prefix(connection: Connection, prefix: str) -> None:
    allocation = await prefix_allocation.find(connection)
    if allocation is not None and allocation.node_prefix == prefix:
        return
    if await prefixes.by_prefix(connection, prefix) is None:
        raise one_field("bad_event", "prefix", f"{prefix[:64]} is neither the node's own nor registered here")
