"""The paths below `/api` that are the Handle system's: which resource answers, and what is said when it refuses."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp.web import BaseRequest, Response, StreamResponse

from resolver.faces import handle_answer as form
from resolver.faces.desk import Desk, Inquiry, LookupsUnavailable
from resolver.faces.handle_api.door import Asker, Door, Turned
from resolver.faces.handle_api.lists import Lists
from resolver.faces.handle_api.session_resource import SessionResource
from resolver.faces.handle_api.sessions import SessionsUnavailable
from resolver.faces.handle_api.site import SiteResource
from resolver.faces.handle_api.verification import Verification
from resolver.faces.handle_api.writing import Writer, Writing
from resolver.faces.handle_json import Resolution
from resolver.faces.handle_reply import ApiRefused, query_of, refusal, shown
from resolver.faces.methods import KNOWN_METHODS, METHOD_OCTETS_MAX
from resolver.faces.reading_rights import CredentialRefused
from resolver.faces.reply import preflight
from resolver.faces.request_target import Target

_READ: Final = ("GET", "HEAD")

log = logging.getLogger(__name__)

Serve = Callable[[BaseRequest, Target, str, Asker], Awaitable[StreamResponse]]
"""Answers a request; the third argument is the raw rest of the path."""


@dataclass(frozen=True, slots=True)
class _Resource:
    """One path, or all below one. `allow` is what 405 and OPTIONS say."""

    path: str
    methods: Mapping[str, Serve]
    allow: str
    is_resolution: bool = False
    identifies: bool = True
    """Whether who asks is found out first. Sessions do so themselves."""


class HandleApi:
    """Serves `/api`. `writer` carries out what administrators want; None: nobody does."""

    def __init__(
        self, desk: Desk, door: Door, writer: Writer | None = None, site: bytes = b"", *, lists: bool = True
    ) -> None:
        self._desk = desk
        self._door = door
        self._resources = _resources(desk, door, Lists(desk, writer, enabled=lists), Writing(desk, writer), site)

    async def serve(self, request: BaseRequest, target: Target) -> StreamResponse:
        """Answer any method on any such path."""
        method = request.method
        asker = Asker(self._desk.proxies.client(request))
        resource = self._resource(target)
        try:
            serve = _method_of(resource, target, method)
            if resource is None or serve is None:
                return preflight(resource.allow if resource is not None else "")
            if resource.identifies:
                asker = await self._door.identify(request, asker.client)
            return await serve(request, target, target.path[len(resource.path) :], asker)
        except ApiRefused as refused:
            self._count(resource, asker, refused)
            challenge = await self._door.challenge(request, asker) if refused.status == 401 else []  # noqa: PLR2004 - Unauthorized
            return await refusal(request, refused, challenge, private=asker.is_known)
        except Turned as turned:
            return await self._turned(request, resource, turned)
        except CredentialRefused as error:
            denied = ApiRefused(401, form.AUTHENTICATION_FAILED, str(error), outcome="denied")
            self._count(resource, asker, denied)
            return await refusal(request, denied, [("WWW-Authenticate", 'Bearer realm="idnode"')])
        except LookupsUnavailable as error:
            unavailable = ApiRefused(503, form.TRY_AGAIN, f"No lookups now: {error}")
            return await refusal(request, unavailable, private=asker.is_known)
        except SessionsUnavailable as error:
            log.error("%s", error)  # noqa: TRY400 - what is wrong is in the text
            return await refusal(request, ApiRefused(503, form.TRY_AGAIN, "No sessions now: try again, or without one"))

    async def _turned(self, request: BaseRequest, resource: _Resource | None, turned: Turned) -> Response:
        refused = ApiRefused(turned.status, turned.code, str(turned), outcome="denied")
        self._count(resource, turned.asker, refused)
        challenge = []
        if turned.status == 401:  # noqa: PLR2004 - Unauthorized
            challenge = await self._door.challenge(request, turned.asker, str(turned))
        return await refusal(request, refused, challenge)

    def _count(self, resource: _Resource | None, asker: Asker, refused: ApiRefused) -> None:
        """Count a refused resolution, once."""
        if resource is not None and resource.is_resolution and refused.outcome is not None:
            prefix = self._desk.prefix_at(refused.handle)
            self._desk.count(Inquiry("handle-json", asker.client), prefix, refused.outcome)

    def _resource(self, target: Target) -> _Resource | None:
        for resource in self._resources:
            path = resource.path
            if target.path == path or (path.endswith("/") and target.path.startswith(path)):
                return resource
        return None


def _method_of(resource: _Resource | None, target: Target, method: str) -> Serve | None:
    """Return what serves a method, None for OPTIONS. Raises ApiRefused."""
    if method not in KNOWN_METHODS:
        raise ApiRefused(501, form.PROTOCOL_ERROR, f"Unknown method {shown(method)[:METHOD_OCTETS_MAX]}")
    endpoint = f"Unknown HTTP API endpoint {method} {shown(target.path)}"
    if resource is None:
        raise ApiRefused(404, form.PROTOCOL_ERROR, endpoint)
    if method == "OPTIONS":
        return None
    if (serve := resource.methods.get(method)) is None:
        raise ApiRefused(405, form.PROTOCOL_ERROR, endpoint, headers=(("Allow", resource.allow),))
    return serve


def _resources(desk: Desk, door: Door, lists: Lists, writing: Writing, site: bytes) -> tuple[_Resource, ...]:
    resolution = Resolution(desk, door, site)
    sessions, verification, own_site = SessionResource(door), Verification(desk, door), SiteResource(site)
    homing = {"POST": lists.home, "DELETE": lists.unhome}

    async def read(request: BaseRequest, target: Target, rest: str, asker: Asker) -> StreamResponse:
        """Look up; without a name, but with a prefix, list, as the administration page of other servers asks."""
        if not rest and query_of(target).first("prefix"):
            return await lists.handles(request, target, rest, asker)
        return await resolution.serve(request, target, rest, asker)

    return (
        _Resource(
            "/api/handles/",
            {
                **dict.fromkeys(_READ, read),
                "POST": resolution.serve,
                "PUT": writing.put,
                "DELETE": writing.delete,
            },
            "GET, HEAD, POST, PUT, DELETE, OPTIONS",
            is_resolution=True,
        ),
        _Resource("/api/handles", dict.fromkeys(_READ, lists.handles), "GET, HEAD, OPTIONS"),
        _Resource(
            "/api/prefixes", {**dict.fromkeys(_READ, lists.prefixes), **homing}, "GET, HEAD, POST, DELETE, OPTIONS"
        ),
        _Resource("/api/prefixes/", homing, "POST, DELETE, TRACE, OPTIONS"),
        _Resource("/api/site", dict.fromkeys(_READ, own_site.show), "GET, HEAD, OPTIONS"),
        _Resource(
            "/api/verifications/", dict.fromkeys(_READ, verification.verify), "GET, HEAD, OPTIONS", identifies=False
        ),
        _Resource(
            "/api/verifications", dict.fromkeys(_READ, verification.verify), "GET, HEAD, OPTIONS", identifies=False
        ),
        _Resource("/api/sessions", {"POST": sessions.create}, "POST, TRACE, OPTIONS", identifies=False),
        _Resource(
            "/api/sessions/",
            {
                **dict.fromkeys(_READ, sessions.show),
                **dict.fromkeys(("PUT", "POST"), sessions.authenticate),
                "DELETE": sessions.delete,
            },
            "GET, HEAD, PUT, POST, DELETE, TRACE, OPTIONS",
            identifies=False,
        ),
    )
