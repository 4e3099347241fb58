"""The tables `templates` and `template_items`: what records of a kind look like."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

import asyncpg
import orjson

from identifiers.values import RECORD_OCTETS_MAX, TextRule
from registry.database import Connection

DataType = Literal["string", "number", "date", "reference", "file", "image", "audio", "video"]
Domain = Literal["rnd", "production", "operation", "management", "external"]
ItemState = Literal["enabled", "disabled"]
State = Literal["draft", "published", "withdrawn"]

_COLUMNS = """
id, code, name, enterprise_id, state, created_at, updated_at, prefix, version, handle, name_en, industry, object_type,
description, standard, shared, master_data, copied_from"""
_INSERT = """
INSERT INTO templates (
    code, name, enterprise_id, state, created_at, updated_at, prefix, version, handle, name_en, industry, object_type,
    description, standard, shared, master_data, copied_from)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING id"""
_UPDATE = """
UPDATE templates
SET name = $2, state = $3, updated_at = $4, name_en = $5, industry = $6, object_type = $7, description = $8,
    standard = $9, shared = $10, master_data = $11
WHERE id = $1"""
_ITEM_COLUMNS = """
index, name, type, format, required, length_min, length_max, is_unique, searchable, state, data_type, number_min,
number_max, digits, decimals, date_format, reference_template, files_max, file_suffixes, domain, grade"""
_PUT_ITEM = f"""
INSERT INTO template_items (template_id, {_ITEM_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
ON CONFLICT (template_id, index) DO UPDATE SET
    name = excluded.name, type = excluded.type, format = excluded.format, required = excluded.required,
    length_min = excluded.length_min, length_max = excluded.length_max, is_unique = excluded.is_unique,
    searchable = excluded.searchable, state = excluded.state, data_type = excluded.data_type,
    number_min = excluded.number_min, number_max = excluded.number_max, digits = excluded.digits,
    decimals = excluded.decimals, date_format = excluded.date_format,
    reference_template = excluded.reference_template, files_max = excluded.files_max,
    file_suffixes = excluded.file_suffixes, domain = excluded.domain, grade = excluded.grade"""
_DELETE_ITEMS = "DELETE FROM template_items WHERE template_id = $1 AND index = ANY($2::integer[])"
_BY_CODE = f"SELECT {_COLUMNS} FROM templates WHERE code = $1"
_BY_VERSION = f"SELECT {_COLUMNS} FROM templates WHERE prefix = $1 AND version = $2 AND state <> 'withdrawn'"
_ITEMS = f"""
SELECT template_id, {_ITEM_COLUMNS}
FROM template_items WHERE template_id = ANY($1::bigint[]) ORDER BY template_id, index"""
_PAGE = f"""
SELECT {_COLUMNS} FROM templates
WHERE code > $1
  AND ($2::text IS NULL OR enterprise_id = $2 OR enterprise_id IS NULL OR (shared AND state = 'published'))
  AND ($4::text IS NULL OR state = $4)
  AND ($5::text IS NULL OR prefix = $5)
ORDER BY code LIMIT $3"""
_PAGE_FOLLOWED = f"""
SELECT {_COLUMNS} FROM templates
WHERE code > $1 AND ($2::text IS NULL OR enterprise_id = $2 OR enterprise_id IS NULL) AND state <> 'draft'
ORDER BY code LIMIT $3"""
_USED = "SELECT EXISTS (SELECT FROM identifiers WHERE template_id = $1 AND state = 'active')"
_COUNT_USERS = """
SELECT template_id, count(*) FROM identifiers
WHERE template_id = ANY($1::bigint[]) AND state = 'active'
  AND ($2::text IS NULL OR prefix_id IN (SELECT id FROM prefixes WHERE enterprise_id = $2))
GROUP BY template_id"""
_OF_PREFIX = f"SELECT {_COLUMNS} FROM templates WHERE prefix = $1 ORDER BY code"
_SET_OWNER = "UPDATE templates SET enterprise_id = $2, updated_at = $3 WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Item:
    """One value a record of the template has, found by its index; `type` is its English name, `name` the Chinese one.

    Lengths are in characters, `digits` counts all digits of a number and `decimals` those behind its point. `format`
    narrows strings; the rules of other data types have members of their own. None: no such limit.
    """

    index: int
    name: str
    type: str
    format: str = "text"
    required: bool = False
    length_min: int | None = None
    length_max: int | None = None
    unique: bool = False
    searchable: bool = False
    state: ItemState = "enabled"
    data_type: DataType = "string"
    number_min: Decimal | None = None
    number_max: Decimal | None = None
    digits: int | None = None
    decimals: int | None = None
    date_format: str | None = None
    reference_template: str | None = None
    files_max: int | None = None
    file_suffixes: tuple[str, ...] = ()
    domain: Domain = "external"
    grade: int = 1

    @property
    def enabled(self) -> bool:
        """Whether new values of the item are taken."""
        return self.state == "enabled"


@dataclass(frozen=True, slots=True)
class Template:
    """One template; without an enterprise it is the node's own. Items are in the order of their indexes.

    `master_data` maps columns of T9 to the types of the items that fill them; None: items named after a column fill
    it. The members behind it are made from the items: `grades` are those above 1, `required` the items that are
    required and enabled, `plain` the rules for enabled strings in the format text. `needs_unique`,
    `needs_search` and `needs_references` say whether some item's value must occur in one record only, can be searched
    for, or names another identifier.
    """

    id: int
    code: str
    name: str
    enterprise: str | None
    state: State
    created_at: datetime
    updated_at: datetime
    items: tuple[Item, ...]
    prefix: str | None = None
    version: str = "1"
    handle: str | None = None
    name_en: str = ""
    industry: tuple[str, str, str, str] | None = None
    object_type: int = 2
    description: str = ""
    standard: str = ""
    shared: bool = False
    master_data: Mapping[str, str] | None = None
    copied_from: str | None = None
    by_index: Mapping[int, Item] = field(init=False, repr=False, compare=False)
    grades: Mapping[int, int] = field(init=False, repr=False, compare=False)
    required: tuple[Item, ...] = field(init=False, repr=False, compare=False)
    required_indexes: frozenset[int] = field(init=False, repr=False, compare=False)
    plain: Mapping[int, TextRule] = field(init=False, repr=False, compare=False)
    needs_unique: bool = field(init=False, repr=False, compare=False)
    needs_search: bool = field(init=False, repr=False, compare=False)
    needs_references: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make what every check of a record needs once, not for each record."""
        items = self.items
        made = {
            "by_index": {item.index: item for item in items},
            "grades": {item.index: item.grade for item in items if item.grade > 1},
            "required": tuple(item for item in items if item.required and item.enabled),
            "required_indexes": frozenset(item.index for item in items if item.required and item.enabled),
            "plain": {item.index: _plain_limits(item) for item in items if _is_plain(item)},
            "needs_unique": any(item.unique for item in items),
            "needs_search": any(item.searchable for item in items),
            "needs_references": any(item.data_type == "reference" for item in items),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)


def _is_plain(item: Item) -> bool:
    return item.enabled and item.data_type == "string" and item.format == "text"


def _plain_limits(item: Item) -> TextRule:
    shortest = max(item.length_min or 0, int(item.required))
    return item.type, shortest, RECORD_OCTETS_MAX if item.length_max is None else item.length_max


async def insert(connection: Connection, template: Template) -> int:
    """Add a template with its items and return its id; `template.id` is not looked at.

    Raises asyncpg's UniqueViolationError when its code, or its version below the prefix, is in use.
    """
    template_id = int(
        await connection.fetchval(
            _INSERT,
            template.code,
            template.name,
            template.enterprise,
            template.state,
            template.created_at,
            template.updated_at,
            template.prefix,
            template.version,
            template.handle,
            template.name_en,
            template.industry,
            template.object_type,
            template.description,
            template.standard,
            template.shared,
            _json(template.master_data),
            template.copied_from,
        )
    )
    await put_items(connection, template_id, template.items)
    return template_id


async def update(connection: Connection, template: Template) -> None:
    """Store a template's members that may change; its items have functions of their own."""
    await connection.execute(
        _UPDATE,
        template.id,
        template.name,
        template.state,
        template.updated_at,
        template.name_en,
        template.industry,
        template.object_type,
        template.description,
        template.standard,
        template.shared,
        _json(template.master_data),
    )


async def put_items(connection: Connection, template_id: int, items: Sequence[Item]) -> None:
    """Add items, or replace those with the same index."""
    await connection.executemany(_PUT_ITEM, [(template_id, *_item_row(item)) for item in items])


async def delete_items(connection: Connection, template_id: int, indexes: Sequence[int]) -> None:
    """Remove items; only a draft's, because records may hold values of others."""
    await connection.execute(_DELETE_ITEMS, template_id, list(indexes))


async def by_code(connection: Connection, code: str) -> Template | None:
    """Return the template with a code."""
    found = await _with_items(connection, await connection.fetch(_BY_CODE, code))
    return found[0] if found else None


async def by_version(connection: Connection, prefix: str, version: str) -> Template | None:
    """Return the template below a prefix that has a version and is not withdrawn."""
    found = await _with_items(connection, await connection.fetch(_BY_VERSION, prefix, version))
    return found[0] if found else None


async def page(
    connection: Connection,
    after: str,
    limit: int,
    enterprise: str | None = None,
    *,
    state: str | None = None,
    prefix: str | None = None,
) -> list[Template]:
    """Return the next templates in the order of their codes: all, or one enterprise's, the node's and shared ones."""
    return await _with_items(connection, await connection.fetch(_PAGE, after, enterprise, limit, state, prefix))


async def page_followed(connection: Connection, after: str, limit: int, enterprise: str | None) -> list[Template]:
    """Return the next templates that records may follow, by their codes: all, or an enterprise's and the node's."""
    return await _with_items(connection, await connection.fetch(_PAGE_FOLLOWED, after, enterprise, limit))


async def of_prefix(connection: Connection, prefix: str) -> list[Template]:
    """Return every template below a prefix, in the order of their codes."""
    return await _with_items(connection, await connection.fetch(_OF_PREFIX, prefix))


async def set_owner(connection: Connection, template_id: int, enterprise: str, now: datetime) -> None:
    """Give a template to another enterprise."""
    await connection.execute(_SET_OWNER, template_id, enterprise, now)


async def is_used(connection: Connection, template_id: int) -> bool:
    """Say whether an active identifier follows the template."""
    return bool(await connection.fetchval(_USED, template_id))


async def count_users(connection: Connection, template_ids: Sequence[int], enterprise: str | None) -> dict[int, int]:
    """Count the active identifiers, all or one enterprise's, that follow each template; no entry means none.

    Reads one index entry an identifier: a second or two for ten million.
    """
    rows = await connection.fetch(_COUNT_USERS, template_ids, enterprise)
    return {row["template_id"]: row["count"] for row in rows}


_ITEM_MEMBERS: Final = tuple(member.name for member in fields(Item))
"""The members of an item, in the order of the table's columns."""


def _item_row(item: Item) -> list[Any]:
    return [getattr(item, member) for member in _ITEM_MEMBERS]


def _item(columns: Sequence[Any]) -> Item:
    *others, suffixes, domain, grade = columns
    members = (*others, tuple(suffixes), domain, grade)
    return Item(*members)


async def _with_items(connection: Connection, rows: Sequence[asyncpg.Record]) -> list[Template]:
    items: dict[int, list[Item]] = {row["id"]: [] for row in rows}
    for template_id, *columns in await connection.fetch(_ITEMS, list(items)) if items else []:
        items[template_id].append(_item(columns))
    return [_template(row, tuple(items[row["id"]])) for row in rows]


def _template(row: asyncpg.Record, items: tuple[Item, ...]) -> Template:
    (id_, code, name, enterprise, state, created_at, updated_at, *rest) = row
    (prefix, version, handle, name_en, industry, object_type, description, standard, shared, mapped, source) = rest
    return Template(
        id_,
        code,
        name,
        enterprise,
        state,
        created_at,
        updated_at,
        items,
        prefix,
        version,
        handle,
        name_en,
        tuple(industry) if industry else None,
        object_type,
        description,
        standard,
        shared,
        orjson.loads(mapped) if mapped is not None else None,
        source,
    )


def _json(mapping: Mapping[str, str] | None) -> str | None:
    return None if mapping is None else orjson.dumps(dict(mapping), option=orjson.OPT_SORT_KEYS).decode()
