"""Handlers: what the self-check found and the operator entered, and a day's performance."""

from datetime import date
from typing import Any

from registry import performance
from registry.api.call import Answer, Call, answer, outcome, read_instant
from registry.api.event_shapes import (
    EventAnswer,
    EventEntered,
    EventList,
    EventRequest,
    PerformanceAnswer,
    RecoveryRequest,
)
from registry.api.paging import read_limit
from registry.database import Connection
from registry.errors import InvalidRequest, NotFound, one_field
from registry.service import events
from registry.service.change import Outcome
from registry.service.prefixes import unknown_prefix
from registry.states import instant
from registry.tables import node_events, prefix_allocation, prefixes, sync_views
from registry.tables.node_events import Event, Recorded

_POSITION_MAX = 2**63 - 1


async def metrics(call: Call) -> Answer:
    """GET /monitor/v1/metrics."""
    day = _day(call.query("date"))
    async with call.connected() as connection:
        allocation = await prefix_allocation.find(connection)
        own = None if allocation is None else allocation.node_prefix
        scope = call.query("scope") or own
        if scope is None:
            raise NotFound("no_operator", "the node's own prefix is not entered", remedy="name a prefix with scope")
        is_node = scope == own
        found = None if is_node else await prefixes.by_prefix(connection, scope)
        if not is_node and found is None:
            raise unknown_prefix(scope)
        if found is not None and found.hosting != "here":
            return answer(await _told(connection, scope, day), Cache_Control="no-store")
        return answer(await performance.of_day(connection, scope, day, is_node=is_node), Cache_Control="no-store")


async def page(call: Call) -> Answer:
    """GET /monitor/v1/events."""
    after, limit = _position(call.query("after")), read_limit(call.query("limit"))
    async with call.connected() as connection:
        found = await node_events.page(connection, after, limit)
    return answer(EventList([_shown(one) for one in found], found[-1].position if found else after))


async def create(call: Call) -> Answer:
    """POST /api/v1/events."""
    body = await call.read(EventRequest)
    occurred_at = None if body.occurred_at is None else read_instant(body.occurred_at, "occurred_at")

    async def work(connection: Connection) -> Outcome:
        event = await events.enter_abnormal(
            connection,
            call.now,
            prefix=body.prefix,
            abnormal_type=body.abnormal_type,
            cause=body.cause,
            occurred_at=occurred_at,
            condition=body.condition,
        )
        return outcome(201, _entered(event), None)

    return await call.change(work)


async def recover(call: Call) -> Answer:
    """POST /api/v1/events/{event}:recover."""
    body = await call.read(RecoveryRequest)
    occurred_at = None if body.occurred_at is None else read_instant(body.occurred_at, "occurred_at")

    async def work(connection: Connection) -> Outcome:
        event = await events.enter_recovered(connection, call.now, call.path("event"), occurred_at)
        return outcome(201, _entered(event), None)

    return await call.change(work)


async def _told(connection: Connection, prefix: str, day: date) -> dict[str, Any]:
    """Return what an enterprise's own node told of a day: what this node measured of it is not its performance."""
    told = await sync_views.performance_told(connection, prefix, day)
    if told is None:
        raise NotFound(
            "not_told",
            f"the node of {prefix} has not told how it performed on {day}",
            remedy="it tells of a day until 05:00 of the next one; `sync check` lists what is missing",
        )
    names = PerformanceAnswer.__struct_fields__
    return {name: told.get(name) for name in names if name in told or not name.startswith("x_")}


def _entered(event: Event) -> EventEntered:
    return EventEntered(
        event.event_no, event.prefix, event.event_type, event.related_event_no, instant(event.occurred_at)
    )


def _shown(recorded: Recorded) -> EventAnswer:
    event = recorded.event
    return EventAnswer(
        position=recorded.position,
        event_no=event.event_no,
        prefix=event.prefix,
        condition=event.condition,
        event_type=event.event_type,
        related_event_no=event.related_event_no,
        occurred_at=instant(event.occurred_at),
        cause=event.cause,
        abnormal_type=event.abnormal_type,
        source=event.source,
        recorded_at=instant(recorded.recorded_at),
        queued_at=None if recorded.queued_at is None else instant(recorded.queued_at),
    )


def _day(text: str | None) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        raise one_field("bad_date", "date", "write the day as YYYY-MM-DD") from None


def _position(text: str | None) -> int:
    if text is None or text == "":
        return 0
    if not text.isascii() or not text.isdigit() or int(text[:20]) > _POSITION_MAX:
        raise InvalidRequest(
            "bad_parameter", "after is no position", remedy="send `next` of the answer before, or leave it out"
        )
    return int(text)
