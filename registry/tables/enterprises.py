"""The table `enterprises`: who prefixes belong to, what it states of itself, and what became of its application."""

# ruff: noqa: S608 - what is put into the statements is the column lists beside them

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from registry.database import Connection

_COLUMNS = """
id, name, state, created_at, updated_at, number, version, details, documents, proposed, hosted, org_id_type,
org_id_number, applicant_id, reason, verification, national, takeover_version, takeover_at, submitted_at, reviewed_at,
reviewer_id, suspended_prefixes"""
_INSERT = f"INSERT INTO enterprises (id, name, created_at, updated_at) VALUES ($1, $2, $3, $3) RETURNING {_COLUMNS}"
_INSERT_APPLICATION = f"""
INSERT INTO enterprises
    (id, name, state, created_at, updated_at, details, documents, hosted, org_id_type, org_id_number, applicant_id,
     takeover_version, takeover_at, submitted_at)
VALUES ($1, $2, 'applied', $3, $3, $4, $5, $6, $7, $8, $9, $10, $11, $3)
RETURNING {_COLUMNS}"""
_UPDATE = f"""
UPDATE enterprises
SET name = $2, state = $3, updated_at = $4, version = version + 1, details = $5, documents = $6, proposed = $7,
    hosted = $8, org_id_type = $9, org_id_number = $10, reason = $11, verification = $12, national = $13,
    takeover_version = $14, takeover_at = $15, submitted_at = $16, reviewed_at = $17, reviewer_id = $18,
    suspended_prefixes = $19
WHERE id = $1
RETURNING {_COLUMNS}"""
_BY_ID = f"SELECT {_COLUMNS} FROM enterprises WHERE id = $1"
_BY_NUMBER = f"SELECT {_COLUMNS} FROM enterprises WHERE number = $1"
_BY_NAME = f"SELECT {_COLUMNS} FROM enterprises WHERE name = $1 AND state <> 'withdrawn'"
_BY_CERTIFICATE = f"""
SELECT {_COLUMNS} FROM enterprises WHERE org_id_type = $1 AND org_id_number = $2 AND state <> 'withdrawn'"""
_BY_APPLICANT = f"""
SELECT {_COLUMNS} FROM enterprises WHERE applicant_id = $1 AND state <> 'withdrawn' ORDER BY number DESC LIMIT 1"""
_WANTED = """
($1::text IS NULL OR id = $1 OR applicant_id = $2) AND ($3::text IS NULL OR state = $3)
AND strpos(lower(name), lower($4)) > 0
AND ($5::timestamptz IS NULL OR created_at >= $5) AND ($6::timestamptz IS NULL OR created_at <= $6)"""
_PAGE = f"SELECT {_COLUMNS} FROM enterprises WHERE {_WANTED} AND id > $7 ORDER BY id LIMIT $8"
_NUMBERED_PAGE = f"SELECT {_COLUMNS} FROM enterprises WHERE {_WANTED} ORDER BY number DESC OFFSET $7 LIMIT $8"
_COUNT = f"SELECT count(*) FROM enterprises WHERE {_WANTED}"


@dataclass(frozen=True, slots=True)
class Enterprise:
    """One enterprise. `details`, `documents`, `proposed`, `verification` and `national` are JSON objects as text.

    `number` counts enterprises and names one to older clients; `version` counts the changes of the row.
    """

    id: str
    name: str
    state: str
    created_at: datetime
    updated_at: datetime
    number: int = 0
    version: int = 1
    details: str | None = None
    documents: str | None = None
    proposed: str | None = None
    hosted: bool = True
    org_id_type: int | None = None
    org_id_number: str | None = None
    applicant: str | None = None
    reason: str | None = None
    verification: str | None = None
    national: str | None = None
    takeover_version: str | None = None
    takeover_at: datetime | None = None
    submitted_at: datetime | None = None
    reviewed_at: datetime | None = None
    reviewer: str | None = None
    suspended_prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which enterprises a list is of; None and the empty text leave a side open.

    `only` and `applicant` bound it to one enterprise and those an account applied for; `name` is a part of a name; the
    instants bound the creation, inclusive.
    """

    only: str | None = None
    applicant: str | None = None
    state: str | None = None
    name: str = ""
    since: datetime | None = None
    until: datetime | None = None


async def insert(connection: Connection, enterprise_id: str, name: str, now: datetime) -> Enterprise:
    """Add an active enterprise that has stated nothing of itself yet; its name is unique."""
    return _from_row(await connection.fetchrow(_INSERT, enterprise_id, name, now))


async def insert_application(connection: Connection, enterprise: Enterprise) -> Enterprise:
    """Add an enterprise that applies; its name and its certificate are unique."""
    row = await connection.fetchrow(
        _INSERT_APPLICATION,
        enterprise.id,
        enterprise.name,
        enterprise.created_at,
        enterprise.details,
        enterprise.documents,
        enterprise.hosted,
        enterprise.org_id_type,
        enterprise.org_id_number,
        enterprise.applicant,
        enterprise.takeover_version,
        enterprise.takeover_at,
    )
    return _from_row(row)


async def update(connection: Connection, enterprise: Enterprise) -> Enterprise:
    """Store what may change of an enterprise, as its next version."""
    row = await connection.fetchrow(
        _UPDATE,
        enterprise.id,
        enterprise.name,
        enterprise.state,
        enterprise.updated_at,
        enterprise.details,
        enterprise.documents,
        enterprise.proposed,
        enterprise.hosted,
        enterprise.org_id_type,
        enterprise.org_id_number,
        enterprise.reason,
        enterprise.verification,
        enterprise.national,
        enterprise.takeover_version,
        enterprise.takeover_at,
        enterprise.submitted_at,
        enterprise.reviewed_at,
        enterprise.reviewer,
        enterprise.suspended_prefixes,
    )
    return _from_row(row)


async def by_id(connection: Connection, enterprise_id: str) -> Enterprise | None:
    """Return the enterprise with an id."""
    row = await connection.fetchrow(_BY_ID, enterprise_id)
    return _from_row(row) if row else None


async def by_number(connection: Connection, number: int) -> Enterprise | None:
    """Return the enterprise with a number."""
    row = await connection.fetchrow(_BY_NUMBER, number)
    return _from_row(row) if row else None


async def by_name(connection: Connection, name: str) -> Enterprise | None:
    """Return the enterprise with a name; withdrawn ones have none."""
    row = await connection.fetchrow(_BY_NAME, name)
    return _from_row(row) if row else None


async def by_certificate(connection: Connection, org_id_type: int, org_id_number: str) -> Enterprise | None:
    """Return the enterprise with a certificate; withdrawn ones have none."""
    row = await connection.fetchrow(_BY_CERTIFICATE, org_id_type, org_id_number)
    return _from_row(row) if row else None


async def by_applicant(connection: Connection, account: str) -> Enterprise | None:
    """Return the enterprise an account applied for last, unless it is withdrawn."""
    row = await connection.fetchrow(_BY_APPLICANT, account)
    return _from_row(row) if row else None


async def page(connection: Connection, wanted: Wanted, after: str, limit: int) -> list[Enterprise]:
    """Return the next enterprises in the order of their ids."""
    return [_from_row(row) for row in await connection.fetch(_PAGE, *_where(wanted), after, limit)]


async def numbered_page(
    connection: Connection, wanted: Wanted, offset: int, limit: int
) -> tuple[list[Enterprise], int]:
    """Return enterprises from a position on, newest first, and how many there are in all."""
    rows = await connection.fetch(_NUMBERED_PAGE, *_where(wanted), offset, limit)
    return [_from_row(row) for row in rows], int(await connection.fetchval(_COUNT, *_where(wanted)))


def _where(wanted: Wanted) -> tuple[object, ...]:
    return (wanted.only, wanted.applicant, wanted.state, wanted.name, wanted.since, wanted.until)


def _from_row(row: asyncpg.Record | None) -> Enterprise:
    assert row is not None  # noqa: S101 - enterprises are never deleted, and RETURNING gives a row
    values = dict(row)
    values["applicant"], values["reviewer"] = values.pop("applicant_id"), values.pop("reviewer_id")
    values["suspended_prefixes"] = tuple(values["suspended_prefixes"])
    return Enterprise(**values)
