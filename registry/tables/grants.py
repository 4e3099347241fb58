"""The table `grants`: who may read or write values that are not for everyone."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from identifiers.changes import ObjectKind, Right, SubjectKind
from registry.database import Connection

_COLUMNS: Final = """
id, enterprise_id, subject_kind, subject, object_kind, object_key, object_name, indexes, access, granted_by,
created_at, expires_at, revoked_at"""
_COUNTS: Final = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)"
_INSERT = f"INSERT INTO grants ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
_BY_ID = f"SELECT {_COLUMNS} FROM grants WHERE id = $1"
_REVOKE = "UPDATE grants SET revoked_at = $2 WHERE id = $1"
_OF_PAIR = f"SELECT {_COLUMNS} FROM grants WHERE {_COUNTS} AND subject = $2 AND object_key = $3 ORDER BY id"
_FOR_SUBJECTS = """
SELECT object_kind, object_key, indexes FROM grants
WHERE subject = ANY($1::text[]) AND object_key = ANY($2::text[]) AND enterprise_id = $3 AND access = $4
  AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"""
_OF_TEMPLATES = f"""
SELECT {_COLUMNS} FROM grants
WHERE {_COUNTS} AND object_kind = 'template' AND object_key = ANY($2::text[])
  AND ($3::text IS NULL OR enterprise_id = $3)
ORDER BY id"""
_GROUPS_OF = """
SELECT group_id FROM group_members WHERE account_id = $1
UNION
SELECT group_id FROM group_members WHERE enterprise_id = $2"""
_SUBJECT_EXISTS: Final[dict[SubjectKind, str]] = {
    "account": "SELECT EXISTS (SELECT FROM accounts WHERE id = $1)",
    "group": "SELECT EXISTS (SELECT FROM groups WHERE id = $1 AND state = 'active')",
    "enterprise": "SELECT EXISTS (SELECT FROM enterprises WHERE id = $1)",
}
_PAGE = f"""
SELECT {_COLUMNS} FROM grants
WHERE id > $2
  AND ($3::text IS NULL OR enterprise_id = $3 OR subject = ANY($4::text[]))
  AND ($5::text IS NULL OR object_key = $5)
  AND ($6::text IS NULL OR subject = $6)
  AND ($7::boolean OR ({_COUNTS}))
ORDER BY id LIMIT $8"""
_STANDING_PAGE = f"""
SELECT {_COLUMNS} FROM grants
JOIN (
    SELECT subject, object_key FROM grants
    WHERE {_COUNTS} AND (subject, object_key) > ($2, $3)
    GROUP BY subject, object_key
    ORDER BY subject, object_key LIMIT $4
) AS pairs USING (subject, object_key)
WHERE {_COUNTS}
ORDER BY subject, object_key, id"""


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant. `enterprise` is whose records it opens; `indexes` None: every value, of a template every item.

    `object_key` is a record's key or a template's code, `object_name` what people call it.
    """

    id: str
    enterprise: str
    subject_kind: SubjectKind
    subject: str
    object_kind: ObjectKind
    object_key: str
    object_name: str
    indexes: list[int] | None
    right: Right
    granted_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def parties(self) -> tuple[str, str]:
        """The ids that the journal and the replica file the grant under: subject and object."""
        return self.subject, self.object_key


@dataclass(frozen=True, slots=True)
class Filter:
    """Which grants a list has. `party`: only those an enterprise gave, or that one of `received_by` (ids) received."""

    party: str | None = None
    received_by: Sequence[str] = ()
    object_key: str | None = None
    subject: str | None = None
    ended: bool = False
    """Also those that are revoked or have expired."""


async def insert(connection: Connection, grant: Grant) -> None:
    """Add a grant."""
    await connection.execute(
        _INSERT,
        grant.id,
        grant.enterprise,
        grant.subject_kind,
        grant.subject,
        grant.object_kind,
        grant.object_key,
        grant.object_name,
        grant.indexes,
        grant.right,
        grant.granted_by,
        grant.created_at,
        grant.expires_at,
        grant.revoked_at,
    )


async def by_id(connection: Connection, grant_id: str) -> Grant | None:
    """Return the grant with an id, whether it still counts or not."""
    row = await connection.fetchrow(_BY_ID, grant_id)
    return Grant(*row.values()) if row else None


async def revoke(connection: Connection, grant_id: str, now: datetime) -> None:
    """Make a grant count no more."""
    await connection.execute(_REVOKE, grant_id, now)


async def of_pair(connection: Connection, now: datetime, subject: str, object_key: str) -> list[Grant]:
    """Return the grants in force between a subject and an object, in the order of their ids."""
    return [Grant(*row.values()) for row in await connection.fetch(_OF_PAIR, now, subject, object_key)]


async def of_templates(
    connection: Connection, now: datetime, codes: Sequence[str], enterprise: str | None
) -> list[Grant]:
    """Return the grants in force on templates, all or those one enterprise gave, in the order of their ids."""
    return [Grant(*row.values()) for row in await connection.fetch(_OF_TEMPLATES, now, codes, enterprise)]


async def for_subjects(
    connection: Connection, subjects: Sequence[str], objects: Sequence[str], enterprise: str, right: Right
) -> list[tuple[ObjectKind, str, list[int] | None]]:
    """Return kind, key and indexes of what an enterprise's grants open now to any of the subjects."""
    rows = await connection.fetch(_FOR_SUBJECTS, subjects, objects, enterprise, right)
    return [(row["object_kind"], row["object_key"], row["indexes"]) for row in rows]


async def subjects_of(connection: Connection, account: str, enterprise: str | None) -> list[str]:
    """Return the ids a grant to an account may name: its own, its enterprise's, and those of the groups of either."""
    groups = [row["group_id"] for row in await connection.fetch(_GROUPS_OF, account, enterprise)]
    return [account, *groups, enterprise] if enterprise is not None else [account, *groups]


async def subject_exists(connection: Connection, kind: SubjectKind, subject: str) -> bool:
    """Say whether there is an account, a group in use or an enterprise with this id."""
    return bool(await connection.fetchval(_SUBJECT_EXISTS[kind], subject))


async def page(connection: Connection, now: datetime, after: str, limit: int, which: Filter) -> list[Grant]:
    """Return the next grants in the order of their ids."""
    rows = await connection.fetch(
        _PAGE,
        now,
        after,
        which.party,
        list(which.received_by),
        which.object_key,
        which.subject,
        which.ended,
        limit,
    )
    return [Grant(*row.values()) for row in rows]


async def standing(connection: Connection, now: datetime, after: tuple[str, str], pairs: int) -> list[list[Grant]]:
    """Return the grants in force of the next pairs (subject, object key), each pair's together."""
    found: dict[tuple[str, str], list[Grant]] = {}
    for row in await connection.fetch(_STANDING_PAGE, now, *after, pairs):
        grant = Grant(*row.values())
        found.setdefault((grant.subject, grant.object_key), []).append(grant)
    return list(found.values())
