"""The tables `prefix_allocation` and `prefix_reservations`: which numbers the node gives out below its own prefix."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from dataclasses import dataclass
from datetime import datetime

from registry.database import Connection

_FIND = "SELECT node_prefix, first, last, updated_at FROM prefix_allocation"
_PUT = """
INSERT INTO prefix_allocation (node_prefix, first, last, updated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (only_row) DO UPDATE SET node_prefix = $1, first = $2, last = $3, updated_at = $4"""
# The next free number is the first of all, or stands right behind one that is taken or behind a reservation.
_NEXT_FREE = """
SELECT min(candidate) FROM (
    SELECT $2::bigint AS candidate
    UNION ALL SELECT number + 1 FROM prefixes WHERE secondary = $1 AND number BETWEEN $2 AND $3
    UNION ALL SELECT last + 1 FROM prefix_reservations WHERE last BETWEEN $2 AND $3
) AS candidates
WHERE candidate <= $3
    AND NOT EXISTS (SELECT FROM prefixes WHERE secondary = $1 AND number = candidate)
    AND NOT EXISTS (SELECT FROM prefix_reservations AS r WHERE candidate BETWEEN r.first AND r.last)"""
_COLUMNS = "id, first, last, reason, created_at"
_RESERVING = f"""
SELECT {_COLUMNS} FROM prefix_reservations WHERE $1::text::numeric BETWEEN first AND last ORDER BY id LIMIT 1"""
_RESERVE = "INSERT INTO prefix_reservations (id, first, last, reason, created_at) VALUES ($1, $2, $3, $4, $5)"
_RELEASE = f"DELETE FROM prefix_reservations WHERE id = $1 RETURNING {_COLUMNS}"
_PAGE = f"SELECT {_COLUMNS} FROM prefix_reservations WHERE id > $1 ORDER BY id LIMIT $2"
_COUNT = "SELECT count(*) FROM prefix_reservations"


@dataclass(frozen=True, slots=True)
class Allocation:
    """The node's own prefix, and the first and last number that are given out as the next free one."""

    node_prefix: str
    first: int
    last: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Reservation:
    """Numbers, both ends included, that only the node's administrators give out."""

    id: str
    first: int
    last: int
    reason: str
    created_at: datetime


async def find(connection: Connection) -> Allocation | None:
    """Return how numbers are given out; None before that is said."""
    row = await connection.fetchrow(_FIND)
    return Allocation(*row.values()) if row else None


async def put(connection: Connection, allocation: Allocation) -> None:
    """Say how numbers are given out from now on."""
    await connection.execute(_PUT, allocation.node_prefix, allocation.first, allocation.last, allocation.updated_at)


async def next_free(connection: Connection, allocation: Allocation) -> int | None:
    """Return the smallest number that no prefix ever had and no reservation covers; None if there is none left."""
    found: int | None = await connection.fetchval(_NEXT_FREE, allocation.node_prefix, allocation.first, allocation.last)
    return found


async def reserving(connection: Connection, number: str) -> Reservation | None:
    """Return a reservation that covers a number, given in digits."""
    row = await connection.fetchrow(_RESERVING, number)
    return Reservation(*row.values()) if row else None


async def reserve(connection: Connection, reservation: Reservation) -> None:
    """Add a reservation."""
    one = reservation
    await connection.execute(_RESERVE, one.id, one.first, one.last, one.reason, one.created_at)


async def release(connection: Connection, reservation_id: str) -> Reservation | None:
    """Remove a reservation and return it; None if there was none."""
    row = await connection.fetchrow(_RELEASE, reservation_id)
    return Reservation(*row.values()) if row else None


async def page(connection: Connection, after: str, limit: int) -> list[Reservation]:
    """Return the next reservations in the order of their ids."""
    return [Reservation(*row.values()) for row in await connection.fetch(_PAGE, after, limit)]


async def count(connection: Connection) -> int:
    """Count the reservations."""
    return int(await connection.fetchval(_COUNT))
