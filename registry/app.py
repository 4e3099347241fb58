"""The registry's API process: the application, served on a local socket behind the resolver's workers."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from aiohttp import web

from registry import origin
from registry.admission import admit
from registry.api import describe, docs_page, openapi
from registry.api.call import ALWAYS, Answer, Call
from registry.api.on_record import on_record
from registry.api.problems import from_exception
from registry.api.routes import ROUTES
from registry.api.routing import Route
from registry.authority import Action, Principal, authorise
from registry.context import RegistryContext, RegistrySettings
from registry.database import connected
from registry.errors import InvalidRequest, Unauthenticated
from registry.service.accounts import authenticate
from registry.snms import application as snms

__all__ = ["RegistryContext", "RegistrySettings", "make_app"]

_CONTEXT: Final = web.AppKey("context", RegistryContext)
# An identifier may hold anything, a line feed included, which a dot alone does not match.
_PATTERNS: Final = {"{identifier}": "{identifier:(?s:.+)}"}


def make_app(context: RegistryContext, beside: Mapping[str, web.Application] | None = None) -> web.Application:
    """Make the application from the table of routes. The caller opens and closes what is in the context.

    `beside` are applications of their own, each below a path; they say themselves who may do what.
    """
    app = web.Application(
        client_max_size=context.settings.body_octets_max, middlewares=[on_record(context), _refusals_as_problems]
    )
    description = openapi.describe(ROUTES)
    app[_CONTEXT] = context
    app[describe.OPENAPI] = msgspec.json.encode(description)
    app[describe.DOCS_PAGE] = docs_page.render(description)
    for route in ROUTES:
        handler = _handler(route)
        for path in filter(None, (route.path, route.also_at)):
            _add_route(app, route.method, path, handler)
    for path, other in (beside or {}).items():
        app.add_subapp(path, other)
    snms.add_routes(app, context, lambda request: _principal(request, context, Action.READ_OWN_ACCOUNT))
    return app


def _add_route(
    app: web.Application, method: str, path: str, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> None:
    for variable, pattern in _PATTERNS.items():
        path = path.replace(variable, pattern)
    app.router.add_route(method, path, handler)
    if method == "GET":
        app.router.add_route("HEAD", path, handler)


@web.middleware
async def _refusals_as_problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 - the last border: whatever it is becomes an answer, and is logged there
        response, origin.current().result = from_exception(error, request)
        return response


def _handler(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        context = request.app[_CONTEXT]
        principal = await _principal(request, context, route.action)
        authorise(principal, route.action)
        _check_query(request, route)
        answer = await route.handler(Call(request, context, principal))
        return _response(answer) if isinstance(answer, Answer) else answer

    return handle


async def _principal(request: web.Request, context: RegistryContext, action: Action) -> Principal | None:
    """Tell who sent a request, and count it against the rate of its enterprise; None for one without a token."""
    if action is Action.READ_FEED and "Signature-Input" in request.headers:
        return await _signer(request, context)
    header = request.headers.get("Authorization")
    # Who signs in anew often still sends the token that has just expired.
    if header is None or action in (Action.READ_API_DESCRIPTION, Action.SIGN_IN):
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated(
            "scheme_not_supported",
            "the registry knows the authentication scheme Bearer only",
            remedy="send the header Authorization: Bearer <token>",
        )
    now = context.clock()
    principal = context.tokens.recall(token.strip(), now)
    if principal is None:
        async with connected(context.pool) as connection:
            principal = await authenticate(connection, token.strip(), now)
        context.tokens.remember(token.strip(), principal, now)
    origin.current().actor = principal.account
    await admit(context, principal, now)
    return principal


async def _signer(request: web.Request, context: RegistryContext) -> Principal:
    """Tell who signed a request to the change feed (docking contract 10)."""
    principal = await context.feed_readers.principal(request, context.pool)
    origin.current().actor = principal.account
    await admit(context, principal, context.clock())
    return principal


def _check_query(request: web.Request, route: Route) -> None:
    unknown = sorted(set(request.query) - route.query_names)
    if unknown:
        known = ", ".join(sorted(route.query_names)) or "none"
        raise InvalidRequest(
            "unknown_parameter",
            f"there is no parameter {unknown[0][:64]} here",
            remedy=f"leave it out; the parameters of this path are: {known}",
        )


def _response(answer: Answer) -> web.Response:
    headers = ALWAYS | answer.headers
    charset = None if answer.content_type == "application/json" else "utf-8"
    return web.Response(
        status=answer.status, body=answer.body, headers=headers, content_type=answer.content_type, charset=charset
    )
