"""All faces behind one port: which of them answers a path, and what is said when one of them fails.

The order is the order of the checks below. Paths are compared as they were sent: nothing is decoded or normalised
before a face has taken the request, and aiohttp's router is not asked.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp.web import Application, HTTPException, Request, Response, StreamResponse, middleware

from resolver.connection_limits import ConnectionLimits
from resolver.faces import handle_answer, html
from resolver.faces.body import OCTETS_MAX
from resolver.faces.desk import Desk
from resolver.faces.handle_api.api import HandleApi
from resolver.faces.handle_api.native import NativeMessages, is_native
from resolver.faces.handle_api.nobody import closed_door
from resolver.faces.health import PATHS, Health
from resolver.faces.lookup_many import LookupMany
from resolver.faces.problem import problem
from resolver.faces.proxy.options import ProxyOptions
from resolver.faces.redirect import Redirect
from resolver.faces.request_target import Target
from resolver.registry_proxy import SNMS_ROOTS, RegistryProxy, cut_off

LOOKUP_MANY: Final = "/api/v1/lookup"
REGISTRY: Final = "/api/v1"
FEED: Final = "/feed/v1"
REPORT: Final = "/report/v1"
"""Where enterprises' own nodes report to this one."""
MONITOR: Final = "/monitor/v1"
HANDLE_API: Final = "/api"
REVERSE_LOOKUP: Final = "/hrls"
"""Where clients of other servers search; 404 tells them that there is no such service."""
HEAD_OCTETS_MAX: Final = ConnectionLimits().head_octets

_LINE_OCTETS: Final = len("  HTTP/1.1\r\n\r\n")
_FIELD_OCTETS: Final = len(": \r\n")

log = logging.getLogger(__name__)


class Faces:
    """The chain of faces."""

    def __init__(
        self,
        desk: Desk,
        health: Health,
        proxy: RegistryProxy,
        handle_api: HandleApi | None = None,
        links: ProxyOptions | None = None,
        native: NativeMessages | None = None,
        head_octets_max: int = HEAD_OCTETS_MAX,
    ) -> None:
        self._head_octets_max = head_octets_max
        self._health = health
        self._native = native
        self._proxy = proxy
        self._handle_api = handle_api or HandleApi(desk, closed_door(desk))
        self._lookup_many = LookupMany(desk)
        self._redirect = Redirect(desk, links)

    async def serve(self, request: Request) -> StreamResponse:
        """Answer a request, whatever it is. A defect becomes 500 in the form of the face, and a line in the log."""
        if _head_octets(request) > self._head_octets_max:
            return _too_large()
        target = Target.of(request.raw_path)
        try:
            return await self._choose(request, target)
        except HTTPException:
            raise
        except ConnectionError:
            cut_off(request)
            return Response()
        except Exception:
            log.exception("answering %s %s failed", request.method, target.path[:200])
            if request.writer.output_size:
                cut_off(request)
            return _internal_error(target)

    async def _choose(self, request: Request, target: Target) -> StreamResponse:
        if self._native is not None and is_native(request):
            return await self._native.serve(request)
        if target.path in PATHS:
            return await self._health.serve(request, target)
        if target.path == LOOKUP_MANY:
            return await self._lookup_many.serve(request)
        registry = any(_is_below(target, root) for root in (REGISTRY, FEED, MONITOR, REPORT))
        if registry or target.path.startswith(SNMS_ROOTS):
            return await self._proxy.serve(request)
        if _is_below(target, HANDLE_API):
            return await self._handle_api.serve(request, target)
        if _is_below(target, REVERSE_LOOKUP):
            body = handle_answer.error_body(5, None, "This node does not search for handles by their values")
            return Response(status=404, headers=dict(handle_answer.ERROR_HEADERS), body=body)
        return await self._redirect.serve(request, target)


def make_application(
    desk: Desk,
    health: Health,
    proxy: RegistryProxy,
    *,
    handle_api: HandleApi | None = None,
    links: ProxyOptions | None = None,
    native: NativeMessages | None = None,
    body_octets_max: int = OCTETS_MAX,
    head_octets_max: int = HEAD_OCTETS_MAX,
) -> Application:
    """Return the aiohttp application; the lane hands connections over to a server made from it.

    Without a `handle_api` nobody can authenticate as a user of the Handle system, and nothing is written that way.
    """
    faces = Faces(desk, health, proxy, handle_api, links, native, head_octets_max)

    @middleware
    async def serve(
        request: Request,
        handler: Callable[[Request], Awaitable[StreamResponse]],  # noqa: ARG001 - what the router would have chosen
    ) -> StreamResponse:
        return await faces.serve(request)

    application = Application(middlewares=[serve], client_max_size=body_octets_max)
    application.on_response_prepare.append(_name_no_server)
    return application


async def _name_no_server(request: Request, response: StreamResponse) -> None:  # noqa: ARG001 - the signal's signature
    """Leave out the header that tells the world which versions to attack."""
    response.headers.popall("Server", None)


def _is_below(target: Target, root: str) -> bool:
    return target.path == root or target.path.startswith(root + "/")


def _head_octets(request: Request) -> int:
    """Return the octets of request line and header fields, as near as they can be told from what was read of them."""
    fields = sum(len(name) + len(value) + _FIELD_OCTETS for name, value in request.raw_headers)
    return len(request.method) + len(request.raw_path) + _LINE_OCTETS + fields


def _too_large() -> Response:
    """Refuse a head that came in one piece; the lane refuses those that come in several."""
    response = Response(status=431, headers=dict(handle_answer.ERROR_HEADERS), body=handle_answer.HEAD_TOO_LARGE)
    response.force_close()
    return response


def _internal_error(target: Target) -> Response:
    if _is_below(target, REGISTRY):
        return problem(500, "internal", "The request could not be answered", "Try again; the node's log says why")
    if _is_below(target, HANDLE_API):
        body = handle_answer.error_body(2, None, "Internal error")
        return Response(status=500, headers=dict(handle_answer.ERROR_HEADERS), body=body)
    page = html.message_page("Resolution Error", "", "The request could not be answered.")
    return Response(status=500, headers=dict(html.HEADERS), body=page)
