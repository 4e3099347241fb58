"""A database from before enterprises applied: what is in it goes on as it was."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from registry.migrate import MIGRATIONS, migrate, read_migrations
from registry.tables import enterprises

BEFORE = 8
NOW = datetime(2025, 11, 22, tzinfo=UTC)


async def test_enterprises_of_an_older_database_go_on_working(database: str, tmp_path: Path) -> None:
    for path in MIGRATIONS.glob("*.sql"):
        if int(path.name[:4]) < BEFORE:
            shutil.copy(path, tmp_path)
    connection = await asyncpg.connect(database)
    try:
        await migrate(connection, directory=tmp_path)
        await connection.executemany(
            "INSERT INTO enterprises (id, name, state, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)",
            [("ent_1", "Pumps", "active", NOW), ("ent_2", "Valves", "withdrawn", NOW)],
        )
        assert await migrate(connection) == [one.name for one in read_migrations(MIGRATIONS) if one.version >= BEFORE]
        kept = await enterprises.by_id(connection, "ent_1")
        assert kept is not None
        assert (kept.name, kept.state, kept.version, kept.details, kept.hosted) == ("Pumps", "active", 1, None, True)
        gone = await enterprises.by_id(connection, "ent_2")
        assert gone is not None
        assert {kept.number, gone.number} == {1, 2}
        assert await enterprises.by_name(connection, "Valves") is None
        again = await enterprises.insert(connection, "ent_3", "Valves", NOW)
        assert (again.state, again.number) == ("active", 3)
    finally:
        await connection.close()
