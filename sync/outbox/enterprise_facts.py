"""report_enterprise_facts and report_missing_facts: what self-run enterprise nodes told of their days, and what not."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from sync.database import Connection


class EnterpriseFact(NamedTuple):
    """One enterprise's fact of a day; `rows` is a JSON array of the data of each row."""

    table: str
    prefix: str
    stat_date: date
    rows: bytes


class MissingFact(NamedTuple):
    """A day of which an enterprise has not told in time."""

    table: str
    prefix: str
    stat_date: date
    noted_at: datetime


async def store(connection: Connection, reporter: str, fact: EnterpriseFact, now: datetime) -> None:
    """Keep what an enterprise node told of its day, in place of what it told of it before; it is queued again then."""
    await connection.execute(
        "INSERT INTO report_enterprise_facts AS kept (reporter, table_id, prefix, stat_date, rows, received_at) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (reporter, table_id, prefix, stat_date) "
        "DO UPDATE SET rows = excluded.rows, received_at = excluded.received_at, queued_at = NULL "
        "WHERE kept.rows <> excluded.rows",
        reporter,
        fact.table,
        fact.prefix,
        fact.stat_date,
        fact.rows.decode(),
        now,
    )


async def take_new(connection: Connection, reporter: str, before: date, limit: int) -> list[EnterpriseFact]:
    """Return facts of days before `before` that are not queued, locked until the transaction ends."""
    rows = await connection.fetch(
        "SELECT table_id, prefix, stat_date, rows FROM report_enterprise_facts "
        "WHERE reporter = $1 AND queued_at IS NULL AND stat_date < $2 ORDER BY stat_date, table_id, prefix "
        "LIMIT $3 FOR UPDATE SKIP LOCKED",
        reporter,
        before,
        limit,
    )
    return [EnterpriseFact(row["table_id"], row["prefix"], row["stat_date"], row["rows"].encode()) for row in rows]


async def told(connection: Connection, reporter: str, table: str, prefix: str, day: date) -> EnterpriseFact | None:
    """Return what an enterprise told of a day."""
    rows = await connection.fetchval(
        "SELECT rows FROM report_enterprise_facts "
        "WHERE reporter = $1 AND table_id = $2 AND prefix = $3 AND stat_date = $4",
        reporter,
        table,
        prefix,
        day,
    )
    return None if rows is None else EnterpriseFact(table, prefix, day, rows.encode())


async def queued(connection: Connection, reporter: str, facts: Sequence[EnterpriseFact], now: datetime) -> None:
    """Note that facts are queued, and so not missing any more."""
    columns = [[fact[at] for fact in facts] for at in range(3)]
    for table, column in (("report_enterprise_facts", "queued_at"), ("report_missing_facts", "came_at")):
        await connection.execute(
            f"UPDATE {table} AS kept SET {column} = $2 "  # noqa: S608 - two constants
            "FROM unnest($3::text[], $4::text[], $5::date[]) AS done (table_id, prefix, stat_date) "
            "WHERE kept.reporter = $1 AND kept.table_id = done.table_id AND kept.prefix = done.prefix "
            f"AND kept.stat_date = done.stat_date AND kept.{column} IS NULL",
            reporter,
            now,
            *columns,
        )


async def note_missing(
    connection: Connection, reporter: str, tables: Sequence[str], prefixes: Sequence[str], day: date, now: datetime
) -> None:
    """Note the tables that prefixes have not told of a day."""
    await connection.execute(
        "INSERT INTO report_missing_facts (reporter, table_id, prefix, stat_date, noted_at) "
        "SELECT $1, table_id, prefix, $4, $5 FROM unnest($2::text[]) AS table_id, unnest($3::text[]) AS prefix "
        "WHERE NOT EXISTS (SELECT FROM report_enterprise_facts AS told WHERE told.reporter = $1 "
        "AND told.table_id = table_id.table_id AND told.prefix = prefix.prefix AND told.stat_date = $4) "
        "ON CONFLICT DO NOTHING",
        reporter,
        list(tables),
        list(prefixes),
        day,
        now,
    )


async def missing(connection: Connection, reporter: str, limit: int) -> list[MissingFact]:
    """Return what is still missing, the longest first."""
    rows = await connection.fetch(
        "SELECT table_id, prefix, stat_date, noted_at FROM report_missing_facts "
        "WHERE reporter = $1 AND came_at IS NULL ORDER BY stat_date, table_id, prefix LIMIT $2",
        reporter,
        limit,
    )
    return [MissingFact(*row.values()) for row in rows]
