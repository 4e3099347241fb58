"""Handlers: applications that use identifiers."""

import msgspec

from registry.api.call import Answer, Call, answer, next_cursor, outcome
from registry.api.operator_shapes import ApplicationAnswer, ApplicationPage, ApplicationRequest
from registry.database import Connection
from registry.service import applications
from registry.service.applications import Description
from registry.service.change import Outcome
from registry.states import instant
from registry.tables.applications import Application


async def create(call: Call) -> Answer:
    """POST /api/v1/applications."""
    described = await _described(call)

    async def work(connection: Connection) -> Outcome:
        made, cursor = await applications.create(connection, call.principal, call.now, described)
        return outcome(201, _shown(made), cursor, location=f"/api/v1/applications/{made.id}")

    return await call.change(work)


async def change(call: Call) -> Answer:
    """PUT /api/v1/applications/{application}."""
    described = await _described(call)

    async def work(connection: Connection) -> Outcome:
        changed, cursor = await applications.change(
            connection, call.principal, call.now, call.path("application"), described
        )
        return outcome(200, _shown(changed), cursor)

    return await call.change(work)


async def end(call: Call) -> Answer:
    """DELETE /api/v1/applications/{application}."""

    async def work(connection: Connection) -> Outcome:
        ended, cursor = await applications.end(connection, call.principal, call.now, call.path("application"))
        return outcome(200, _shown(ended), cursor)

    return await call.change(work)


async def get(call: Call) -> Answer:
    """GET /api/v1/applications/{application}."""
    async with call.connected() as connection:
        return answer(_shown(await applications.get(connection, call.principal, call.path("application"))))


async def page(call: Call) -> Answer:
    """GET /api/v1/applications."""
    after, limit = call.page("applications")
    async with call.connected() as connection:
        found = await applications.page(connection, call.principal, after, limit)
    following = next_cursor("applications", found, limit, found[-1].id if found else "")
    return answer(ApplicationPage([_shown(one) for one in found], following))


async def _described(call: Call) -> Description:
    body = await call.read(ApplicationRequest)
    return Description(**msgspec.structs.asdict(body))


def _shown(application: Application) -> ApplicationAnswer:
    one = application
    return ApplicationAnswer(
        id=one.id,
        enterprise=one.enterprise,
        enterprise_prefix=one.enterprise_prefix,
        app_name=one.app_name,
        app_type=one.app_type,
        app_intro=one.app_intro,
        app_users=one.app_users,
        recursive_service=one.recursive_service,
        app_developer=one.app_developer,
        created_at=instant(one.created_at),
        updated_at=instant(one.updated_at),
        ended_at=instant(one.ended_at) if one.ended_at else None,
    )
