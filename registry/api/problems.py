"""From what the registry refuses to what a client reads: RFC 9457 problem bodies, made here and nowhere else."""

import logging
from typing import Final

import msgspec
from aiohttp import web

from registry.api.shapes import FieldProblem, Problem
from registry.errors import (
    BadSignature,
    ChangedMeanwhile,
    CursorExpired,
    InvalidRequest,
    NotFound,
    RegistryError,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)

CONTENT_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 2
TYPE_PREFIX: Final = "urn:idnode:problem:"

log = logging.getLogger(__name__)


class MethodNotAllowed(RegistryError):  # noqa: N818 - names the answer, like the others of the hierarchy
    """The path exists and does not know this method."""

    status = 405
    title = "Method not allowed"


class InternalError(RegistryError):
    """A defect of ours."""

    status = 500
    title = "Internal error"


def problem_of(error: RegistryError) -> Problem:
    """Describe a refusal."""
    return Problem(
        type=TYPE_PREFIX + error.code,
        title=error.title,
        status=error.status,
        detail=error.message,
        code=error.code,
        errors=[FieldProblem(fault.field, fault.message) for fault in error.errors],
        remedy=error.remedy,
        server_time=error.server_time if isinstance(error, BadSignature) else msgspec.UNSET,
        oldest=error.oldest if isinstance(error, CursorExpired) else msgspec.UNSET,
    )


def problem_response(error: RegistryError, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with a refusal, and with the headers that belong to its status."""
    headers = dict(headers or {})
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="idnode"'
    if isinstance(error, Unavailable) or error.code == "request_in_progress":
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_s)
    return web.Response(
        status=error.status,
        body=msgspec.json.encode(problem_of(error)),
        headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store", **headers},
    )


def from_exception(error: Exception, request: web.Request) -> tuple[web.Response, str]:
    """Answer with whatever a handler raised, and say the code of the refusal."""
    headers = None
    if isinstance(error, web.HTTPMethodNotAllowed):
        headers = {"Allow": ", ".join(sorted(error.allowed_methods))}
    refusal = _refusal(error, request)
    if isinstance(refusal, InternalError):
        log.error("%s %s failed (from %s)", request.method, request.path, peer_of(request), exc_info=error)
    return problem_response(refusal, headers), refusal.code


def _refusal(error: Exception, request: web.Request) -> RegistryError:
    if isinstance(error, RegistryError):
        return error
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return MethodNotAllowed(
            "method_not_allowed", f"{request.method} is not possible here", remedy=f"use one of {allowed}"
        )
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return TooLarge(
            "body_too_large", "the body is too long", remedy="send less, or use a batch for many identifiers"
        )
    if isinstance(error, web.HTTPNotFound):
        return NotFound(
            "unknown_path", f"there is nothing at {request.path}", remedy="see /api/v1/docs for what there is"
        )
    if isinstance(error, web.HTTPException):
        return InvalidRequest("bad_request", error.reason, remedy="see /api/v1/docs")
    if isinstance(error, ChangedMeanwhile):
        return Unavailable("busy", "the database is busy", remedy="send the request again")
    return InternalError(
        "internal_error", "the registry has failed; the log says why", remedy="report it to the operator"
    )


def peer_of(request: web.Request) -> str:
    """Return the client's address as the worker in front of this process states it."""
    return request.headers.get("X-Idnode-Peer", "unknown")
