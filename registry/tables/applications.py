"""The table `applications`: what is built on identifiers, by the node and by its enterprises (tables T5 and T10)."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from dataclasses import dataclass
from datetime import datetime

from registry.database import Connection

_COLUMNS = """
a.id, p.enterprise_id, a.enterprise_prefix, a.app_name, a.app_type, a.app_intro, a.app_users, a.recursive_service,
a.app_developer, a.created_at, a.updated_at, a.ended_at"""
_FROM = "FROM applications AS a LEFT JOIN prefixes AS p ON p.prefix = a.enterprise_prefix"
_INSERT = """
INSERT INTO applications
    (id, enterprise_prefix, app_name, app_type, app_intro, app_users, recursive_service, app_developer,
     created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)"""
_UPDATE = """
UPDATE applications
SET enterprise_prefix = $2, app_name = $3, app_type = $4, app_intro = $5, app_users = $6, recursive_service = $7,
    app_developer = $8, updated_at = $9, ended_at = $10
WHERE id = $1"""
_BY_ID = f"SELECT {_COLUMNS} {_FROM} WHERE a.id = $1"
_PAGE = f"""
SELECT {_COLUMNS} {_FROM}
WHERE a.id > $1 AND ($2::text IS NULL OR p.enterprise_id = $2) ORDER BY a.id LIMIT $3"""
_COUNT = f"SELECT count(*) {_FROM} WHERE p.enterprise_id IS NOT DISTINCT FROM $1 AND a.ended_at IS NULL"


@dataclass(frozen=True, slots=True)
class Application:
    """One application. `enterprise` has its prefix; without one it is the node's own. Field names are those reported.

    `ended_at`: it is not active any more, and reported for the last time for that month.
    """

    id: str
    enterprise: str | None
    enterprise_prefix: str | None
    app_name: str
    app_type: int
    app_intro: str
    app_users: int
    recursive_service: str
    app_developer: str
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None


async def insert(connection: Connection, application: Application) -> None:
    """Add an application."""
    one = application
    await connection.execute(_INSERT, one.id, *_fields(one), one.created_at)


async def update(connection: Connection, application: Application) -> None:
    """Store what may change of an application."""
    one = application
    await connection.execute(_UPDATE, one.id, *_fields(one), one.updated_at, one.ended_at)


async def by_id(connection: Connection, application_id: str) -> Application | None:
    """Return the application with an id."""
    row = await connection.fetchrow(_BY_ID, application_id)
    return Application(*row.values()) if row else None


async def page(connection: Connection, after: str, limit: int, enterprise: str | None = None) -> list[Application]:
    """Return the next applications in the order of their ids, of one enterprise or of all; ended ones too."""
    return [Application(*row.values()) for row in await connection.fetch(_PAGE, after, enterprise, limit)]


async def count_active(connection: Connection, enterprise: str | None) -> int:
    """Count the applications of an enterprise (None: of the node) that have not ended."""
    return int(await connection.fetchval(_COUNT, enterprise))


def _fields(one: Application) -> tuple[object, ...]:
    return (
        one.enterprise_prefix,
        one.app_name,
        one.app_type,
        one.app_intro,
        one.app_users,
        one.recursive_service,
        one.app_developer,
    )
