"""Prefixes of a database that an earlier release made."""

import shutil
from pathlib import Path

import asyncpg

from registry.migrate import MIGRATIONS, migrate
from registry.tables import prefixes

FIRST_RELEASE = 7


async def test_prefixes_made_before_keep_their_state_and_get_a_hosting_state_and_a_number(
    database: str, tmp_path: Path
) -> None:
    for path in MIGRATIONS.glob("*.sql"):
        if int(path.name[:4]) <= FIRST_RELEASE:
            shutil.copy(path, tmp_path)
    connection = await asyncpg.connect(database)
    try:
        await migrate(connection, directory=tmp_path)
        await connection.execute(
            "INSERT INTO enterprises (id, name, created_at, updated_at) VALUES ('ent_1', 'Pumps', now(), now())"
        )
        await connection.executemany(
            "INSERT INTO prefixes (prefix, name, enterprise_id, state, hosting, created_at, updated_at) "
            "VALUES ($1, 'x', 'ent_1', $2, $3, now(), now())",
            [
                ("88.118", "active", "here"),
                ("88.118.8", "active", "here"),
                ("88.118.9", "suspended", "routed"),
                ("88.118.0010", "withdrawn", "here"),
            ],
        )
        await migrate(connection)
        page = await prefixes.page(connection, "", 9)
        rows = await connection.fetch("SELECT prefix, secondary, number FROM prefixes")
    finally:
        await connection.close()
    assert {one.prefix: (one.state, one.hosting, one.hosting_state) for one in page} == {
        "88.118": ("active", "here", "hosted"),
        "88.118.8": ("active", "here", "hosted"),
        "88.118.9": ("suspended", "routed", "not_hosted"),
        "88.118.0010": ("withdrawn", "here", "hosted"),
    }
    assert {(row["prefix"], row["secondary"], row["number"]) for row in rows} == {
        ("88.118", "88.118", None),
        ("88.118.8", "88.118", 8),
        ("88.118.9", "88.118", 9),
        ("88.118.0010", "88.118", None),
    }
