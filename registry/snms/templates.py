"""Calls about data templates (versions 3 and 5): a template is named by its prefix and its version."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from identifiers.changes import Cursor
from registry.authority import Action, Principal, authorise, check_reaches
from registry.database import Connection, connected
from registry.service import template_changes, templates
from registry.service.item_changes import ItemChange
from registry.service.templates import About
from registry.snms.call import Call
from registry.snms.envelope import Refusal, refused
from registry.snms.members import Members
from registry.snms.refusals import unknown_prefix
from registry.snms.values import RESERVED, VALUE_CHARACTERS_MAX
from registry.tables import prefixes
from registry.tables import templates as table
from registry.tables.templates import Item, Template

PREFIX_CHARACTERS_MAX: Final = 64
NAME_CHARACTERS_MAX: Final = 128
DESCRIPTION_CHARACTERS_MAX: Final = 1_024
ITEMS_MAX: Final = 2_000
INDEX_MIN: Final = 2_000
INDEX_MAX: Final = 2**31 - 1
_INDUSTRY: Final = ("industryCategory", "industrySpecific", "industryTrade", "industrySubclass")
_OBJECT_TYPES: Final = (1, 2)
_STATES: Final = {0: "disabled", 1: "enabled"}


@dataclass(frozen=True, slots=True)
class SentItem:
    """One item as a client sent it; `state` None: not sent."""

    name: str
    type: str
    index: int | None
    required: bool
    state: int | None
    length_min: int
    length_max: int


async def read(call: Call) -> Any:
    """`GET /snms/api/v3/template` and `/snms/api/v5/template`."""
    prefix, version = _named(call.query)
    async with connected(call.context.pool) as connection:
        template = await _owned(connection, call.principal, Action.READ_TEMPLATE, prefix, version)
    other = next((item for item in template.items if item.data_type != "string"), None)
    if other is not None:
        raise refused(f"模板含有非string类型的属性{other.type}，本接口无法读取", "template_not_readable", other.type)
    return _shown(template)


async def create_v3(call: Call) -> Any:
    """`POST /snms/api/v3/template`: the node gives the indexes, 2000, 2001 … in the order of the list."""
    return await _create(call, own_indexes=True)


async def create_v5(call: Call) -> Any:
    """`POST /snms/api/v5/template`: items without an index get the next free one."""
    return await _create(call, own_indexes=False)


async def change(call: Call) -> Any:
    """`PUT /snms/api/v5/template`: items that are not named stay; none is removed."""
    body = await call.members()
    prefix, version = _named(body)
    about, items = _about(body, version), _items(body)

    async def work(connection: Connection) -> tuple[Any, Cursor | None]:
        template = await _owned(connection, call.principal, Action.CHANGE_TEMPLATE, prefix, version)
        _, cursor = await template_changes.change(
            connection,
            call.principal,
            call.now,
            template.code,
            about={"industry": about.industry, "object_type": about.object_type, "description": about.description},
            items=_merged(template, items),
            mapping_required=False,
        )
        return True, cursor

    return await call.change(work)


async def delete(call: Call) -> Any:
    """`DELETE /snms/api/v3/template` and `/snms/api/v5/template`: only while no identifier follows it."""
    prefix, version = _named(await call.members())

    async def work(connection: Connection) -> tuple[Any, Cursor | None]:
        template = await _owned(connection, call.principal, Action.WITHDRAW_TEMPLATE, prefix, version)
        _, cursor = await templates.withdraw(connection, call.principal, call.now, template.code, unless_used=True)
        return True, cursor

    return await call.change(work)


async def _create(call: Call, *, own_indexes: bool) -> Any:
    body = await call.members()
    prefix, version = _named(body)
    about, items = _about(body, version), _items(body)
    if own_indexes:
        changes = [_new_item(item, INDEX_MIN + at) for at, item in enumerate(items)]
    else:
        changes = [_new_item(item, index) for item, index in zip(items, _indexes(items, ()), strict=True)]

    async def work(connection: Connection) -> tuple[Any, Cursor | None]:
        await _check_prefix(connection, call.principal, Action.CREATE_TEMPLATE, prefix)
        _, cursor = await templates.create(
            connection,
            call.principal,
            call.now,
            about=about,
            items=changes,
            prefix=prefix,
            version=version,
            publish=True,
            mapping_required=False,
        )
        return True, cursor

    return await call.change(work)


def _named(given: Members) -> tuple[str, str]:
    return given.text("prefix", limit=PREFIX_CHARACTERS_MAX), given.text("version", limit=NAME_CHARACTERS_MAX)


def _about(body: Members, version: str) -> About:
    section, division, group, class_ = (body.text(name, limit=8) for name in _INDUSTRY)
    return About(
        name=version,
        industry=(section, division, group, class_),
        object_type=body.choice("type", _OBJECT_TYPES),
        description=body.optional_text("description", limit=DESCRIPTION_CHARACTERS_MAX) or "",
    )


def _items(body: Members) -> list[SentItem]:
    items = [_read_item(item) for item in body.list_of_members("items", limit=ITEMS_MAX)]
    if not items:
        raise body.lacks("items")
    for what, names in (("name", [item.name for item in items]), ("idType", [item.type for item in items])):
        if len(set(names)) < len(names):
            raise refused(f"参数{what}重复", "name_twice", f"items[].{what}")
    return items


def _read_item(item: Members) -> SentItem:
    name = item.text("name", limit=NAME_CHARACTERS_MAX)
    type_ = item.text("idType", limit=NAME_CHARACTERS_MAX)
    index = item.optional_integer("idIndex", high=INDEX_MAX)
    if index in RESERVED:
        raise refused(f"索引{index}为预留索引", "reserved_index", item.field("idIndex"))
    if index is not None and index < INDEX_MIN:
        raise item.refuse("idIndex")
    metadata = item.members("metadata")
    if metadata.optional_text("type", limit=32) not in (None, "string"):
        raise metadata.refuse("type")
    longest = metadata.integer("maxLength", low=1, high=VALUE_CHARACTERS_MAX)
    return SentItem(
        name,
        type_,
        index,
        item.optional_boolean("required") or False,
        item.optional_choice("state", tuple(_STATES)),
        metadata.integer("minLength", high=longest),
        longest,
    )


def _indexes(items: Sequence[SentItem], taken: Sequence[int]) -> list[int]:
    """Give every item its index: the one it came with, or the next free one."""
    used = {*taken, *(item.index for item in items if item.index is not None)}
    indexes, following = [], max(used, default=INDEX_MIN - 1) + 1
    for item in items:
        if item.index is None:
            indexes.append(following)
            following += 1
        else:
            indexes.append(item.index)
    if len(set(indexes)) < len(indexes):
        raise refused("参数idIndex重复", "index_twice", "items[].idIndex")
    return indexes


def _merged(template: Template, items: Sequence[SentItem]) -> list[ItemChange]:
    """Tell changes of items from new ones. Index and type belong together for good."""
    by_type = {item.type: item.index for item in template.items}
    for item in items:
        known = template.by_index.get(item.index) if item.index is not None else None
        if (known is not None and known.type != item.type) or (known is None and item.type in by_type):
            raise refused(f"属性类型{item.type}与模板不一致", "type_differs", "items[].idType")
    indexes = _indexes(items, [item.index for item in template.items])
    return [
        ItemChange(index, _changed_members(item)) if index in template.by_index else _new_item(item, index)
        for item, index in zip(items, indexes, strict=True)
    ]


def _new_item(item: SentItem, index: int) -> ItemChange:
    return ItemChange(index, {"type": item.type, "data_type": "string", **_changed_members(item)})


def _changed_members(item: SentItem) -> dict[str, Any]:
    members: dict[str, Any] = {
        "name": item.name,
        "required": item.required,
        "length_min": item.length_min,
        "length_max": item.length_max,
    }
    return members if item.state is None else {**members, "state": _STATES[item.state]}


async def _check_prefix(connection: Connection, principal: Principal, action: Action, prefix: str) -> None:
    authorise(principal, action)
    found = await prefixes.by_prefix(connection, prefix)
    if found is None:
        raise unknown_prefix("prefix")
    check_reaches(principal, action, found.enterprise)


async def _owned(connection: Connection, principal: Principal, action: Action, prefix: str, version: str) -> Template:
    await _check_prefix(connection, principal, action, prefix)
    template = await table.by_version(connection, prefix, version)
    if template is None:
        raise _unknown()
    return template


def _unknown() -> Refusal:
    return refused("模板不存在", "unknown_template", "version", 404)


def _shown(template: Template) -> dict[str, Any]:
    return {
        "id": template.id,
        "name": "",
        "prefix": template.prefix,
        "version": template.version,
        "handle": template.handle,
        **dict(zip(_INDUSTRY, template.industry or (None,) * len(_INDUSTRY), strict=True)),
        "type": template.object_type,
        "description": template.description or None,
        "items": [_shown_item(template, item) for item in template.items],
    }


def _shown_item(template: Template, item: Item) -> dict[str, Any]:
    return {
        # An item has no number of its own; this one is unique, and exact in clients whose numbers have 53 bits.
        "metadataId": template.id * (INDEX_MAX + 1) + item.index,
        "name": item.name,
        "idType": item.type,
        "idIndex": item.index,
        "required": item.required,
        "state": 1 if item.enabled else 0,
        "metadata": {
            "type": "string",
            "minLength": item.length_min or 0,
            "maxLength": min(item.length_max or VALUE_CHARACTERS_MAX, VALUE_CHARACTERS_MAX),
        },
    }
