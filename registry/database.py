"""The border to PostgreSQL: the pool, lending connections, and what the driver's errors mean to a request."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from traceback import walk_tb
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from registry.errors import ChangedMeanwhile, Conflict, InvalidRequest, Unavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

CONNECT_TIMEOUT_S = 3.0
ACQUIRE_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 30.0

# A transaction of ours that hangs would hold back every reader of the journal, so the server ends it.
_SESSION = {
    "application_name": "idnode-registry",
    "jit": "off",
    "timezone": "UTC",
    "lock_timeout": "10s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
}

AWAY = (
    OSError,  # includes time-outs
    asyncpg.InterfaceError,  # the connection was lost under the statement
    asyncpg.InternalClientError,  # it was lost just before: the server's farewell is read, its end not yet noticed
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, failing over, statement timeout
    asyncpg.InsufficientResourcesError,  # too many connections, out of memory
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
READ_ONLY_STATE = "IDRO1"
"""The SQLSTATE with which the journal's trigger refuses changes during a take-over."""
_BENEATH_THE_DRIVER = sys.stdlib_module_names | {"uvloop"}
_AGAIN = "nothing is lost that was answered with success: wait a moment and send the request again"


async def connect(dsn: str, **session: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Open one connection for a reader of its own, with PostgreSQL's settings for it. Raises the driver's errors."""
    # Snapshots are long, and what a reader leaves idle it holds no row or place in the journal with.
    settings = _SESSION | {"statement_timeout": "0", "idle_in_transaction_session_timeout": "15min"} | session
    return await asyncpg.connect(
        dsn, timeout=CONNECT_TIMEOUT_S, command_timeout=COMMAND_TIMEOUT_S, server_settings=settings
    )


async def open_pool(dsn: str, *, connections_max: int = 16) -> Pool:
    """Make the pool. It connects when first used, so it can be made, and recovers, while PostgreSQL is away."""
    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=connections_max,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        max_inactive_connection_lifetime=300.0,
        target_session_attrs=asyncpg.connect_utils.SessionAttribute.read_write,
        server_settings=_SESSION,
        reset=_leave_as_it_is,
    )


async def _leave_as_it_is(connection: object) -> None:
    """Spare the driver's reset between two borrowers, a round trip as long as the shortest of our transactions.

    Nobody here sets session variables, listens, or takes locks that outlive a transaction; one left open by a
    cancelled borrower is rolled back before this is called.
    """


@asynccontextmanager
async def connected(pool: Pool) -> AsyncIterator[Connection]:
    """Lend a connection. Raises `Unavailable` for whatever may pass by itself, within the time-outs above.

    What the block has from elsewhere, such as a file that is missing, goes through as it is.
    """
    try:
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            yield connection
    except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError) as error:
        raise InvalidRequest("bad_char", "a text holds U+0000, which cannot be stored", remedy="remove it") from error
    except asyncpg.DiskFullError as error:
        raise Unavailable("database_full", "the database's disk is full", remedy="free or add disk space") from error
    except asyncpg.ReadOnlySQLTransactionError as error:
        # The old primary after a fail-over: none of these connections is of use any more.
        await pool.expire_connections()
        raise Unavailable("database_read_only", "the database takes no changes now", remedy=_AGAIN) from error
    except AWAY as error:
        if isinstance(error, OSError) and not _is_of_driver(error):
            raise
        raise Unavailable("database_away", "the database cannot be reached now", remedy=_AGAIN) from error
    except asyncpg.PostgresError as error:
        if error.sqlstate != READ_ONLY_STATE:
            raise
        raise Conflict(
            "read_only",
            "an emergency take-over is under way: another body serves for this node, and nothing is changed here",
            remedy="wait until the take-over has ended; look-ups go on",
        ) from error


def _is_of_driver(error: OSError) -> bool:
    """Tell whether the driver raised it: on the way out from where it was raised, its frames come before ours.

    A connection refused and a time-out have no type of the driver's own: they are what the socket or asyncio raised.
    """
    for frame, _ in reversed([*walk_tb(error.__traceback__)]):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in _BENEATH_THE_DRIVER:
            return package == asyncpg.__name__
    return False


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Lend a connection inside a transaction that commits when the block ends without an error.

    Raises `ChangedMeanwhile` when PostgreSQL gave the transaction up in favour of another one.
    """
    try:
        async with connected(pool) as connection, connection.transaction():
            yield connection
    except asyncpg.TransactionRollbackError as error:
        raise ChangedMeanwhile(str(error)) from error
