"""Templates: what the records of a kind look like, kept by an enterprise or by the node for everyone."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from identifiers.changes import KIND_TEMPLATE, Cursor, Op
from identifiers.values import INDEX_MAX, ValuesError, type_octets
from registry import journal
from registry.authority import Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.errors import Conflict, FieldError, InvalidFields, NotFound, one_field
from registry.service.template_rules import FORMATS, ITEM_INDEX_MIN
from registry.states import template_state, to_millisecond
from registry.tables import enterprises, templates
from registry.tables.templates import Item, Template

ITEMS_MAX: Final = 500

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


async def create(
    connection: Connection,
    principal: Principal,
    now: datetime,
    *,
    code: str,
    name: str,
    enterprise: str | None,
    items: Sequence[Item],
) -> tuple[Template, Cursor]:
    """Create a template of an enterprise, or without one the node's own. Reports every bad item at once."""
    authorise(principal, Action.CREATE_TEMPLATE)
    owner = enterprise or principal.enterprise
    check_reaches(principal, Action.CREATE_TEMPLATE, owner)
    if _CODE.fullmatch(code) is None:
        raise one_field("bad_code", "code", "a code has 1 to 64 letters, digits, dots, hyphens and underscores")
    _check_items(items)
    await journal.serialise(connection, KIND_TEMPLATE, code)
    if owner is not None and await enterprises.by_id(connection, owner) is None:
        raise one_field("unknown_enterprise", "enterprise", f"there is no enterprise {owner}")
    if await templates.by_code(connection, code) is not None:
        raise Conflict("template_exists", f"the template {code} exists already", remedy="choose another code")
    created = await templates.insert(
        connection,
        code=code,
        name=name,
        enterprise=owner,
        items=sorted(items, key=lambda item: item.index),
        now=to_millisecond(now),
    )
    return created, await _record(connection, principal, "create", created)


async def withdraw(
    connection: Connection, principal: Principal, now: datetime, code: str
) -> tuple[Template, Cursor | None]:
    """Let no new record use a template; records that do stay as they are. No change if it was withdrawn already."""
    authorise(principal, Action.WITHDRAW_TEMPLATE)
    await journal.serialise(connection, KIND_TEMPLATE, code)
    found = await _existing(connection, code)
    check_reaches(principal, Action.WITHDRAW_TEMPLATE, found.enterprise)
    if found.state == "withdrawn":
        return found, None
    now = to_millisecond(now)
    await templates.withdraw(connection, found.id, now)
    withdrawn = replace(found, state="withdrawn", updated_at=now)
    return withdrawn, await _record(connection, principal, "withdraw", withdrawn)


async def get(connection: Connection, principal: Principal, code: str) -> Template:
    """Return a template the principal may see. Raises `NotFound` or `Forbidden`."""
    authorise(principal, Action.READ_TEMPLATE)
    found = await _existing(connection, code)
    check_reaches(principal, Action.READ_TEMPLATE, found.enterprise)
    return found


async def page(connection: Connection, principal: Principal, after: str, limit: int) -> list[Template]:
    """Return the next templates the principal may see, in the order of their codes."""
    everything = authorise(principal, Action.LIST_TEMPLATES) is Reach.EVERYTHING
    # An id no enterprise has leaves only the node's own.
    return await templates.page(connection, after, limit, None if everything else principal.enterprise or "")


async def usable(connection: Connection, principal: Principal, code: str) -> Template:
    """Return the template a registration names. Raises `InvalidFields` unless it may be used for new records."""
    found = await templates.by_code(connection, code)
    if found is None:
        raise one_field("unknown_template", "template", f"there is no template {code}")
    check_reaches(principal, Action.READ_TEMPLATE, found.enterprise)
    if found.state == "withdrawn":
        raise one_field("template_withdrawn", "template", f"the template {code} is withdrawn: use another one")
    return found


async def stored(connection: Connection, code: str | None) -> Template | None:
    """Return the template a stored record was registered with, withdrawn or not."""
    return await templates.by_code(connection, code) if code is not None else None


async def _existing(connection: Connection, code: str) -> Template:
    found = await templates.by_code(connection, code)
    if found is None:
        raise NotFound("unknown_template", f"there is no template {code}", remedy="list the templates to find its code")
    return found


async def _record(connection: Connection, principal: Principal, op: Op, template: Template) -> Cursor:
    return await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_TEMPLATE,
        key=template.code,
        op=op,
        after=template_state(template),
    )


def _check_items(items: Sequence[Item]) -> None:
    if not 1 <= len(items) <= ITEMS_MAX:
        raise one_field("bad_items", "items", f"a template has 1 to {ITEMS_MAX} items, not {len(items)}")
    faults = [fault for at, item in enumerate(items) for fault in _item_faults(item, f"items[{at}]")]
    seen: set[int] = set()
    for at, item in enumerate(items):
        if item.index in seen:
            faults.append(FieldError(f"items[{at}].index", f"index {item.index} occurs twice: give each item its own"))
        seen.add(item.index)
    if faults:
        raise InvalidFields("bad_items", "some items break the rules of templates", errors=tuple(faults))


def _item_faults(item: Item, field: str) -> list[FieldError]:
    faults = []
    if not ITEM_INDEX_MIN <= item.index <= INDEX_MAX:
        faults.append(FieldError(f"{field}.index", f"the index of an item is from {ITEM_INDEX_MIN} to {INDEX_MAX}"))
    if item.format not in FORMATS:
        faults.append(FieldError(f"{field}.format", f"a format is one of {', '.join(FORMATS)}"))
    try:
        type_octets(item.type)
    except ValuesError as error:
        faults.append(FieldError(f"{field}.type", error.message))
    if item.length_max is not None and (item.length_min or 0) > item.length_max:
        faults.append(FieldError(f"{field}.length_max", "this is less than length_min"))
    return faults
