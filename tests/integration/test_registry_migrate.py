"""Migrations: a fresh database, a repeated run, a changed file, two processes at once."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from registry.authority import Principal
from registry.migrate import MIGRATIONS, MigrationError, migrate, read_migrations
from registry.service.accounts import authenticate
from registry.tables import accounts


@asynccontextmanager
async def connection(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    opened = await asyncpg.connect(dsn)
    try:
        yield opened
    finally:
        await opened.close()


async def test_a_fresh_database_gets_every_migration_and_a_second_run_does_nothing(database: str) -> None:
    async with connection(database) as empty:
        assert await migrate(empty) == [migration.name for migration in read_migrations(MIGRATIONS)]
        assert await migrate(empty) == []
        assert await empty.fetchval("SELECT count(*) FROM identifiers") == 0


async def test_two_processes_at_once_apply_each_migration_once(database: str) -> None:
    async with connection(database) as one, connection(database) as other:
        applied = await asyncio.gather(migrate(one), migrate(other))
    assert sorted(map(len, applied)) == [0, len(read_migrations(MIGRATIONS))]


async def test_an_applied_file_that_was_edited_is_found(database: str, tmp_path: Path) -> None:
    file = tmp_path / "0001_things.sql"
    file.write_text("CREATE TABLE things (id int);")
    async with connection(database) as opened:
        await migrate(opened, "test", tmp_path)
        file.write_text("CREATE TABLE things (id bigint);")
        (tmp_path / "0002_more.sql").write_text("CREATE TABLE more (id int);")
        with pytest.raises(MigrationError, match="0001_things was applied with other contents"):
            await migrate(opened, "test", tmp_path)
        assert await opened.fetchval("SELECT to_regclass('more')") is None


async def test_a_file_that_fails_is_undone_and_those_before_it_stay(database: str, tmp_path: Path) -> None:
    (tmp_path / "0001_good.sql").write_text("CREATE TABLE good (id int);")
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE half (id int); SELECT * FROM nowhere;")
    async with connection(database) as opened:
        with pytest.raises(MigrationError, match=r"0002_bad failed and was undone.*nowhere"):
            await migrate(opened, "test", tmp_path)
        assert await opened.fetchval("SELECT to_regclass('good')") == "good"
        assert await opened.fetchval("SELECT to_regclass('half')") is None
        (tmp_path / "0002_bad.sql").write_text("CREATE TABLE half (id int);")
        assert await migrate(opened, "test", tmp_path) == ["bad"]


async def test_components_count_for_themselves(database: str, tmp_path: Path) -> None:
    (tmp_path / "0001_other.sql").write_text("CREATE TABLE other (id int);")
    async with connection(database) as opened:
        await migrate(opened)
        assert await migrate(opened, "other", tmp_path) == ["other"]


async def test_a_version_of_a_newer_release_is_left_alone(database: str, tmp_path: Path) -> None:
    (tmp_path / "0001_known.sql").write_text("CREATE TABLE known (id int);")
    newer = tmp_path / "0002_newer.sql"
    newer.write_text("CREATE TABLE newer (id int);")
    async with connection(database) as opened:
        await migrate(opened, "test", tmp_path)
        newer.unlink()
        assert await migrate(opened, "test", tmp_path) == []


@pytest.mark.parametrize(
    ("names", "reason"),
    [(["1_short.sql"], "name it NNNN"), (["0001_a.sql", "0001_b.sql"], "used twice")],
)
def test_names_that_give_no_order_are_refused(tmp_path: Path, names: list[str], reason: str) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=reason):
        read_migrations(tmp_path)


async def test_accounts_and_tokens_made_before_they_had_kinds_and_states_count_on(
    database: str, tmp_path: Path
) -> None:
    for migration in MIGRATIONS.glob("000[1-7]_*.sql"):
        (tmp_path / migration.name).write_text(migration.read_text())
    async with connection(database) as opened:
        await migrate(opened, directory=tmp_path)
        await opened.execute(
            "INSERT INTO accounts (id, role, created_at) VALUES ('acc_1', 'administrator', '2026-01-01');"
            "INSERT INTO api_tokens (id, account_id, token_sha256, label, created_at) "
            f"VALUES ('tok_1', 'acc_1', '\\x{hashlib.sha256(b'idn_old').hexdigest()}', 'x', '2026-01-01')"
        )
        await migrate(opened)
        account = await accounts.account(opened, "acc_1")
        principal = await authenticate(opened, "idn_old", datetime.now(UTC))
    assert account is not None
    assert (account.kind, account.state, account.updated_at) == ("token", "active", account.created_at)
    assert principal == Principal("acc_1", "administrator", None, None)
