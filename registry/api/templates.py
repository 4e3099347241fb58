"""Handlers: templates."""

from registry.api.call import Answer, Call, answer, next_cursor, outcome
from registry.api.shapes import TemplateAnswer, TemplateItem, TemplatePage, TemplateRequest
from registry.database import Connection
from registry.service import templates
from registry.service.change import Outcome
from registry.states import instant
from registry.tables.templates import Item, Template


async def create(call: Call) -> Answer:
    """POST /api/v1/templates."""
    body = await call.read(TemplateRequest)
    items = [
        Item(item.index, item.name, item.type, item.format, item.required, item.length_min, item.length_max)
        for item in body.items
    ]

    async def work(connection: Connection) -> Outcome:
        created, cursor = await templates.create(
            connection,
            call.principal,
            call.now,
            code=body.code,
            name=body.name,
            enterprise=body.enterprise,
            items=items,
        )
        return outcome(201, _shown(created), cursor, location=f"/api/v1/templates/{created.code}")

    return await call.change(work)


async def withdraw(call: Call) -> Answer:
    """DELETE /api/v1/templates/{code}."""

    async def work(connection: Connection) -> Outcome:
        withdrawn, cursor = await templates.withdraw(connection, call.principal, call.now, call.path("code"))
        return outcome(200, _shown(withdrawn), cursor)

    return await call.change(work)


async def get(call: Call) -> Answer:
    """GET /api/v1/templates/{code}."""
    async with call.connected() as connection:
        return answer(_shown(await templates.get(connection, call.principal, call.path("code"))))


async def page(call: Call) -> Answer:
    """GET /api/v1/templates."""
    after, limit = call.page("templates")
    async with call.connected() as connection:
        found = await templates.page(connection, call.principal, after, limit)
    following = next_cursor("templates", found, limit, found[-1].code if found else "")
    return answer(TemplatePage([_shown(template) for template in found], following))


def _shown(template: Template) -> TemplateAnswer:
    items = [
        TemplateItem(
            index=item.index,
            name=item.name,
            type=item.type,
            format=item.format,
            required=item.required,
            length_min=item.length_min,
            length_max=item.length_max,
        )
        for item in template.items
    ]
    return TemplateAnswer(
        code=template.code,
        name=template.name,
        enterprise=template.enterprise,
        state=template.state,  # type: ignore[arg-type] # the table's own check allows no other
        items=items,
        created_at=instant(template.created_at),
        updated_at=instant(template.updated_at),
    )
