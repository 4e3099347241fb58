"""Handlers: emergency take-overs, and what did not agree after one (docking contract 7.6)."""

from datetime import datetime
from typing import Final

import msgspec

from registry.api.call import Answer, Call, answer, next_cursor, outcome
from registry.api.takeover_shapes import (
    ConflictList,
    ConflictRow,
    DecisionRequest,
    TakeoverRequest,
    TakeoverRow,
    TakeoverState,
)
from registry.database import Connection
from registry.errors import InvalidRequest
from registry.service import takeovers as service
from registry.service.change import Outcome
from registry.states import instant
from registry.tables import read_only, takeovers
from registry.tables.takeovers import Disagreement

SHOWN_MAX: Final = 20
_WHICH: Final = {None: False, "open": False, "all": True}


async def get(call: Call) -> Answer:
    """GET /api/v1/takeover."""
    async with call.connected() as connection:
        return answer(await _state(connection))


async def start(call: Call) -> Answer:
    """POST /api/v1/takeover:start."""
    body = await call.read(TakeoverRequest)

    async def work(connection: Connection) -> Outcome:
        await service.begin(connection, call.now, body.reason, call.principal.account)
        return outcome(200, await _state(connection), None)

    return await call.change(work)


async def end(call: Call) -> Answer:
    """POST /api/v1/takeover:end."""

    async def work(connection: Connection) -> Outcome:
        await service.end(connection, call.now, call.principal.account)
        return outcome(200, await _state(connection), None)

    return await call.change(work)


async def conflicts(call: Call) -> Answer:
    """GET /api/v1/takeover/conflicts."""
    state = call.query("state")
    if state not in _WHICH:
        raise InvalidRequest("bad_state", "the state of a conflict is open or all", remedy="correct the parameter")
    scope = f"takeover conflicts {state}"
    after, limit = call.page(scope)
    async with call.connected() as connection:
        found = await takeovers.page(connection, after, limit, decided=_WHICH[state])
    return answer(
        ConflictList([_shown(one) for one in found], next_cursor(scope, found, limit, found[-1].key if found else ""))
    )


async def decide(call: Call) -> Answer:
    """POST /api/v1/takeover/conflicts:decide."""
    body = await call.read(DecisionRequest)

    async def work(connection: Connection) -> Outcome:
        decided = await service.decide(connection, call.principal, call.now, body.identifier, body.decision)
        return outcome(200, _shown(decided), None)

    return await call.change(work)


async def _state(connection: Connection) -> TakeoverState:
    rows = [
        TakeoverRow(instant(one.started_at), one.reason, one.started_by, _instant(one.ended_at), one.ended_by)
        for one in await takeovers.newest(connection, SHOWN_MAX)
    ]
    stopped = await read_only.find(connection) is not None
    return TakeoverState(stopped, rows, await takeovers.count_open(connection))


def _shown(one: Disagreement) -> ConflictRow:
    return ConflictRow(
        identifier=one.identifier,
        reason=one.reason,
        ours=None if one.ours is None else msgspec.Raw(one.ours.encode()),
        theirs=msgspec.Raw(one.theirs.encode()),
        found_at=instant(one.found_at),
        decision=one.decision,  # type: ignore[arg-type] # the table's own check allows no other
        decided_at=_instant(one.decided_at),
        decided_by=one.decided_by,
    )


def _instant(at: datetime | None) -> str | None:
    return None if at is None else instant(at)
