"""Bringing a database to what the node needs."""

from pathlib import Path

import asyncpg
import pytest

from node import database as node_database
from node.database import prepare_database
from node.errors import DatabaseError


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_a_new_database_gets_its_tables_and_one_administrator(database: str, tmp_path: Path) -> None:
    file = tmp_path / "admin-token"
    token = await prepare_database(database, file)
    assert token is not None
    assert file.read_text() == token + "\n"
    assert file.stat().st_mode & 0o777 == 0o600
    connection = await asyncpg.connect(database)
    components = await connection.fetch("SELECT DISTINCT component FROM schema_migrations ORDER BY 1")
    await connection.close()
    assert [row["component"] for row in components] == ["registry", "sync"]


async def test_a_second_start_changes_nothing(database: str, tmp_path: Path) -> None:
    file = tmp_path / "admin-token"
    token = await prepare_database(database, file)
    assert await prepare_database(database, file) is None
    assert file.read_text() == f"{token}\n"


async def test_an_older_token_file_is_replaced_whole_and_private(database: str, tmp_path: Path) -> None:
    file = tmp_path / "admin-token"
    file.write_text("old and open")
    file.chmod(0o644)
    token = await prepare_database(database, file)
    assert file.read_text() == f"{token}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path) == ["admin-token"]


async def test_a_token_that_cannot_be_written_leaves_no_administrator(database: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be prepared"):
        await prepare_database(database, tmp_path / "absent" / "admin-token")
    assert await prepare_database(database, tmp_path / "admin-token") is not None


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:hunter2@127.0.0.1:1/none",
        "postgresql://u:hunter2@no-such-host.invalid/x",
        "postgresql:///?port=x",
    ],
)
async def test_a_database_out_of_reach_is_told_without_its_password(dsn: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"cannot be reached: .*check database\.dsn") as caught:
        await prepare_database(dsn, tmp_path / "admin-token")
    assert "hunter2" not in str(caught.value)


async def test_a_server_that_is_too_old_is_refused(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_database, "OLDEST_VERSION", 990_000)
    with pytest.raises(DatabaseError, match="this needs 99 or newer: upgrade the server"):
        await prepare_database(database, tmp_path / "admin-token")


async def test_a_database_that_was_migrated_differently_is_refused(database: str, tmp_path: Path) -> None:
    await prepare_database(database, tmp_path / "admin-token")
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE schema_migrations SET sha256 = 'other' WHERE version = 1")
    await connection.close()
    with pytest.raises(DatabaseError, match="cannot be migrated"):
        await prepare_database(database, tmp_path / "admin-token")
