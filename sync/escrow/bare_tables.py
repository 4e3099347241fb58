"""Loading tables without what relates their rows: foreign keys, unique constraints and indexes, put back afterwards.

Rows come in the order of the deposits, not in one in which every row in between would be allowed; and an index made at
the end costs a third of one kept up. All within the caller's transaction.
"""

# ruff: noqa: S608 - what is put into the statements are names from the catalogue

from collections.abc import Sequence
from typing import Final

from sync.database import Connection

_CONSTRAINTS: Final = """
SELECT c.conrelid::regclass::text AS table_name, quote_ident(c.conname) AS name, pg_get_constraintdef(c.oid) AS made
FROM pg_constraint AS c
WHERE c.contype = $1 AND c.conparentid = 0
  AND (c.conrelid = ANY($2::text[]::regclass[]) OR c.confrelid = ANY($2::text[]::regclass[]))
ORDER BY c.oid"""
_INDEXES: Final = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS made
FROM pg_index AS i
WHERE i.indrelid = ANY($1::text[]::regclass[]) AND NOT i.indisprimary
  AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid AND c.contype = 'u')
ORDER BY i.indexrelid"""
_SEQUENCES: Final = """
SELECT a.attname AS name, pg_get_serial_sequence($1, a.attname) AS sequence FROM pg_attribute AS a
WHERE a.attrelid = $1::regclass AND a.attidentity <> ''"""


async def strip(connection: Connection, tables: Sequence[str]) -> list[str]:
    """Take what relates rows away from tables, and return the statements that put it back."""
    back: list[str] = []
    for kind in ("f", "u"):
        rows = await connection.fetch(_CONSTRAINTS, kind.encode(), tables)
        for row in rows:
            await connection.execute(f"ALTER TABLE {row['table_name']} DROP CONSTRAINT {row['name']}")
        back = [f"ALTER TABLE {row['table_name']} ADD CONSTRAINT {row['name']} {row['made']}" for row in rows] + back
    rows = await connection.fetch(_INDEXES, tables)
    for row in rows:
        await connection.execute(f"DROP INDEX {row['name']}")
    # Of a partitioned table the catalogue tells the parent's index alone; made without ONLY it has one in each part.
    return [row["made"].replace(" ON ONLY ", " ON ", 1) for row in rows] + back


async def raise_sequences(connection: Connection, tables: Sequence[str]) -> None:
    """Let numbers that PostgreSQL gives out begin behind those that are there."""
    for table in tables:
        for row in await connection.fetch(_SEQUENCES, table):
            await connection.execute(
                f"SELECT setval($1::text::regclass, (SELECT coalesce(max({row['name']}), 0) + 1 FROM {table}), false)",
                row["sequence"],
            )
