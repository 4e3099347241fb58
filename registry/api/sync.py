"""Handlers: how reporting to the national node stands."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from registry.api.call import Answer, Call, answer
from registry.api.paging import read_limit
from registry.api.sync_shapes import (
    AccessPointRow,
    DirectiveList,
    DirectiveRow,
    LinkRow,
    OpenRowList,
    OpenRowRow,
    PauseRow,
    ReadOnlyState,
    SentBatch,
    SentBatchList,
    StreamList,
    StreamRow,
    SyncStatus,
)
from registry.database import Connection
from registry.states import instant
from registry.tables import read_only, sync_views
from registry.tables.sync_views import Rows

T = TypeVar("T")


async def status(call: Call) -> Answer:
    """GET /api/v1/sync/status."""
    async with call.connected() as connection:
        links = await sync_views.links(connection)
        points = await sync_views.access_points(connection)
        pauses = await sync_views.pauses(connection)
        stopped = await read_only.find(connection)
    return answer(
        SyncStatus(
            links=_rows(links, LinkRow),
            access_points=_rows(points, AccessPointRow),
            pauses=_rows(pauses, PauseRow),
            read_only=None
            if stopped is None
            else ReadOnlyState(instant(stopped.since), stopped.reason, stopped.ordered_by),
        )
    )


async def streams(call: Call) -> Answer:
    """GET /api/v1/sync/streams."""
    return answer(StreamList(await _listed(call, sync_views.streams, StreamRow)))


async def batches(call: Call) -> Answer:
    """GET /api/v1/sync/batches."""
    return answer(SentBatchList(await _listed(call, sync_views.batches, SentBatch)))


async def open_rows(call: Call) -> Answer:
    """GET /api/v1/sync/open-rows."""
    return answer(OpenRowList(await _listed(call, sync_views.open_rows, OpenRowRow)))


async def directives(call: Call) -> Answer:
    """GET /api/v1/sync/directives."""
    return answer(DirectiveList(await _listed(call, sync_views.directives, DirectiveRow)))


async def _listed(call: Call, read: Callable[[Connection, int], Awaitable[Rows]], kind: type[T]) -> list[T]:
    limit = read_limit(call.query("limit"))
    async with call.connected() as connection:
        return _rows(await read(connection, limit), kind)


def _rows(found: Rows, kind: type[T]) -> list[T]:
    return [msgspec.convert({name: _told(value) for name, value in row.items()}, kind) for row in found]


def _told(value: Any) -> Any:
    return instant(value) if isinstance(value, datetime) else value
