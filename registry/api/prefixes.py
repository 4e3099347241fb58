"""Handlers: prefixes, their states, and where they are found."""

from collections.abc import Awaitable, Callable
from typing import Final, get_args

import msgspec

from identifiers.changes import Cursor, PrefixStateName
from registry.api.call import Answer, Call, answer, next_cursor, outcome
from registry.api.prefix_shapes import (
    PrefixAnswer,
    PrefixApplication,
    PrefixDecision,
    PrefixPage,
    PrefixPatch,
    PrefixRequest,
    PrefixTransfer,
    Reasoned,
    RouteAddress,
    RouteAnswer,
    RouteRequest,
)
from registry.database import Connection
from registry.errors import InvalidRequest, one_field
from registry.service import prefix_routes, prefix_states, prefixes
from registry.service.change import Outcome
from registry.service.prefix_routes import Address
from registry.states import instant
from registry.tables.prefixes import Prefix

STATES: Final[tuple[str, ...]] = get_args(PrefixStateName)

Change = Callable[[Connection, str], Awaitable[tuple[Prefix, Cursor | None]]]
"""Makes a change of the prefix given; without a cursor there was nothing to change."""


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


async def apply_for(call: Call) -> Answer:
    """POST /api/v1/prefixes:apply."""
    body = await call.read(PrefixApplication)
    enterprise = body.enterprise or call.principal.enterprise
    if enterprise is None:
        raise one_field("unknown_enterprise", "enterprise", "name the enterprise that the prefix is for")

    async def work(connection: Connection) -> Outcome:
        applied, cursor = await prefix_states.apply_for(
            connection,
            call.principal,
            call.now,
            enterprise=enterprise,
            prefix=body.prefix,
            name=body.name,
            hosted=body.hosted,
        )
        return outcome(201, shown(applied), cursor, location=f"/api/v1/prefixes/{applied.prefix}")

    return await call.change(work)


async def change(call: Call) -> Answer:
    """PATCH /api/v1/prefixes/{prefix}."""
    body = await call.read(PrefixPatch)
    prefix = call.path("prefix")

    async def work(connection: Connection) -> Outcome:
        changed: tuple[Prefix, Cursor] | None = None
        if body.state is None or msgspec.structs.replace(body, state=None) != PrefixPatch():
            changed = await prefixes.change(
                connection,
                call.principal,
                call.now,
                prefix=prefix,
                name=body.name,
                hosting=body.hosting,
                sites=body.sites,
            )
        if body.state is not None:
            link = call.context.settings.national_link
            changed = (
                await prefix_states.set_state(
                    connection, call.principal, call.now, prefix, body.state, national_link=link
                )
                or changed
            )
        if changed is None:
            return outcome(200, shown(await prefixes.get(connection, call.principal, prefix)), None)
        return outcome(200, shown(changed[0]), changed[1])

    return await call.change(work)


async def approve(call: Call) -> Answer:
    """POST /api/v1/prefixes/{prefix}:approve."""
    link = call.context.settings.national_link
    return await _changed(
        call,
        lambda connection, prefix: prefix_states.approve(
            connection, call.principal, call.now, prefix, national_link=link
        ),
    )


async def refuse(call: Call) -> Answer:
    """POST /api/v1/prefixes/{prefix}:reject."""
    return await _moved(call, "rejected")


async def suspend(call: Call) -> Answer:
    """POST /api/v1/prefixes/{prefix}:suspend."""
    return await _moved(call, "suspended")


async def resume(call: Call) -> Answer:
    """POST /api/v1/prefixes/{prefix}:resume."""
    return await _changed(
        call,
        lambda connection, prefix: prefix_states.resume(connection, call.principal, call.now, prefix),
    )


async def decide(call: Call) -> Answer:
    """POST /api/v1/prefixes/{prefix}:decide."""
    body = await call.read(PrefixDecision)
    return await _changed(
        call,
        lambda connection, prefix: prefix_states.decide(
            connection,
            call.principal,
            call.now,
            prefix,
            approved=body.decision == "approved",
            reason=body.reason,
        ),
    )


async def withdraw(call: Call) -> Answer:
    """POST /api/v1/prefixes/{prefix}:withdraw."""
    body = await call.read(Reasoned)
    link = call.context.settings.national_link
    return await _changed(
        call,
        lambda connection, prefix: prefix_states.withdraw(
            connection, call.principal, call.now, prefix, national_link=link, reason=body.reason
        ),
    )


async def transfer(call: Call) -> Answer:
    """POST /api/v1/prefixes/{prefix}:transfer."""
    body = await call.read(PrefixTransfer)
    return await _changed(
        call,
        lambda connection, prefix: prefix_states.transfer(
            connection, call.principal, call.now, prefix, enterprise=body.enterprise, reason=body.reason
        ),
    )


async def get(call: Call) -> Answer:
    """GET /api/v1/prefixes/{prefix}."""
    async with call.connected() as connection:
        return answer(shown(await prefixes.get(connection, call.principal, call.path("prefix"))))


async def page(call: Call) -> Answer:
    """GET /api/v1/prefixes."""
    state = _state_asked(call)
    scope = f"prefixes {state}" if state else "prefixes"
    after, limit = call.page(scope)
    async with call.connected() as connection:
        found = await prefixes.page(connection, call.principal, after, limit, state)
    following = next_cursor(scope, found, limit, found[-1].prefix if found else "")
    return answer(PrefixPage([shown(prefix) for prefix in found], following))


async def get_route(call: Call) -> Answer:
    """GET /api/v1/prefixes/{prefix}/route."""
    async with call.connected() as connection:
        return answer(route_shown(await prefixes.get(connection, call.principal, call.path("prefix"))))


async def put_route(call: Call) -> Answer:
    """PUT /api/v1/prefixes/{prefix}/route."""
    body = await call.read(RouteRequest)
    addresses = [Address(**msgspec.structs.asdict(address)) for address in body.addresses]

    async def work(connection: Connection) -> Outcome:
        routed, cursor = await prefix_routes.route(
            connection, call.principal, call.now, call.path("prefix"), addresses=addresses
        )
        return outcome(200, route_shown(routed), cursor)

    return await call.change(work)


async def host(call: Call) -> Answer:
    """POST /api/v1/prefixes/{prefix}:host."""
    return await _changed(
        call, lambda connection, prefix: prefix_routes.host(connection, call.principal, call.now, prefix)
    )


async def decide_hosting(call: Call) -> Answer:
    """POST /api/v1/prefixes/{prefix}:decide-hosting."""
    body = await call.read(PrefixDecision)
    return await _changed(
        call,
        lambda connection, prefix: prefix_routes.decide_hosting(
            connection,
            call.principal,
            call.now,
            prefix,
            accepted=body.decision == "approved",
            reason=body.reason,
        ),
    )


def shown(prefix: Prefix) -> PrefixAnswer:
    """Show a prefix as the API does."""
    return PrefixAnswer(
        prefix=prefix.prefix,
        name=prefix.name,
        enterprise=prefix.enterprise,
        state=prefix.state,
        hosting=prefix.hosting,
        exact_case=prefix.exact_case,
        sites=prefix.sites,
        created_at=instant(prefix.created_at),
        updated_at=instant(prefix.updated_at),
        hosting_state=prefix.hosting_state,
        reason=prefix.reason,
    )


def route_shown(prefix: Prefix) -> RouteAnswer:
    """Show where a prefix is found."""
    addresses = [
        RouteAddress(one.ip, one.tcp_port, one.udp_port, one.http_port, one.http_tls)
        for one in prefix_routes.addresses_of(prefix)
    ]
    return RouteAnswer(prefix.prefix, prefix.hosting, prefix.hosting_state, prefix.route_serial, addresses)


def _state_asked(call: Call) -> str | None:
    state = call.query("state")
    if state is not None and state not in STATES:
        raise InvalidRequest("bad_state", f"state is one of {', '.join(STATES)}", remedy="correct the parameter state")
    return state


async def _moved(call: Call, to: PrefixStateName) -> Answer:
    body = await call.read(Reasoned)
    return await _changed(
        call,
        lambda connection, prefix: prefix_states.move(
            connection, call.principal, call.now, prefix, to, reason=body.reason
        ),
    )


async def _changed(call: Call, make: Change) -> Answer:
    async def work(connection: Connection) -> Outcome:
        changed, cursor = await make(connection, call.path("prefix"))
        return outcome(200, shown(changed), cursor)

    return await call.change(work)
