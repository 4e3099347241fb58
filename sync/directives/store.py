"""report_directives: what the collector asked for, in its order, what became of it, and whether it knows."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from sync.database import Connection, storable
from sync.directives.shapes import Directive, Outcome

TEXT_CHARACTERS_MAX: Final = 1_024

_COLUMNS: Final = "number, directive_id, origin, kind, body, reason, issued_at, progress, result, result_text"


@dataclass(frozen=True, slots=True)
class StoredDirective:
    """A directive, or an order of the operator, and how far it is. `outcome` is None until it is finished."""

    number: int
    directive: Directive
    is_operators: bool
    progress: int
    outcome: Outcome | None


async def newest_id(connection: Connection, reporter: str) -> str:
    """Return the id of the directive received last; "" if there was none."""
    found = await connection.fetchval(
        "SELECT directive_id FROM report_directives WHERE reporter = $1 AND origin = 'collector' "
        "ORDER BY number DESC LIMIT 1",
        reporter,
    )
    return str(found or "")


async def receive(connection: Connection, reporter: str, directives: Sequence[Directive], now: datetime) -> int:
    """Store directives in their order; those already known stay as they are. Returns how many were new."""
    new = 0
    for one in directives:
        # A row by itself: the numbers must follow the order, whatever is known already.
        tag = await connection.execute(
            "INSERT INTO report_directives (reporter, directive_id, kind, body, reason, issued_at, received_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            reporter,
            storable(one.id, 64),
            storable(one.kind, 64),
            storable(bytes(one.body).decode(), len(bytes(one.body))),
            storable(one.reason, TEXT_CHARACTERS_MAX),
            storable(one.issued_at, 64),
            now,
        )
        new += tag != "INSERT 0 0"
    return new


async def order(connection: Connection, reporter: str, kind: str, body: object, now: datetime) -> str:
    """Store an order of the operator, to be carried out by the reporting process; return its id."""
    order_id = f"operator-{uuid.uuid4()}"
    await connection.execute(
        "INSERT INTO report_directives (reporter, directive_id, origin, kind, body, reason, issued_at, received_at) "
        "VALUES ($1, $2, 'operator', $3, $4, '', '', $5)",
        reporter,
        order_id,
        kind,
        msgspec.json.encode(body).decode(),
        now,
    )
    return order_id


async def unfinished(connection: Connection, reporter: str, limit: int) -> list[StoredDirective]:
    """Return directives that are not finished, oldest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM report_directives WHERE reporter = $1 AND acknowledged_at IS NULL "  # noqa: S608 - a constant
        "AND finished_at IS NULL ORDER BY number LIMIT $2",
        reporter,
        limit,
    )
    return [_stored(dict(row)) for row in rows]


async def unacknowledged(connection: Connection, reporter: str, limit: int) -> list[StoredDirective]:
    """Return finished directives of whose end the collector does not know, oldest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM report_directives WHERE reporter = $1 AND acknowledged_at IS NULL "  # noqa: S608 - a constant
        "AND finished_at IS NOT NULL ORDER BY number LIMIT $2",
        reporter,
        limit,
    )
    return [_stored(dict(row)) for row in rows]


async def lock(connection: Connection, number: int) -> StoredDirective | None:
    """Return a directive that is not finished, locked until the transaction ends; None if it is finished by now."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM report_directives WHERE number = $1 AND finished_at IS NULL FOR UPDATE",  # noqa: S608 - a constant
        number,
    )
    return None if row is None else _stored(dict(row))


async def advance(connection: Connection, number: int, progress: int) -> None:
    """Note how far a directive is that takes several steps."""
    await connection.execute("UPDATE report_directives SET progress = $2 WHERE number = $1", number, progress)


async def finish(connection: Connection, number: int, outcome: Outcome, now: datetime) -> None:
    """Note what became of a directive; an operator's needs no acknowledgement."""
    await connection.execute(
        "UPDATE report_directives SET result = $2, result_text = $3, finished_at = $4, "
        "acknowledged_at = CASE origin WHEN 'operator' THEN $4::timestamptz END WHERE number = $1",
        number,
        outcome.result,
        storable(outcome.text, TEXT_CHARACTERS_MAX),
        now,
    )


async def acknowledged(connection: Connection, number: int, now: datetime) -> None:
    """Note that the collector knows."""
    await connection.execute("UPDATE report_directives SET acknowledged_at = $2 WHERE number = $1", number, now)


def _stored(row: dict[str, Any]) -> StoredDirective:
    directive = Directive(
        id=row["directive_id"],
        issued_at=row["issued_at"],
        kind=row["kind"],
        body=msgspec.Raw(row["body"].encode()),
        reason=row["reason"],
    )
    outcome = None if row["result"] is None else Outcome(row["result"], row["result_text"])
    return StoredDirective(row["number"], directive, row["origin"] == "operator", row["progress"], outcome)
