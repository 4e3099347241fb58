"""The tables `templates` and `template_items`: what records of a kind look like."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from registry.database import Connection

_COLUMNS = "id, code, name, enterprise_id, state, created_at, updated_at"
_INSERT = """
INSERT INTO templates (code, name, enterprise_id, created_at, updated_at) VALUES ($1, $2, $3, $4, $4) RETURNING id"""
_INSERT_ITEM = """
INSERT INTO template_items (template_id, index, name, type, format, required, length_min, length_max)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""
_BY_CODE = f"SELECT {_COLUMNS} FROM templates WHERE code = $1"
_ITEMS = """
SELECT template_id, index, name, type, format, required, length_min, length_max
FROM template_items WHERE template_id = ANY($1::bigint[]) ORDER BY template_id, index"""
_PAGE = f"""
SELECT {_COLUMNS} FROM templates
WHERE code > $1 AND ($2::text IS NULL OR enterprise_id = $2 OR enterprise_id IS NULL)
ORDER BY code LIMIT $3"""
_WITHDRAW = "UPDATE templates SET state = 'withdrawn', updated_at = $2 WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Item:
    """One value a record of the template has: at this index, of this type, in this format. Lengths in characters."""

    index: int
    name: str
    type: str
    format: str
    required: bool
    length_min: int | None
    length_max: int | None


@dataclass(frozen=True, slots=True)
class Template:
    """One template; without an enterprise it is the node's own. Items are in the order of their indexes."""

    id: int
    code: str
    name: str
    enterprise: str | None
    state: str
    created_at: datetime
    updated_at: datetime
    items: tuple[Item, ...]


async def insert(
    connection: Connection, *, code: str, name: str, enterprise: str | None, items: Sequence[Item], now: datetime
) -> Template:
    """Add a template; its code is unique."""
    template_id = int(await connection.fetchval(_INSERT, code, name, enterprise, now))
    await connection.executemany(
        _INSERT_ITEM,
        [
            (
                template_id,
                item.index,
                item.name,
                item.type,
                item.format,
                item.required,
                item.length_min,
                item.length_max,
            )
            for item in items
        ],
    )
    return Template(template_id, code, name, enterprise, "active", now, now, tuple(items))


async def by_code(connection: Connection, code: str) -> Template | None:
    """Return the template with a code."""
    found = await _with_items(connection, await connection.fetch(_BY_CODE, code))
    return found[0] if found else None


async def page(connection: Connection, after: str, limit: int, enterprise: str | None = None) -> list[Template]:
    """Return the next templates in the order of their codes: all, or one enterprise's and the node's own."""
    return await _with_items(connection, await connection.fetch(_PAGE, after, enterprise, limit))


async def withdraw(connection: Connection, template_id: int, now: datetime) -> None:
    """Let no new record use a template."""
    await connection.execute(_WITHDRAW, template_id, now)


async def _with_items(connection: Connection, rows: Sequence[asyncpg.Record]) -> list[Template]:
    items: dict[int, list[Item]] = {row["id"]: [] for row in rows}
    for template_id, *columns in await connection.fetch(_ITEMS, list(items)) if items else []:
        items[template_id].append(Item(*columns))
    return [
        Template(
            row["id"],
            row["code"],
            row["name"],
            row["enterprise_id"],
            row["state"],
            row["created_at"],
            row["updated_at"],
            tuple(items[row["id"]]),
        )
        for row in rows
    ]
