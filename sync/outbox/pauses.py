"""report_pauses: tables of which nothing is sent until somebody says so; `*` stands for all."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sync.database import Connection, storable

ALL = "*"


@dataclass(frozen=True, slots=True)
class Pause:
    """One table, or all, that rests."""

    table: str
    since: datetime
    ordered_by: str
    reason: str


async def begin(
    connection: Connection, reporter: str, tables: Sequence[str], now: datetime, *, ordered_by: str, reason: str
) -> None:
    """Let these tables rest; one that rests already keeps its moment."""
    await connection.execute(
        "INSERT INTO report_pauses (reporter, table_id, since, ordered_by, reason) "
        "SELECT $1, unnest($2::text[]), $3, $4, $5 "
        "ON CONFLICT (reporter, table_id) DO UPDATE SET ordered_by = excluded.ordered_by, reason = excluded.reason",
        reporter,
        list(tables),
        now,
        ordered_by,
        storable(reason, 1_024),
    )


async def end(connection: Connection, reporter: str, tables: Collection[str]) -> int:
    """Let these tables go on; with `*` every pause ends. Returns how many pauses ended."""
    tag = await connection.execute(
        "DELETE FROM report_pauses WHERE reporter = $1 AND (table_id = ANY($2::text[]) OR '*' = ANY($2::text[]))",
        reporter,
        list(tables),
    )
    return int(tag.rpartition(" ")[2])


async def find(connection: Connection, reporter: str) -> list[Pause]:
    """Return what rests."""
    rows = await connection.fetch(
        "SELECT table_id, since, ordered_by, reason FROM report_pauses WHERE reporter = $1 ORDER BY table_id", reporter
    )
    return [Pause(row["table_id"], row["since"], row["ordered_by"], row["reason"]) for row in rows]
