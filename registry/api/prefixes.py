"""Handlers: prefixes."""

from registry.api.call import Answer, Call, answer, next_cursor, outcome
from registry.api.shapes import PrefixAnswer, PrefixPage, PrefixPatch, PrefixRequest
from registry.database import Connection
from registry.service import prefixes
from registry.service.change import Outcome
from registry.states import instant
from registry.tables.prefixes import Prefix


async def create(call: Call) -> Answer:
    """POST /api/v1/prefixes."""
    body = await call.read(PrefixRequest)

    async def work(connection: Connection) -> Outcome:
        created, cursor = await prefixes.create(
            connection,
            call.principal,
            call.now,
            prefix=body.prefix,
            name=body.name,
            enterprise=body.enterprise,
            hosting=body.hosting,
            exact_case=body.exact_case,
            sites=body.sites,
        )
        return outcome(201, shown(created), cursor, location=f"/api/v1/prefixes/{created.prefix}")

    return await call.change(work)


async def change(call: Call) -> Answer:
    """PATCH /api/v1/prefixes/{prefix}."""
    body = await call.read(PrefixPatch)

    async def work(connection: Connection) -> Outcome:
        changed, cursor = await prefixes.change(
            connection,
            call.principal,
            call.now,
            prefix=call.path("prefix"),
            name=body.name,
            state=body.state,
            hosting=body.hosting,
            sites=body.sites,
        )
        return outcome(200, shown(changed), cursor)

    return await call.change(work)


async def get(call: Call) -> Answer:
    """GET /api/v1/prefixes/{prefix}."""
    async with call.connected() as connection:
        return answer(shown(await prefixes.get(connection, call.principal, call.path("prefix"))))


async def page(call: Call) -> Answer:
    """GET /api/v1/prefixes."""
    after, limit = call.page("prefixes")
    async with call.connected() as connection:
        found = await prefixes.page(connection, call.principal, after, limit)
    following = next_cursor("prefixes", found, limit, found[-1].prefix if found else "")
    return answer(PrefixPage([shown(prefix) for prefix in found], following))


def shown(prefix: Prefix) -> PrefixAnswer:
    """Show a prefix as the API does."""
    return PrefixAnswer(
        prefix=prefix.prefix,
        name=prefix.name,
        enterprise=prefix.enterprise,
        state=prefix.state,  # type: ignore[arg-type] # the table's own check allows no other
        hosting=prefix.hosting,  # type: ignore[arg-type] # as above
        exact_case=prefix.exact_case,
        sites=prefix.sites,
        created_at=instant(prefix.created_at),
        updated_at=instant(prefix.updated_at),
    )
