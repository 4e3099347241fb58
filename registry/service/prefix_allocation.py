"""Giving out enterprise prefixes: the next free number below the node's own prefix, and numbers kept back."""

from datetime import datetime
from typing import Final

from identifiers.changes import KIND_OPERATOR, KIND_PREFIX, Cursor, Op
from identifiers.handle import PREFIX_CHARACTERS_MAX, Prefix, parse_prefix
from identifiers.identifier import Invalid
from registry import journal
from registry.authority import Action, Principal, authorise
from registry.database import Connection
from registry.errors import Conflict, NotFound, one_field
from registry.ids import new_id
from registry.operator_states import allocation_state, reservation_state
from registry.states import to_millisecond
from registry.tables import prefix_allocation, prefixes
from registry.tables.prefix_allocation import Allocation, Reservation

ALLOCATION_KEY: Final = "prefix-allocation"
NUMBER_MAX: Final = 10**18 - 2
RESERVATIONS_MAX: Final = 1_000
_TRIES_MAX: Final = 100


async def next_free(connection: Connection) -> str:
    """Return the next free enterprise prefix, kept from others until the end of the transaction.

    Raises `Conflict` when the node's own prefix was never said, or no number is left.
    """
    allocation = await _required(connection)
    await journal.serialise(connection, KIND_PREFIX, f"{allocation.node_prefix}.next")
    for _ in range(_TRIES_MAX):
        number = await prefix_allocation.next_free(connection, allocation)
        if number is None:
            break
        prefix = f"{allocation.node_prefix}.{number}"
        # Somebody may be about to commit the very prefix: wait, and look again.
        await journal.serialise(connection, KIND_PREFIX, prefix)
        if await prefixes.by_prefix(connection, prefix) is None:
            return prefix
    raise Conflict(
        "no_free_prefix",
        f"no number from {allocation.first} to {allocation.last} is free below {allocation.node_prefix}",
        remedy="raise the last number with PUT /api/v1/prefix-allocation, or release a reservation",
    )


async def check_wanted(connection: Connection, prefix: str, *, may_take_reserved: bool) -> None:
    """Check that a prefix somebody asks for is an enterprise's, below this node's, and not kept back.

    Raises `InvalidFields`, and `Conflict` for a reserved number. Whether it is taken, is asked where it is entered.
    """
    parsed = parse_prefix(prefix)
    if isinstance(parsed, Invalid):
        raise one_field(parsed.code, "prefix", parsed.message)
    if parsed.enterprise is None:
        raise one_field("node_prefix_wanted", "prefix", f"{prefix} is a node's prefix: add a number, like {prefix}.8")
    allocation = await prefix_allocation.find(connection)
    if allocation is not None and parsed.secondary != allocation.node_prefix:
        raise one_field("foreign_prefix", "prefix", f"prefixes here begin with {allocation.node_prefix}.")
    if may_take_reserved:
        return
    reserved = await prefix_allocation.reserving(connection, parsed.enterprise)
    if reserved is not None:
        raise Conflict(
            "prefix_reserved",
            f"the numbers {reserved.first} to {reserved.last} are reserved: {reserved.reason}",
            remedy="choose another number, or ask an administrator to apply for it",
        )


async def get(connection: Connection, principal: Principal) -> Allocation:
    """Return how numbers are given out. Raises `NotFound` before that is said."""
    authorise(principal, Action.RESERVE_PREFIXES)
    found = await prefix_allocation.find(connection)
    if found is None:
        raise NotFound(
            "no_allocation", "the node's own prefix is not set", remedy="set it with PUT /api/v1/prefix-allocation"
        )
    return found


async def put(
    connection: Connection, principal: Principal, now: datetime, *, node_prefix: str, first: int, last: int
) -> tuple[Allocation, Cursor]:
    """Say below which prefix, and from which to which number, the next free one is looked for."""
    authorise(principal, Action.RESERVE_PREFIXES)
    parsed = parse_node_prefix(node_prefix, "node_prefix")
    if last < first:
        raise one_field("bad_range", "last", "the last number is not below the first")
    if len(f"{parsed.text}.{last}") > PREFIX_CHARACTERS_MAX:
        raise one_field("bad_range", "last", f"a prefix has at most {PREFIX_CHARACTERS_MAX} characters")
    await journal.serialise(connection, KIND_OPERATOR, ALLOCATION_KEY)
    before = await prefix_allocation.find(connection)
    allocation = Allocation(node_prefix, first, last, to_millisecond(now))
    await prefix_allocation.put(connection, allocation)
    cursor = await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_OPERATOR,
        key=ALLOCATION_KEY,
        op="update" if before else "create",
        after=allocation_state(allocation),
    )
    return allocation, cursor


async def reserve(
    connection: Connection, principal: Principal, now: datetime, *, first: int, last: int, reason: str
) -> tuple[Reservation, Cursor]:
    """Keep numbers back, whoever has some of them already. Raises `Conflict` when there are too many reservations."""
    authorise(principal, Action.RESERVE_PREFIXES)
    if last < first:
        raise one_field("bad_range", "last", "the last number is not below the first")
    await journal.serialise(connection, KIND_OPERATOR, ALLOCATION_KEY)
    if await prefix_allocation.count(connection) >= RESERVATIONS_MAX:
        raise Conflict(
            "too_many_reservations",
            f"there are {RESERVATIONS_MAX} reservations already",
            remedy="release one, or reserve a longer range in place of several",
        )
    reservation = Reservation(new_id("rsv"), first, last, reason, to_millisecond(now))
    await prefix_allocation.reserve(connection, reservation)
    return reservation, await _record(connection, principal, reservation, "create")


async def release(connection: Connection, principal: Principal, reservation_id: str) -> tuple[Reservation, Cursor]:
    """Give reserved numbers free. Raises `NotFound`."""
    authorise(principal, Action.RESERVE_PREFIXES)
    await journal.serialise(connection, KIND_OPERATOR, ALLOCATION_KEY)
    released = await prefix_allocation.release(connection, reservation_id)
    if released is None:
        raise NotFound(
            "unknown_reservation",
            f"there is no reservation {reservation_id}",
            remedy="GET /api/v1/prefix-reservations lists them",
        )
    return released, await _record(connection, principal, released, "withdraw")


async def reservations(connection: Connection, principal: Principal, after: str, limit: int) -> list[Reservation]:
    """Return the next reservations in the order of their ids."""
    authorise(principal, Action.RESERVE_PREFIXES)
    return await prefix_allocation.page(connection, after, limit)


def parse_node_prefix(text: str, field: str) -> Prefix:
    """Parse a prefix of a secondary node, such as 88.118. Raises `InvalidFields`."""
    parsed = parse_prefix(text)
    if isinstance(parsed, Invalid):
        raise one_field(parsed.code, field, parsed.message)
    if parsed.enterprise is not None:
        raise one_field("bad_node_prefix", field, f"{text} is an enterprise's: a node has {parsed.secondary}")
    return parsed


async def _required(connection: Connection) -> Allocation:
    found = await prefix_allocation.find(connection)
    if found is None:
        raise Conflict(
            "node_prefix_unknown",
            "the next free prefix cannot be told before the node's own prefix is set",
            remedy="name the prefix wanted, or set the node's with PUT /api/v1/prefix-allocation",
        )
    return found


async def _record(connection: Connection, principal: Principal, reservation: Reservation, op: Op) -> Cursor:
    return await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_OPERATOR,
        key=f"prefix-reservation {reservation.id}",
        op=op,
        after=reservation_state(reservation),
    )
