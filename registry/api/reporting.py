"""Handlers: what is wrong with the reports to the national node, and what an operator orders about it."""

from collections.abc import Sequence

from registry.api.call import Answer, Call, answer, outcome
from registry.api.reporting_shapes import (
    Dismissed,
    DismissRequest,
    FindingList,
    FindingRow,
    FullSetRequest,
    Ordered,
    PauseRequest,
    ResendRequest,
    ResentAnswer,
    StreamRequest,
    UnpauseRequest,
)
from registry.database import Connection
from registry.errors import Conflict, NotFound, one_field
from registry.reporting import Reporting
from registry.service.change import Outcome
from registry.states import instant


async def findings(call: Call) -> Answer:
    """GET /api/v1/sync/findings."""
    reporting = call.context.reporting
    if reporting is None:
        return answer(FindingList([]))
    async with call.connected() as connection, connection.transaction():
        found = await reporting.findings(connection, call.now)
    return answer(
        FindingList(
            [
                FindingRow(one.what, None if one.since is None else instant(one.since), one.detail, one.remedy)
                for one in found
            ]
        )
    )


async def retry(call: Call) -> Answer:
    """POST /api/v1/sync:retry."""
    reporting = _reporting(call)

    async def work(connection: Connection) -> Outcome:
        await reporting.retry(connection, call.now)
        return outcome(202, Ordered("everything that waits is tried within 15 seconds"), None)

    return await call.change(work)


async def pause(call: Call) -> Answer:
    """POST /api/v1/sync:pause."""
    reporting, body = _reporting(call), await call.read(PauseRequest)
    _check_tables(reporting, body.tables)

    async def work(connection: Connection) -> Outcome:
        by = call.principal.account
        await reporting.pause(connection, call.now, body.tables, by=by, reason=body.reason)
        return outcome(200, Ordered(f"paused: {' '.join(body.tables) or 'all tables'}"), None)

    return await call.change(work)


async def unpause(call: Call) -> Answer:
    """POST /api/v1/sync:unpause."""
    reporting, body = _reporting(call), await call.read(UnpauseRequest)
    _check_tables(reporting, body.tables)

    async def work(connection: Connection) -> Outcome:
        if not await reporting.unpause(connection, body.tables):
            raise Conflict("not_paused", "nothing of this is paused", remedy="GET /api/v1/sync/status lists what is")
        return outcome(200, Ordered(f"goes on: {' '.join(body.tables) or 'all tables'}"), None)

    return await call.change(work)


async def resume(call: Call) -> Answer:
    """POST /api/v1/sync/streams:resume."""
    reporting, body = _reporting(call), await call.read(StreamRequest)

    async def work(connection: Connection) -> Outcome:
        if not await reporting.resume(connection, body.table, body.scope):
            raise _unknown(f"there is no halted stream {body.table}/{body.scope}")
        return outcome(200, Ordered(f"{body.table}/{body.scope} goes on"), None)

    return await call.change(work)


async def send_full(call: Call) -> Answer:
    """POST /api/v1/sync/streams:send-full."""
    reporting, body = _reporting(call), await call.read(FullSetRequest)
    _check_tables(reporting, [body.table], "table")

    async def work(connection: Connection) -> Outcome:
        told_as = await reporting.send_full(connection, call.now, body.table, body.scope, start_over=body.start_over)
        return outcome(202, Ordered(f"the full set of {body.table}/{body.scope}", told_as), None)

    return await call.change(work)


async def resend(call: Call) -> Answer:
    """POST /api/v1/sync/open-rows:resend."""
    reporting, body = _reporting(call), await call.read(ResendRequest)

    async def work(connection: Connection) -> Outcome:
        found = await reporting.resend(connection, body.table, body.scope, body.keys)
        if found is None:
            raise _unknown(f"there is no stream {body.table}/{body.scope}")
        told = ResentAnswer(list(found.queued), list(found.not_stored), list(found.never_sent))
        return outcome(200, told, None)

    return await call.change(work)


async def dismiss(call: Call) -> Answer:
    """POST /api/v1/sync/open-rows:dismiss."""
    reporting, body = _reporting(call), await call.read(DismissRequest)

    async def work(connection: Connection) -> Outcome:
        closed = await reporting.dismiss(connection, body.table, body.scope, body.keys)
        return outcome(200, Dismissed(closed), None)

    return await call.change(work)


def _reporting(call: Call) -> Reporting:
    if call.context.reporting is None:
        raise Conflict(
            "not_reporting", "this node reports to nobody", remedy="set an upstream and the node's own prefix first"
        )
    return call.context.reporting


def _check_tables(reporting: Reporting, tables: Sequence[str], field: str = "tables") -> None:
    unknown = [table for table in tables if table not in reporting.tables]
    if unknown:
        raise one_field("unknown_table", field, f"there is no table {unknown[0][:8]}: {', '.join(reporting.tables)}")


def _unknown(message: str) -> NotFound:
    return NotFound("unknown_stream", message, remedy="GET /api/v1/sync/streams lists them")
