"""Mounting the API: every call gets its caller, and every answer the one envelope."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from registry import origin
from registry.authority import Principal
from registry.context import RegistryContext
from registry.errors import Unauthenticated
from registry.snms import envelope
from registry.snms.call import Call
from registry.snms.envelope import Refusal, Status
from registry.snms.refusals import BUSY, refusal_of
from registry.snms.routes import ROUTES
from registry.snms.routing import SnmsRoute

ROOTS: Final = ("/snms/", "/identity/", "/identityv2/")
"""Where this API lives; nothing else of the registry lies below."""
JSON: Final = "application/json"

Authenticate = Callable[[web.Request], Awaitable[Principal | None]]

log = logging.getLogger(__name__)


def add_routes(app: web.Application, context: RegistryContext, authenticate: Authenticate) -> None:
    """Add every route, and for everything else below the roots the answer that there is nothing."""
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _handler(route, context, authenticate))
    for root in ROOTS:
        app.router.add_route("*", root + "{rest:.*}", _nothing_here(context))


def _handler(
    route: SnmsRoute, context: RegistryContext, authenticate: Authenticate
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            principal = None if _signs_in(route) else await authenticate(request)
            if principal is None and not route.open_to_all:
                raise Unauthenticated("token_missing", "this call needs a token")  # noqa: TRY301 - answered below
            data = await route.handler(Call(request, context, principal))
        except Exception as error:  # noqa: BLE001 - the last border: whatever it is becomes an answer
            return _refusal(request, context, error)
        if isinstance(data, web.StreamResponse):
            return data
        return web.Response(body=envelope.success_body(data), content_type=JSON, headers=_HEADERS)

    return handle


def _signs_in(route: SnmsRoute) -> bool:
    # A client with an expired token asks for a new one, often with the old one in its header.
    return route.path.startswith("/identity/token")


def _nothing_here(context: RegistryContext) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        methods = sorted({route.method for route in ROUTES if route.path == request.path})
        if methods:
            error = Refusal(Status.REFUSED, "不支持的请求方法", "method_not_allowed", http_status=405, always=True)
        else:
            error = Refusal(Status.REFUSED, "接口不存在", "unknown_path", http_status=404, always=True)
        response = _refusal(request, context, error)
        if methods:
            response.headers["Allow"] = ", ".join(methods)
        return response

    return handle


_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def _refusal(request: web.Request, context: RegistryContext, error: Exception) -> web.Response:
    refusal = refusal_of(error)
    if refusal is None:
        log.error("%s %s failed", request.method, request.path, exc_info=error)
        refusal = Refusal(Status.FAILED, BUSY, "internal_error", http_status=500)
    strict = refusal.always or context.settings.snms.http_status == "strict"
    headers = dict(_HEADERS)
    if refusal.retry_after_s:
        headers["Retry-After"] = str(refusal.retry_after_s)
    origin.current().result = refusal.code
    status = refusal.http_status if strict else 200
    return web.Response(status=status, body=envelope.refusal_body(refusal), content_type=JSON, headers=headers)
