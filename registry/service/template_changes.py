"""Changing what a template says and asks: incremental, so that items not named stay as they are.

What a published template asks of new records changes at once; records that are stored stay, and are checked again
when they are written again. Narrower limits therefore never make a stored record wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final

from identifiers.changes import KIND_TEMPLATE, Cursor
from identifiers.grading import PERMITTED
from registry import journal
from registry.authority import Action, Principal, authorise
from registry.database import Connection
from registry.errors import NotFound, one_field
from registry.service import jobs
from registry.service.item_changes import ItemChange, changed_items
from registry.service.templates import (
    About,
    check_mapped,
    check_references,
    create,
    get,
    may_see,
    owned,
    record,
    with_about,
    withdrawn_for_good,
)
from registry.states import to_millisecond
from registry.tables import templates
from registry.tables.templates import Item, Template

_ABOUT: Final = tuple(field.name for field in fields(About))
_ITEM: Final = tuple(field.name for field in fields(Item))


async def change(
    connection: Connection,
    principal: Principal,
    now: datetime,
    code: str,
    *,
    about: Mapping[str, Any],
    items: Sequence[ItemChange] = (),
    remove: Sequence[int] = (),
    mapping_required: bool = True,
) -> tuple[Template, Cursor | None]:
    """Change members of `About` and add, change or (of drafts) remove items. None for a cursor: it was so already.

    Raises `InvalidFields` with every fault, `Conflict` for a withdrawn template. `mapping_required` as for `create`.
    """
    authorise(principal, Action.CHANGE_TEMPLATE)
    found = await owned(connection, principal, Action.CHANGE_TEMPLATE, code)
    if found.state == "withdrawn":
        raise withdrawn_for_good(found)
    all_items, touched = changed_items(found.items, items, remove=remove, published=found.state == "published")
    await check_references(connection, principal, touched, code)
    said = About(**{**{name: getattr(found, name) for name in _ABOUT}, **about})
    changed = with_about(replace(found, items=all_items), said)
    if changed == found:
        return found, None
    if (
        changed.state == "published"
        and mapping_required
        and not about.keys().isdisjoint(("object_type", "master_data"))
    ):
        check_mapped(changed)
    changed = replace(changed, updated_at=to_millisecond(now))
    await templates.update(connection, changed)
    await templates.delete_items(connection, found.id, remove)
    await templates.put_items(connection, found.id, touched)
    return changed, await record(connection, principal, "update", changed)


async def copy(
    connection: Connection,
    principal: Principal,
    now: datetime,
    source: str,
    *,
    code: str | None = None,
    name: str | None = None,
    enterprise: str | None = None,
    prefix: str | None = None,
    version: str | None = None,
) -> tuple[Template, Cursor]:
    """Make a draft of one's own from a template one may see, with its enabled items; see `create` for the rest.

    The copy is not shared, and does not follow later changes of its source.
    """
    authorise(principal, Action.CREATE_TEMPLATE)
    original = await get(connection, principal, source)
    items = [item for item in original.items if item.enabled]
    types = {item.type for item in items}
    mapped = original.master_data
    said = About(**{member: getattr(original, member) for member in _ABOUT})
    said = replace(
        said,
        name=name or original.name,
        shared=False,
        master_data=None if mapped is None else {column: type_ for column, type_ in mapped.items() if type_ in types},
    )
    return await create(
        connection,
        principal,
        now,
        about=said,
        items=[await _copied(connection, principal, item) for item in items],
        code=code,
        enterprise=enterprise,
        prefix=prefix,
        version=version,
        copied_from=original.code,
    )


async def regrade(
    connection: Connection, principal: Principal, now: datetime, code: str, index: int, grade: int
) -> tuple[Template, Cursor | None, str | None]:
    """Give an item another grade, and return the id of the job that brings stored values to it.

    New values have the grade at once. Without a cursor the item had that grade already; without a job there is
    nothing stored, because the template is a draft.
    """
    authorise(principal, Action.CHANGE_TEMPLATE)
    found = await owned(connection, principal, Action.CHANGE_TEMPLATE, code)
    item = found.by_index.get(index)
    if item is None:
        remedy = f"GET /api/v1/templates/{code} shows its items"
        raise NotFound("unknown_item", f"the template {code} has no item {index}", remedy=remedy)
    if grade not in PERMITTED:
        raise one_field("bad_grade", "grade", "a grade is 1, 2 or 3")
    if item.grade == grade:
        return found, None, None
    graded = replace(item, grade=grade)
    items = tuple(graded if one.index == index else one for one in found.items)
    changed = replace(found, items=items, updated_at=to_millisecond(now))
    await templates.update(connection, changed)
    await templates.put_items(connection, found.id, [graded])
    cursor = await record(connection, principal, "update", changed)
    if found.state == "draft":
        return changed, cursor, None
    job = await jobs.start_regrade(
        connection, principal, now, template=code, index=index, before=item.grade, after=grade
    )
    return changed, cursor, job.id


async def follow_prefix(
    connection: Connection, principal: Principal, now: datetime, prefix: str, enterprise: str
) -> Cursor | None:
    """Give the templates below a prefix to the enterprise that the prefix passes to.

    Whoever passes the prefix on has the right to; call this before the transaction's first write.
    """
    below = await templates.of_prefix(connection, prefix)
    for template in below:
        await journal.serialise(connection, KIND_TEMPLATE, template.code)
    cursor = None
    for template in await templates.of_prefix(connection, prefix):
        passed = replace(template, enterprise=enterprise, updated_at=to_millisecond(now))
        await templates.set_owner(connection, template.id, enterprise, passed.updated_at)
        cursor = await record(connection, principal, "update", passed)
    return cursor


async def _copied(connection: Connection, principal: Principal, item: Item) -> ItemChange:
    """Return an item as a new one; a reference to a template that the principal may not see becomes one to any."""
    members = {name: getattr(item, name) for name in _ITEM if name != "index"}
    if item.reference_template is not None:
        referred = await templates.by_code(connection, item.reference_template)
        if referred is None or not may_see(principal, referred):
            members["reference_template"] = None
    return ItemChange(item.index, members)
