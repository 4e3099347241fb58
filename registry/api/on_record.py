"""Where a request comes from, kept while it is carried out; and what it leaves in the audit log when it is over."""

import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from registry.api.problems import peer_of
from registry.context import RegistryContext
from registry.ids import new_request_id
from registry.origin import OK, Origin, acting
from registry.service.audit import Recorder

REQUEST_ID: Final = "X-Request-Id"
PROBE: Final = "Idn-Probe"
"""Carries the node's probe secret; such requests are measured nowhere."""
OBJECT_CHARACTERS_MAX: Final = 512

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_READING: Final = ("GET", "HEAD")
_FORBIDDEN: Final = 403
_UNAVAILABLE: Final = 503
_REFUSED_FROM: Final = 400

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def on_record(context: RegistryContext) -> Middleware:
    """Make the middleware around everything else. It answers no sooner than the audit log has its entry."""
    recorder = Recorder(context.pool)

    @web.middleware
    async def middleware(request: web.Request, handler: _Handler) -> web.StreamResponse:
        origin = _origin(request)
        with acting(origin):
            try:
                response = await handler(request)
            finally:
                if origin.credentials_changed:
                    context.tokens.forget()
        changing = request.method not in _READING
        if not changing and response.status != _FORBIDDEN:
            origin.result = OK  # nothing was asked for that anybody would look for later
        await recorder.record(origin, context.clock(), changing=changing, reachable=response.status != _UNAVAILABLE)
        if not response.prepared:
            response.headers[REQUEST_ID] = origin.request_id
        if response.status < _REFUSED_FROM and not _is_probe(request, context):
            context.samples.take(origin, context.clock().timestamp())
        return response

    return middleware


def _is_probe(request: web.Request, context: RegistryContext) -> bool:
    sent, secret = request.headers.get(PROBE), context.settings.probe_secret
    return bool(sent and secret) and hmac.compare_digest((sent or "").encode("utf-8", "replace"), secret.encode())


def _origin(request: web.Request) -> Origin:
    sent = request.headers.get(REQUEST_ID, "")
    resource = request.match_info.route.resource
    pattern = resource.canonical if resource is not None else "(no such path)"
    return Origin(
        address=peer_of(request),
        action=f"{request.method[:16]} {pattern}",
        object=object_of(request.raw_path),
        request_id=sent if _REQUEST_ID.fullmatch(sent) else new_request_id(),
    )


def object_of(raw_path: str) -> str:
    """Return what the audit log says of a path: as the client sent it, without the query.

    PostgreSQL takes neither U+0000 nor what is no UTF-8, and the HTTP parser lets through octets that are none.
    """
    text = raw_path.partition("?")[0][:OBJECT_CHARACTERS_MAX]
    return text.replace("\x00", "").encode("utf-8", "backslashreplace").decode()
