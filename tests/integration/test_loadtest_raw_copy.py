from typing import Any

import asyncpg
import pytest

from loadtest.bench.raw_copy import SCHEMA, _make_tables, raw_copy_s

ROWS = 4500
PREFIX = "88.200.1"


@pytest.fixture
async def connection(registry_database: str) -> Any:
    """Yield a connection to a registry that holds ROWS identifiers and their changes."""
    connection = await asyncpg.connect(registry_database)
    await connection.execute("INSERT INTO enterprises VALUES ('e', 'Bench', 'active', now(), now())")
    prefix = await connection.fetchval(
        "INSERT INTO prefixes (prefix, name, enterprise_id, created_at, updated_at)"
        " VALUES ($1, 'bench', 'e', now(), now()) RETURNING id",
        PREFIX,
    )
    await connection.execute(
        "INSERT INTO identifiers (prefix_id, key, spelling, values, created_at, updated_at)"
        " SELECT $1, 'hdl:' || $2 || '/SN' || n, $2 || '/SN' || n, '[\"tab\t\\line\n\"]', now(), now()"
        " FROM generate_series(1, $3) n",
        prefix,
        PREFIX,
        ROWS,
    )
    await connection.execute(
        "INSERT INTO journal (actor, kind, key, op, after)"
        " SELECT 'a', 'identifier', 'hdl:' || $1 || '/SN' || n, 'create', '{}' FROM generate_series(1, $2) n",
        PREFIX,
        ROWS,
    )
    yield connection
    await connection.close()


async def test_the_same_rows_are_copied_and_nothing_is_left(registry_database: str, connection: Any) -> None:
    assert 0 < await raw_copy_s(registry_database, PREFIX, ROWS) < 60
    assert await connection.fetchval("SELECT to_regnamespace($1)", SCHEMA) is None
    assert await connection.fetchval("SELECT count(*) FROM identifiers") == ROWS


async def test_a_wrong_number_of_rows_is_not_measured(registry_database: str, connection: Any) -> None:
    with pytest.raises(ValueError, match="not 4501"):
        await raw_copy_s(registry_database, PREFIX, ROWS + 1)


async def test_the_tables_have_the_partitions_and_indexes_of_the_real_ones(connection: Any) -> None:
    shape = (
        "SELECT c.relname, c.relkind::text, pg_get_expr(c.relpartbound, c.oid),"
        " (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid),"
        " (SELECT count(*) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f'))"
        " FROM pg_class c WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p')"
        " AND (c.relname ~ '^identifiers' OR c.relname ~ '^journal(_default)?$') ORDER BY 1"
    )
    await _make_tables(connection)
    copies = await connection.fetch(shape, SCHEMA)
    assert len(copies) > 17
    assert copies == await connection.fetch(shape, "public")
