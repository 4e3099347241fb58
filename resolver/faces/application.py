"""All faces behind one port: which of them answers a path, and what is said when one of them fails.

The order is the order of the checks below. Paths are compared as they were sent: nothing is decoded or normalised
before a face has taken the request, and aiohttp's router is not asked.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp.web import Application, HTTPException, Request, Response, StreamResponse, middleware

from resolver.faces import handle_answer, html
from resolver.faces.body import OCTETS_MAX
from resolver.faces.desk import Desk
from resolver.faces.handle_json import HandleJson
from resolver.faces.health import PATHS, Health
from resolver.faces.lookup_many import LookupMany
from resolver.faces.problem import problem
from resolver.faces.redirect import Redirect
from resolver.faces.request_target import Target
from resolver.registry_proxy import SNMS_ROOTS, RegistryProxy, cut_off

LOOKUP_MANY: Final = "/api/v1/lookup"
REGISTRY: Final = "/api/v1"
HANDLE_API: Final = "/api"

log = logging.getLogger(__name__)


class Faces:
    """The chain of faces."""

    def __init__(self, desk: Desk, health: Health, proxy: RegistryProxy) -> None:
        self._health = health
        self._proxy = proxy
        self._handle_json = HandleJson(desk)
        self._lookup_many = LookupMany(desk)
        self._redirect = Redirect(desk)

    async def serve(self, request: Request) -> StreamResponse:
        """Answer a request, whatever it is. A defect becomes 500 in the form of the face, and a line in the log."""
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
        if target.path in PATHS:
            return await self._health.serve(request, target)
        if target.path == LOOKUP_MANY:
            return await self._lookup_many.serve(request)
        if _is_below(target, REGISTRY) or target.path.startswith(SNMS_ROOTS):
            return await self._proxy.serve(request)
        if _is_below(target, HANDLE_API):
            return await self._handle_json.serve(request, target)
        return await self._redirect.serve(request, target)


def make_application(
    desk: Desk, health: Health, proxy: RegistryProxy, *, body_octets_max: int = OCTETS_MAX
) -> Application:
    """Return the aiohttp application; the lane hands connections over to a server made from it."""
    faces = Faces(desk, health, proxy)

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


def _internal_error(target: Target) -> Response:
    if _is_below(target, REGISTRY):
        return problem(500, "internal", "The request could not be answered", "Try again; the node's log says why")
    if _is_below(target, HANDLE_API):
        body = handle_answer.error_body(2, None, "Internal error")
        return Response(status=500, headers=dict(handle_answer.ERROR_HEADERS), body=body)
    page = html.message_page("Resolution Error", "", "The request could not be answered.")
    return Response(status=500, headers=dict(html.HEADERS), body=page)
