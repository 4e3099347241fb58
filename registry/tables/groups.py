"""The tables `groups` and `group_members`: accounts and enterprises that are granted something together."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from registry.database import Connection

GroupState = Literal["active", "withdrawn"]

_COLUMNS = "g.id, g.name, g.description, g.enterprise_id, g.state, g.created_at, g.updated_at"
_INSERT = """
INSERT INTO groups (id, name, description, enterprise_id, state, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""
_UPDATE = "UPDATE groups SET name = $2, description = $3, state = $4, updated_at = $5 WHERE id = $1"
_BY_ID = f"SELECT {_COLUMNS} FROM groups AS g WHERE g.id = $1"
_BY_NAME = f"""
SELECT {_COLUMNS} FROM groups AS g
WHERE coalesce(g.enterprise_id, '') = coalesce($1::text, '') AND g.name = $2 AND g.state = 'active'"""
_PAGE = f"""
SELECT {_COLUMNS} FROM groups AS g
WHERE g.id > $1 AND g.state = 'active' AND ($3 OR g.enterprise_id = $4 OR EXISTS (
    SELECT FROM group_members AS m
    WHERE m.group_id = g.id AND (m.account_id = $5 OR m.enterprise_id = $4)))
ORDER BY g.id LIMIT $2"""
_IS_IN = """
SELECT EXISTS (
    SELECT FROM group_members WHERE group_id = $1 AND (account_id = $2 OR enterprise_id = $3::text))"""
_MEMBERS = """
SELECT account_id, enterprise_id FROM group_members WHERE group_id = $1 ORDER BY account_id, enterprise_id"""
_ADD = """
INSERT INTO group_members (group_id, account_id, enterprise_id)
SELECT $1, nullif(member.account_id, ''), nullif(member.enterprise_id, '')
FROM unnest($2::text[], $3::text[]) AS member (account_id, enterprise_id)
ON CONFLICT DO NOTHING"""
_REMOVE = """
DELETE FROM group_members WHERE group_id = $1 AND (account_id = ANY($2::text[]) OR enterprise_id = ANY($3::text[]))"""
_CLEAR = "DELETE FROM group_members WHERE group_id = $1"


@dataclass(frozen=True, slots=True)
class Group:
    """One group; without an enterprise it is the node's own."""

    id: str
    name: str
    description: str
    enterprise: str | None
    state: GroupState
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """One member: an account, or an enterprise with all its accounts."""

    account: str | None
    enterprise: str | None


async def insert(connection: Connection, group: Group) -> None:
    """Add a group."""
    await connection.execute(
        _INSERT,
        group.id,
        group.name,
        group.description,
        group.enterprise,
        group.state,
        group.created_at,
        group.updated_at,
    )


async def update(connection: Connection, group: Group) -> None:
    """Store a group over what was stored of it."""
    await connection.execute(_UPDATE, group.id, group.name, group.description, group.state, group.updated_at)


async def by_id(connection: Connection, group_id: str) -> Group | None:
    """Return the group with an id, withdrawn or not."""
    row = await connection.fetchrow(_BY_ID, group_id)
    return Group(*row.values()) if row else None


async def by_name(connection: Connection, enterprise: str | None, name: str) -> Group | None:
    """Return the group that is called so among those of an enterprise, or among the node's own."""
    row = await connection.fetchrow(_BY_NAME, enterprise, name)
    return Group(*row.values()) if row else None


async def page(
    connection: Connection, after: str, limit: int, *, everything: bool, enterprise: str | None, account: str
) -> list[Group]:
    """Return the next groups in the order of their ids: all, or those of an enterprise and those it or one is in."""
    rows = await connection.fetch(_PAGE, after, limit, everything, enterprise, account)
    return [Group(*row.values()) for row in rows]


async def is_in(connection: Connection, group_id: str, account: str, enterprise: str | None) -> bool:
    """Whether an account is a member, itself or with its enterprise."""
    return bool(await connection.fetchval(_IS_IN, group_id, account, enterprise))


async def members(connection: Connection, group_id: str) -> list[Member]:
    """Return the members of a group, accounts first."""
    return [Member(*row.values()) for row in await connection.fetch(_MEMBERS, group_id)]


async def add(connection: Connection, group_id: str, accounts: Sequence[str], enterprises: Sequence[str]) -> None:
    """Add members; those who are members already stay so."""
    nobody = [""]
    await connection.execute(
        _ADD,
        group_id,
        [*accounts, *nobody * len(enterprises)],
        [*nobody * len(accounts), *enterprises],
    )


async def remove(connection: Connection, group_id: str, accounts: Sequence[str], enterprises: Sequence[str]) -> None:
    """Remove members; those who are none are none."""
    await connection.execute(_REMOVE, group_id, accounts, enterprises)


async def clear(connection: Connection, group_id: str) -> None:
    """Remove all members."""
    await connection.execute(_CLEAR, group_id)
