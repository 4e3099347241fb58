"""Handlers: aliases."""

from typing import Final
from urllib.parse import quote

from registry.api.call import Answer, Call, answer, next_cursor, outcome
from registry.api.finding import identifier_of
from registry.api.finding_shapes import AliasAnswer, AliasPage, AliasRequest
from registry.database import Connection
from registry.service import aliases
from registry.service.change import Outcome
from registry.states import instant
from registry.tables.aliases import Alias

PATH: Final = "/api/v1/aliases/"


async def put(call: Call) -> Answer:
    """PUT /api/v1/aliases/{identifier}."""
    name = call.rest_of_path(PATH)
    body = await call.read(AliasRequest)

    async def work(connection: Connection) -> Outcome:
        alias, cursor = await aliases.put(
            connection, call.principal, call.now, name, identifier=body.identifier, kind=body.kind
        )
        made = cursor is not None and alias.version == 1
        location = PATH + quote(alias.spelling, safe="/") if made else None
        return outcome(201 if made else 200, _shown(alias), cursor, location=location)

    return await call.change(work)


async def remove(call: Call) -> Answer:
    """DELETE /api/v1/aliases/{identifier}."""
    name = call.rest_of_path(PATH)

    async def work(connection: Connection) -> Outcome:
        alias, cursor = await aliases.remove(connection, call.principal, call.now, name)
        return outcome(200, _shown(alias), cursor)

    return await call.change(work)


async def get(call: Call) -> Answer:
    """GET /api/v1/aliases/{identifier}."""
    async with call.connected() as connection:
        return answer(_shown(await aliases.get(connection, call.principal, call.rest_of_path(PATH))))


async def page(call: Call) -> Answer:
    """GET /api/v1/aliases."""
    name = identifier_of(call)
    scope = f"aliases {name}"
    after, limit = call.page(scope)
    async with call.connected() as connection:
        found = await aliases.page(connection, call.principal, name, after, limit)
    following = next_cursor(scope, found, limit, found[-1].key) if found else None
    return answer(AliasPage([_shown(alias) for alias in found], following))


def _shown(alias: Alias) -> AliasAnswer:
    return AliasAnswer(
        alias.spelling,
        alias.target,
        alias.kind,
        alias.version,
        instant(alias.created_at),
        instant(alias.updated_at),
    )
