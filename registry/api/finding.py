"""Handlers: finding records by value and template, their history, and what refers to what."""

import dataclasses
from typing import Annotated, Any, Final, TypeVar, get_args

import msgspec
from msgspec import Meta

from identifiers.changes import Cursor
from identifiers.values import INDEX_MAX
from registry.api.call import Answer, Call, answer
from registry.api.finding_shapes import (
    GraphAnswer,
    GraphNode,
    HistoryEntry,
    HistoryPage,
    ReferenceAnswer,
    ReferencePage,
)
from registry.api.identifiers import shown
from registry.api.paging import BEGIN_AGAIN, write_cursor
from registry.api.shapes import IdentifierPage
from registry.errors import Conflict, InvalidRequest
from registry.service import history, references, search, secrets
from registry.service.history import NEWEST, Version
from registry.service.references import Direction, Edge
from registry.service.search import Wanted
from registry.states import instant
from registry.tables.search_values import Hit

T = TypeVar("T")

_Int8 = Annotated[int, Meta(ge=-1, le=2**63 - 1)]
_Index = Annotated[int, Meta(ge=0, le=2**31 - 1)]

NUMBER_DIGITS_MAX: Final = 10
DEPTH_DEFAULT: Final = 2
NODES_DEFAULT: Final = 100


async def find(call: Call) -> Answer:
    """GET /api/v1/identifiers:search."""
    prefix = call.query("prefix")
    if not prefix:
        raise InvalidRequest("prefix_missing", "the parameter prefix is missing", remedy="add ?prefix=88.118.8")
    wanted = Wanted(prefix, call.query("template"), _number(call, "index"), call.query("value"), call.query("begins"))
    scope = f"search {dataclasses.astuple(wanted)}"
    position, limit = call.page(scope)
    after = Hit(*_read(position, tuple[str, str], search.START))
    async with call.connected() as connection:
        found, following = await search.find(connection, call.principal, wanted, after, limit)
    return answer(IdentifierPage([shown(seen, prefix) for seen in found], _write(scope, following)))


async def versions(call: Call) -> Answer:
    """GET /api/v1/identifiers:history."""
    name = identifier_of(call)
    scope = f"history {name}"
    position, limit = call.page(scope)
    before = Cursor(*_read(position, tuple[_Int8, _Int8], NEWEST))
    async with call.connected() as connection:
        found = await history.page(connection, call.principal, name, before, limit)
    more = bool(found) and found[-1].state.version > 1
    following = _write(scope, found[-1].cursor if more else None)
    spelling = found[0].state.identifier if found else name
    return answer(HistoryPage(spelling, [_version(version) for version in found], following))


async def named_by(call: Call) -> Answer:
    """GET /api/v1/identifiers:references."""
    name = identifier_of(call)
    scope = f"references {name}"
    position, limit = call.page(scope)
    async with call.connected() as connection:
        found, following = await references.of_record(
            connection, call.principal, name, _read(position, _Index, 0), limit
        )
    return answer(ReferencePage([_edge(edge) for edge in found], _write(scope, following)))


async def naming(call: Call) -> Answer:
    """GET /api/v1/identifiers:referrers."""
    name = identifier_of(call)
    scope = f"referrers {name}"
    position, limit = call.page(scope)
    after = _read(_opened(call, scope, position), tuple[_Int8, str, _Index], references.START)
    async with call.connected() as connection:
        found, following = await references.to_record(connection, call.principal, name, after, limit)
    return answer(ReferencePage([_edge(edge) for edge in found], _write_sealed(call, scope, following)))


async def graph(call: Call) -> Answer:
    """GET /api/v1/identifiers:graph."""
    name = identifier_of(call)
    direction = call.query("direction") or "both"
    depth, nodes = _number(call, "depth"), _number(call, "nodes")
    for choice in get_args(Direction):
        if choice == direction:
            break
    else:
        raise InvalidRequest("bad_graph", "direction is out, in or both", remedy="correct the parameter direction")
    async with call.connected() as connection:
        found = await references.graph(
            connection,
            call.principal,
            name,
            direction=choice,
            depth=DEPTH_DEFAULT if depth is None else depth,
            nodes_max=NODES_DEFAULT if nodes is None else nodes,
        )
    nodes_shown = [GraphNode(node.identifier, node.state, node.depth) for node in found.nodes]
    return answer(GraphAnswer(nodes_shown, [_edge(edge) for edge in found.edges], found.complete))


def identifier_of(call: Call) -> str:
    """Return the parameter that names what is asked about."""
    name = call.query("identifier")
    if not name:
        raise InvalidRequest(
            "identifier_missing", "the parameter identifier is missing", remedy="add ?identifier=88.118.8/SN0001"
        )
    return name


def _number(call: Call, name: str) -> int | None:
    text = call.query(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX) or int(text) > INDEX_MAX:
        raise InvalidRequest("bad_number", f"{name} is a whole number", remedy=f"correct the parameter {name}")
    return int(text)


def _read(position: str, shape: Any, start: T) -> T:
    """Return the position in a cursor as `shape`, `start` without one."""
    if not position:
        return start
    try:
        found: T = msgspec.json.decode(position, type=shape)
    except msgspec.MsgspecError as error:
        raise InvalidRequest("bad_cursor", "this cursor was not given for this list", remedy=BEGIN_AGAIN) from error
    return found


def _write(scope: str, position: object) -> str | None:
    return None if position is None else write_cursor(scope, msgspec.json.encode(position).decode())


def _write_sealed(call: Call, scope: str, position: object) -> str | None:
    """Make a cursor that nobody else can read: the record it stands behind may be one that the caller is not shown."""
    if position is None:
        return None
    sealed = secrets.seal(call.context.secret, scope, msgspec.json.encode(position).decode())
    return write_cursor(scope, sealed.hex())


def _opened(call: Call, scope: str, position: str) -> str:
    if not position:
        return ""
    try:
        return secrets.unseal(call.context.secret, scope, bytes.fromhex(position))
    except (Conflict, ValueError) as error:
        raise InvalidRequest("bad_cursor", "this cursor was not given for this list", remedy=BEGIN_AGAIN) from error


def _version(version: Version) -> HistoryEntry:
    state = version.state
    return HistoryEntry(
        version=state.version,
        op=version.op,
        actor=version.actor,
        at=instant(version.at),
        state=state.state,
        values=msgspec.Raw(version.values),
        template=state.template,
        successor=state.successor,
        withheld=list(version.withheld),
    )


def _edge(edge: Edge) -> ReferenceAnswer:
    return ReferenceAnswer(edge.source, edge.index, edge.target)
