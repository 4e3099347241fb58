"""The border to PostgreSQL: the registry's pool and connections, and the one error that means "not now"."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import asyncpg

from registry import database as registry_database
from registry.database import Connection, Pool
from registry.errors import RegistryError

__all__ = ["Connection", "DatabaseAway", "Pool", "away", "connected", "open_pool", "storable", "transaction"]

CONNECTIONS_MAX: Final = 6
"""Statements are short and the network is slow, so a few connections carry all streams."""

# What the driver says when a server is gone, stopping, starting, failing over, or out of something.
_AWAY: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server ended the connection between two of our statements
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.InvalidTransactionStateError,  # a time-out of the server's
)


class DatabaseAway(Exception):  # noqa: N818 - a state of the world to wait out, not a defect
    """PostgreSQL cannot serve us now. Nothing is lost: whatever was not committed is done again."""


@contextmanager
def away() -> Iterator[None]:
    """Turn whatever passes by itself into DatabaseAway."""
    try:
        yield
    except (RegistryError, *_AWAY) as error:
        raise DatabaseAway(f"PostgreSQL: {error or type(error).__name__}") from error


async def open_pool(dsn: str) -> Pool:
    """Make the pool; it connects when first used."""
    return await registry_database.open_pool(dsn, connections_max=CONNECTIONS_MAX)


@asynccontextmanager
async def connected(pool: Pool) -> AsyncIterator[Connection]:
    """Lend a connection of the pool; raises DatabaseAway."""
    with away():
        async with registry_database.connected(pool) as connection:
            yield connection


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Lend a connection inside a transaction that commits when the block ends without an error."""
    async with connected(pool) as connection, connection.transaction():
        yield connection


def storable(text: str, characters_max: int = 500) -> str:
    """Return foreign text as PostgreSQL can keep it: bounded, and without the one character it cannot hold."""
    return text[:characters_max].replace("\x00", "\ufffd")
