"""The table `enterprises`: who prefixes belong to."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from dataclasses import dataclass
from datetime import datetime

from registry.database import Connection

_COLUMNS = "id, name, state, created_at, updated_at"
_INSERT = "INSERT INTO enterprises (id, name, created_at, updated_at) VALUES ($1, $2, $3, $3)"
_BY_ID = f"SELECT {_COLUMNS} FROM enterprises WHERE id = $1"
_BY_NAME = f"SELECT {_COLUMNS} FROM enterprises WHERE name = $1"


@dataclass(frozen=True, slots=True)
class Enterprise:
    """One enterprise."""

    id: str
    name: str
    state: str
    created_at: datetime
    updated_at: datetime


async def insert(connection: Connection, enterprise_id: str, name: str, now: datetime) -> Enterprise:
    """Add an enterprise; its name is unique."""
    await connection.execute(_INSERT, enterprise_id, name, now)
    return Enterprise(enterprise_id, name, "active", now, now)


async def by_id(connection: Connection, enterprise_id: str) -> Enterprise | None:
    """Return the enterprise with an id."""
    row = await connection.fetchrow(_BY_ID, enterprise_id)
    return Enterprise(*row.values()) if row else None


async def by_name(connection: Connection, name: str) -> Enterprise | None:
    """Return the enterprise with a name."""
    row = await connection.fetchrow(_BY_NAME, name)
    return Enterprise(*row.values()) if row else None
