"""Brings a database to the schema this code needs: numbered SQL files, each applied once, in order."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import asyncpg

MIGRATIONS = Path(__file__).with_name("migrations")

_FILE_NAME = re.compile(r"([0-9]{4})_([a-z0-9_]+)\.sql")
_LOCK = 0x69646E6F6465  # "idnode": one migration at a time, whatever the component

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    component   text        NOT NULL,
    version     integer     NOT NULL,
    name        text        NOT NULL,
    sha256      text        NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (component, version)
)"""
_APPLIED = "SELECT version, name, sha256 FROM schema_migrations WHERE component = $1"
_RECORD = "INSERT INTO schema_migrations (component, version, name, sha256) VALUES ($1, $2, $3, $4)"


class MigrationError(Exception):
    """The files and the database do not belong together; nothing more was applied."""


class Migration(NamedTuple):
    """One file. The number orders them; the hash shows that an applied one was edited afterwards."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The hash of the text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


async def migrate(
    connection: "asyncpg.Connection[asyncpg.Record]", component: str = "registry", directory: Path = MIGRATIONS
) -> list[str]:
    """Apply what is missing, one transaction a file, and return the names applied.

    Safe to run from several processes at once: the second waits for the first. Versions in the database that this
    code does not know are left alone, as a newer release may share the database for a while. Raises `MigrationError`
    when an applied file has changed, a number is used twice, or a file fails.
    """
    wanted = read_migrations(directory)
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        await connection.execute(_CREATE_TABLE)
        applied = {row["version"]: row for row in await connection.fetch(_APPLIED, component)}
        for migration in wanted:
            if (row := applied.get(migration.version)) is not None:
                _check_unchanged(migration, row["sha256"])
        missing = [migration for migration in wanted if migration.version not in applied]
        for migration in missing:
            await _apply(connection, component, migration)
        return [migration.name for migration in missing]
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


def read_migrations(directory: Path) -> list[Migration]:
    """Return the migrations of a directory in order. Raises `MigrationError` for names that do not order them."""
    found: dict[int, Migration] = {}
    for path in sorted(directory.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path}: name it NNNN_what_it_does.sql")
        version = int(match[1])
        if version in found:
            raise MigrationError(f"{path}: number {version:04d} is used twice; give it the next free number")
        found[version] = Migration(version, match[2], path.read_text(encoding="utf-8"))
    return list(found.values())


def _check_unchanged(migration: Migration, sha256: str) -> None:
    if sha256 != migration.sha256:
        raise MigrationError(
            f"migration {migration.version:04d}_{migration.name} was applied with other contents: "
            "restore the file, and put the change into a new one"
        )


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", component: str, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(_RECORD, component, migration.version, migration.name, migration.sha256)
    except asyncpg.PostgresError as error:
        raise MigrationError(
            f"migration {migration.version:04d}_{migration.name} failed and was undone: {error}"
        ) from error
