"""The table `files`: uploaded documents, and the enterprise each belongs to."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.database import Connection

_COLUMNS = "id, rid, owner_id, name, media_type, octets, sha256, enterprise_id, created_at, bound_at"
_INSERT = f"""
INSERT INTO files (id, owner_id, name, media_type, octets, sha256, content, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING {_COLUMNS}"""
_BY_ID = f"SELECT {_COLUMNS} FROM files WHERE id = $1"
_BY_IDS = f"SELECT {_COLUMNS} FROM files WHERE id = ANY($1::text[]) FOR UPDATE"
_BY_RIDS = f"SELECT {_COLUMNS} FROM files WHERE rid = ANY($1::bigint[])"
_BY_CONTENT = f"""
SELECT {_COLUMNS} FROM files WHERE owner_id = $1 AND sha256 = $2 AND enterprise_id IS NULL LIMIT 1"""
_COUNT_UNBOUND = "SELECT count(*) FROM files WHERE owner_id = $1 AND enterprise_id IS NULL"
_CONTENT = "SELECT content FROM files WHERE id = $1"
_BIND = "UPDATE files SET enterprise_id = $2, bound_at = $3 WHERE id = ANY($1::text[]) AND enterprise_id IS NULL"
_FORGET = "DELETE FROM files WHERE enterprise_id IS NULL AND created_at < $1"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file without its content. `rid` names it to older clients; unbound, it has no enterprise."""

    id: str
    rid: int
    owner: str
    name: str
    media_type: str
    octets: int
    sha256: bytes
    enterprise: str | None
    created_at: datetime
    bound_at: datetime | None


async def insert(
    connection: Connection,
    *,
    file_id: str,
    owner: str,
    name: str,
    media_type: str,
    sha256: bytes,
    content: bytes,
    now: datetime,
) -> StoredFile:
    """Add a file that belongs to no enterprise yet."""
    row = await connection.fetchrow(_INSERT, file_id, owner, name, media_type, len(content), sha256, content, now)
    assert row is not None  # noqa: S101 - RETURNING gives a row or the statement has failed
    return StoredFile(*row.values())


async def by_id(connection: Connection, file_id: str) -> StoredFile | None:
    """Return the file with an id."""
    row = await connection.fetchrow(_BY_ID, file_id)
    return StoredFile(*row.values()) if row else None


async def by_ids(connection: Connection, file_ids: Sequence[str]) -> dict[str, StoredFile]:
    """Return those of the files that exist, locked until the end of the transaction."""
    return {row["id"]: StoredFile(*row.values()) for row in await connection.fetch(_BY_IDS, file_ids)}


async def by_rids(connection: Connection, rids: Sequence[int]) -> dict[int, StoredFile]:
    """Return those of the files that exist, by their numbers."""
    return {row["rid"]: StoredFile(*row.values()) for row in await connection.fetch(_BY_RIDS, rids)}


async def by_content(connection: Connection, owner: str, sha256: bytes) -> StoredFile | None:
    """Return an unbound file of an account with this content."""
    row = await connection.fetchrow(_BY_CONTENT, owner, sha256)
    return StoredFile(*row.values()) if row else None


async def count_unbound(connection: Connection, owner: str) -> int:
    """Count the files of an account that belong to no enterprise yet."""
    return int(await connection.fetchval(_COUNT_UNBOUND, owner))


async def content(connection: Connection, file_id: str) -> bytes | None:
    """Return the octets of a file."""
    found: bytes | None = await connection.fetchval(_CONTENT, file_id)
    return found


async def bind(connection: Connection, file_ids: Sequence[str], enterprise: str, now: datetime) -> None:
    """Let files belong to an enterprise; those that do already stay as they are."""
    await connection.execute(_BIND, file_ids, enterprise, now)


async def forget_unbound(connection: Connection, created_before: datetime) -> None:
    """Delete the files that nobody used."""
    await connection.execute(_FORGET, created_before)
