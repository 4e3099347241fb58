"""Handlers: templates."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import UNSET

from registry.api.call import Answer, Call, answer, next_cursor, outcome
from registry.api.template_shapes import (
    RegradeAnswer,
    RegradeRequest,
    TemplateAnswer,
    TemplateCopyRequest,
    TemplateIndustry,
    TemplateItem,
    TemplateItemRequest,
    TemplatePage,
    TemplatePatch,
    TemplateRequest,
)
from registry.database import Connection
from registry.errors import InvalidRequest, one_field
from registry.service import template_changes, templates
from registry.service.change import Outcome
from registry.service.item_changes import ItemChange
from registry.service.item_values import DIGITS_MAX
from registry.service.templates import MOVES, About
from registry.states import instant
from registry.tables.templates import Item, Template

_NUMBERS: Final = ("number_min", "number_max")
_NUMBER = re.compile(rf"-?(?=[0-9.]{{1,{DIGITS_MAX + 1}}}$)[0-9]{{1,{DIGITS_MAX}}}(\.[0-9]{{1,{DIGITS_MAX}}})?")
_INDEX_DIGITS_MAX: Final = 10


async def create(call: Call) -> Answer:
    """POST /api/v1/templates."""
    body = await call.read(TemplateRequest)
    about = About(
        name=body.name,
        name_en=body.name_en,
        industry=_codes(body.industry),
        object_type=body.object_type,
        description=body.description,
        standard=body.standard,
        shared=body.shared,
        master_data=body.master_data,
    )

    async def work(connection: Connection) -> Outcome:
        created, cursor = await templates.create(
            connection,
            call.principal,
            call.now,
            about=about,
            items=_item_changes(body.items),
            code=body.code,
            enterprise=body.enterprise,
            prefix=body.prefix,
            version=body.version,
            publish=body.publish,
        )
        return outcome(201, shown(created), cursor, location=f"/api/v1/templates/{created.code}")

    return await call.change(work)


async def change(call: Call) -> Answer:
    """PATCH /api/v1/templates/{code}."""
    body = await call.read(TemplatePatch)
    about = _sent(body, "items", "remove")
    if "industry" in about:
        about["industry"] = _codes(about["industry"])

    async def work(connection: Connection) -> Outcome:
        changed, cursor = await template_changes.change(
            connection,
            call.principal,
            call.now,
            call.path("code"),
            about=about,
            items=_item_changes(body.items),
            remove=body.remove,
        )
        return outcome(200, shown(changed), cursor)

    return await call.change(work)


async def publish(call: Call) -> Answer:
    """POST /api/v1/templates/{code}:publish."""

    async def work(connection: Connection) -> Outcome:
        published, cursor = await templates.publish(connection, call.principal, call.now, call.path("code"))
        return outcome(200, shown(published), cursor)

    return await call.change(work)


async def copy(call: Call) -> Answer:
    """POST /api/v1/templates/{code}:copy."""
    body = await call.read(TemplateCopyRequest)

    async def work(connection: Connection) -> Outcome:
        copied, cursor = await template_changes.copy(
            connection,
            call.principal,
            call.now,
            call.path("code"),
            code=body.code,
            name=body.name,
            enterprise=body.enterprise,
            prefix=body.prefix,
            version=body.version,
        )
        return outcome(201, shown(copied), cursor, location=f"/api/v1/templates/{copied.code}")

    return await call.change(work)


async def regrade(call: Call) -> Answer:
    """POST /api/v1/templates/{code}/items/{index}:regrade."""
    body = await call.read(RegradeRequest)
    index = call.path("index")
    if not index.isascii() or not index.isdecimal() or len(index) > _INDEX_DIGITS_MAX:
        raise InvalidRequest("bad_index", "the index of an item is a number", remedy="correct the path")

    async def work(connection: Connection) -> Outcome:
        changed, cursor, job = await template_changes.regrade(
            connection, call.principal, call.now, call.path("code"), int(index), body.grade
        )
        return outcome(200, RegradeAnswer(shown(changed), job), cursor)

    changed = await call.change(work)
    call.context.jobs_waiting.set()
    return changed


async def withdraw(call: Call) -> Answer:
    """DELETE /api/v1/templates/{code}."""

    async def work(connection: Connection) -> Outcome:
        withdrawn, cursor = await templates.withdraw(connection, call.principal, call.now, call.path("code"))
        return outcome(200, shown(withdrawn), cursor)

    return await call.change(work)


async def get(call: Call) -> Answer:
    """GET /api/v1/templates/{code}."""
    async with call.connected() as connection:
        return answer(shown(await templates.get(connection, call.principal, call.path("code"))))


async def page(call: Call) -> Answer:
    """GET /api/v1/templates."""
    after, limit = call.page("templates")
    state, prefix = call.query("state"), call.query("prefix")
    if state is not None and state not in MOVES:
        raise InvalidRequest("bad_state", f"a state is one of {', '.join(MOVES)}", remedy="correct the parameter state")
    async with call.connected() as connection:
        found = await templates.page(connection, call.principal, after, limit, state=state, prefix=prefix)
    following = next_cursor("templates", found, limit, found[-1].code if found else "")
    return answer(TemplatePage([shown(template) for template in found], following))


def shown(template: Template) -> TemplateAnswer:
    """Return a template as the API shows it."""
    return TemplateAnswer(
        code=template.code,
        name=template.name,
        name_en=template.name_en,
        enterprise=template.enterprise,
        prefix=template.prefix,
        version=template.version,
        handle=template.handle,
        state=template.state,
        industry=TemplateIndustry(*template.industry) if template.industry else None,
        object_type=1 if template.object_type == 1 else 2,
        description=template.description,
        standard=template.standard,
        shared=template.shared,
        master_data=dict(template.master_data) if template.master_data is not None else None,
        copied_from=template.copied_from,
        items=[_shown_item(item) for item in template.items],
        created_at=instant(template.created_at),
        updated_at=instant(template.updated_at),
    )


def _shown_item(item: Item) -> TemplateItem:
    members: dict[str, Any] = {name: getattr(item, name) for name in TemplateItem.__struct_fields__}
    for name in _NUMBERS:
        if members[name] is not None:
            members[name] = f"{members[name]:f}"
    return TemplateItem(**{**members, "file_suffixes": list(item.file_suffixes)})


def _item_changes(items: Sequence[TemplateItemRequest]) -> list[ItemChange]:
    return [_item_change(item, f"items[{at}]") for at, item in enumerate(items)]


def _item_change(item: TemplateItemRequest, field: str) -> ItemChange:
    members = _sent(item, "index")
    for name in _NUMBERS:
        if members.get(name) is not None:
            members[name] = _number(members[name], f"{field}.{name}")
    if "file_suffixes" in members:
        members["file_suffixes"] = tuple(members["file_suffixes"])
    return ItemChange(None if item.index is UNSET else item.index, members)


def _number(text: str, field: str) -> Decimal:
    if _NUMBER.fullmatch(text) is None:
        raise one_field("bad_items", field, f"write a number like 4.50, of at most {DIGITS_MAX} digits")
    return Decimal(text)


def _sent(body: msgspec.Struct, *without: str) -> dict[str, Any]:
    """Return the members that were sent."""
    members = {name: getattr(body, name) for name in body.__struct_fields__ if name not in without}
    return {name: value for name, value in members.items() if value is not UNSET}


def _codes(industry: TemplateIndustry | None) -> tuple[str, str, str, str] | None:
    return (industry.category, industry.specific, industry.trade, industry.subclass) if industry else None
