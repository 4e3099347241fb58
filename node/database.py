"""Brings the database to what this version needs, and gives a new one its first administrator."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import asyncpg

from node.addresses import masked_dsn
from node.errors import DatabaseError
from registry.bootstrap import ensure_administrator
from registry.migrate import MIGRATIONS, MigrationError, migrate
from sync.service import MIGRATIONS as SYNC_MIGRATIONS

OLDEST_VERSION = 150_000
_CONNECT_SECONDS_MAX = 10.0

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def prepare_database(dsn: str, token_file: Path) -> str | None:
    """Check the server, migrate, and make the first administrator; returns the token if it was made now.

    The token is in `token_file` before the transaction commits: a crash in between leaves a file that the next
    start replaces, never an administrator whose token nobody has. Raises `DatabaseError`.
    """
    async with _connected(dsn) as connection:
        await _check_version(connection, dsn)
        try:
            await migrate(connection, "registry", MIGRATIONS)
            await migrate(connection, "sync", SYNC_MIGRATIONS)
        except MigrationError as error:
            raise DatabaseError(f"the database at {masked_dsn(dsn)} cannot be migrated: {error}") from error
        async with connection.transaction():
            token = await ensure_administrator(connection)
            if token is not None:
                write_secret(token_file, token)
    return token


def write_secret(path: Path, secret: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Connection]:
    try:
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS_MAX)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseError(
            f"the database at {masked_dsn(dsn)} cannot be reached: {error or type(error).__name__}; "
            "check database.dsn and that the server runs"
        ) from error
    try:
        yield connection
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseError(f"the database at {masked_dsn(dsn)} cannot be prepared: {error}") from error
    finally:
        await connection.close()


async def _check_version(connection: Connection, dsn: str) -> None:
    version = int(await connection.fetchval("SHOW server_version_num"))
    if version < OLDEST_VERSION:
        raise DatabaseError(
            f"the database at {masked_dsn(dsn)} is PostgreSQL {version // 10_000}; "
            f"this needs {OLDEST_VERSION // 10_000} or newer: upgrade the server or name another"
        )
