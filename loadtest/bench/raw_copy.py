"""The yardstick of the bulk import: the same rows, by COPY, into tables of the same shape in the same cluster.

COPY's binary form, since that is the fastest there is: measured at 1.3 times its text form with these tables.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from loadtest.bench import settings
from loadtest.bench.copy_format import rows_of, stream_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    Connection = asyncpg.Connection[Any]

SCHEMA = "bench_copy"


@dataclass(frozen=True, slots=True)
class RawRows:
    """The rows that an import left behind, in COPY's binary form."""

    identifiers: Sequence[bytes]
    journal: Sequence[bytes]


async def raw_copy_s(dsn: str, prefix: str, rows: int) -> float:
    """Return how many seconds COPY takes for the rows below `prefix`, as many a commit as the API makes.

    Identifiers and journal both, since the import writes both; the connection, the tables and the rows are ready
    before the clock starts.
    """
    connection = await asyncpg.connect(dsn)
    try:
        raw = await _rows(connection, prefix)
        if len(raw.identifiers) != rows or len(raw.journal) != rows:
            raise ValueError(f"{prefix}: {len(raw.identifiers)} identifiers, {len(raw.journal)} changes, not {rows}")
        await _make_tables(connection)
        await connection.execute("CHECKPOINT")
        return await _timed_copy(connection, raw)
    finally:
        await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        await connection.close()


async def _timed_copy(connection: Connection, raw: RawRows) -> float:
    size = settings.COMMIT_ROWS
    chunks = [
        [io.BytesIO(stream_of(rows[at : at + size])) for rows in (raw.identifiers, raw.journal)]
        for at in range(0, len(raw.identifiers), size)
    ]
    began = time.perf_counter()
    for identifiers, journal in chunks:
        async with connection.transaction():
            await connection.copy_to_table("identifiers", source=identifiers, schema_name=SCHEMA, format="binary")
            await connection.copy_to_table("journal", source=journal, schema_name=SCHEMA, format="binary")
    return time.perf_counter() - began


async def _rows(connection: Connection, prefix: str) -> RawRows:
    # COPY takes no parameters; the prefix is ours.
    identifiers = f"SELECT i.* FROM identifiers i JOIN prefixes p ON p.id = i.prefix_id WHERE p.prefix = '{prefix}'"  # noqa: S608
    journal = f"SELECT * FROM journal WHERE kind = 'identifier' AND key LIKE 'hdl:{prefix}/%' ORDER BY xid, seq"  # noqa: S608
    return RawRows(await _copied(connection, identifiers), await _copied(connection, journal))


async def _copied(connection: Connection, query: str) -> list[bytes]:
    target = io.BytesIO()
    await connection.copy_from_query(query, output=target, format="binary")
    return rows_of(target.getvalue())


async def _make_tables(connection: Connection) -> None:
    """Make empty tables with the columns, defaults, checks, indexes, foreign keys and partitions of the real ones."""
    await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}")
    for table in ("identifiers", "journal"):
        key = await connection.fetchval("SELECT pg_get_partkeydef($1::regclass)", f"public.{table}")
        await connection.execute(
            f"CREATE TABLE {SCHEMA}.{table} (LIKE public.{table} INCLUDING ALL) PARTITION BY {key}"
        )
        for child, bound in await connection.fetch(
            "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid)"
            " FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid WHERE h.inhparent = $1::regclass",
            f"public.{table}",
        ):
            await connection.execute(f'CREATE TABLE {SCHEMA}."{child}" PARTITION OF {SCHEMA}.{table} {bound}')
        for (constraint,) in await connection.fetch(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'f'",
            f"public.{table}",
        ):
            await connection.execute(f"ALTER TABLE {SCHEMA}.{table} ADD {constraint}")
