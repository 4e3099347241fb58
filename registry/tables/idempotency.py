"""The table `idempotency_keys`: answers to changes that were made, to be given again to a repeated request."""

from datetime import datetime
from typing import TYPE_CHECKING

from registry.database import Connection

if TYPE_CHECKING:
    import asyncpg

_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 1))"
_FIND = """
SELECT request_sha256, answer FROM idempotency_keys
WHERE account_id = $1 AND key = $2 AND created_at > $3 AND (answer <> '' OR created_at > $4)"""
_KEEP = """
INSERT INTO idempotency_keys (account_id, key, request_sha256, answer, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id, key) DO UPDATE
SET (request_sha256, answer, created_at) = (excluded.request_sha256, excluded.answer, excluded.created_at)"""
_FORGET = "DELETE FROM idempotency_keys WHERE account_id = $1 AND key = $2"
_PURGE = "DELETE FROM idempotency_keys WHERE created_at <= $1"


async def lock(connection: Connection, account: str, key: str) -> bool:
    """Take the key for this transaction; False while another transaction has it."""
    return bool(await connection.fetchval(_LOCK, f"{account} {key}"))


async def find(
    connection: Connection, account: str, key: str, kept_since: datetime, begun_since: datetime
) -> tuple[bytes, str] | None:
    """Return the hash of the request made with a key and the answer to it, unless it is too old.

    The answer is empty while the request is being carried out; from one begun before `begun_since` none is to come.
    """
    row: asyncpg.Record | None = await connection.fetchrow(_FIND, account, key, kept_since, begun_since)
    return (row["request_sha256"], row["answer"]) if row else None


async def keep(
    connection: Connection, account: str, key: str, request_sha256: bytes, answer: str, now: datetime
) -> None:
    """Keep an answer, in the transaction of the change it reports."""
    await connection.execute(_KEEP, account, key, request_sha256, answer, now)


async def forget(connection: Connection, account: str, key: str) -> None:
    """Let a key be used as if it never was."""
    await connection.execute(_FORGET, account, key)


async def purge(connection: Connection, kept_since: datetime) -> None:
    """Forget the answers that are too old."""
    await connection.execute(_PURGE, kept_since)
