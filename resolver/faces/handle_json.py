"""`/api/handles/{handle}`: resolution in the Handle JSON form, for programs written for Handle.Net servers."""

from dataclasses import dataclass, replace
from typing import Final

import orjson
from aiohttp.web import BaseRequest, Response

from identifiers.identifier import Invalid
from resolver.counting import UNSERVED, Outcome
from resolver.faces import handle_answer as form
from resolver.faces.body import BodyRefused, read_body
from resolver.faces.desk import Desk, Inquiry, LookupsUnavailable, outcome_of
from resolver.faces.handle_query import BadParameter, Wanted, parameters_in_body, wanted
from resolver.faces.link_header import link_of
from resolver.faces.reading_rights import CredentialRefused, Rights, rights_of
from resolver.faces.referral_sites import sites_json
from resolver.faces.reply import preflight, reply
from resolver.faces.request_target import BadTarget, Parameters, Target, decode_once
from resolver.faces.visible_values import Visible, visible
from resolver.lookup import Absent, Found, Gone, Referral

ALLOWED: Final = ("GET", "HEAD", "POST", "OPTIONS")
_KNOWN_METHODS: Final = (*ALLOWED, "PUT", "DELETE", "TRACE")
_ALLOW: Final = ", ".join(ALLOWED)
_PATH_SHOWN_MAX: Final = 200

_DENIALS: Final = {
    form.LACKS_RIGHT: "The credential does not give the right to read the values asked for",
    form.ACCESS_DENIED: "The values asked for may not be read",
    form.AUTHENTICATION_NEEDED: "Some of the values asked for are not public: authenticate, or ask without them",
}


@dataclass(frozen=True, slots=True)
class HandleAnswer:
    """An answer in the Handle JSON form, before it becomes a response."""

    code: int
    body: bytes
    etag: str = ""
    compressible: bool = False
    links: tuple[tuple[str, str], ...] = ()


class _Refused(Exception):  # noqa: N818 - names what happened to the request
    """The request ends before its lookup; `outcome` is what it counts as, if it counts."""

    def __init__(self, status: int, code: int, message: str, name: str | None, outcome: Outcome | None) -> None:
        super().__init__(message)
        self.status = status
        self.answer = HandleAnswer(code, form.error_body(code, name, message))
        self.outcome = outcome


class HandleJson:
    """Serves the paths below `/api` that are not the registry's."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def serve(self, request: BaseRequest, target: Target) -> Response:
        """Answer any method on any such path."""
        method, raw_name = request.method, target.below("/api/handles/")
        endpoint = f"Unknown HTTP API endpoint {method} {_shown(target.path)}"
        if method not in _KNOWN_METHODS:
            return await _error(request, 501, form.PROTOCOL_ERROR, f"Unknown method {method[:20]}")
        if target.path == "/api/handles" and method in ("GET", "HEAD"):
            return await _error(request, 501, form.OPERATION_NOT_SUPPORTED, "Listing handles is switched off")
        if raw_name is None:
            return await _error(request, 404, form.PROTOCOL_ERROR, endpoint)
        if method == "OPTIONS":
            return preflight(_ALLOW)
        if method not in ALLOWED:
            return await _error(request, 405, form.PROTOCOL_ERROR, endpoint, ("Allow", _ALLOW))
        return await self._resolve(request, target, raw_name)

    async def _resolve(self, request: BaseRequest, target: Target, raw_name: str) -> Response:
        """Check in the order of the Handle rules: credential, syntax of name and parameters, then the lookup."""
        inquiry = Inquiry("handle-json", self._desk.proxies.client(request))
        asked = Wanted()
        rights: Rights | None = None
        try:
            rights = self._rights(request, inquiry)
            name = _name(raw_name)
            asked = await _asked(request, target, name)
            answer = self._look_up(inquiry, name, asked, rights)
            status = form.status_of(answer.code, secure=inquiry.client.secure)
        except _Refused as refused:
            status, answer = refused.status, refused.answer
            if refused.outcome is not None:
                self._desk.count(inquiry, UNSERVED, refused.outcome)
        return await _response(request, status, answer, asked, rights)

    def _look_up(self, inquiry: Inquiry, name: str, asked: Wanted, rights: Rights | None) -> HandleAnswer:
        """Look a name up, count it, and return the answer."""
        try:
            found = self._desk.find(name)
        except LookupsUnavailable as error:
            raise _Refused(503, form.TRY_AGAIN, f"No lookups now: {error}", name, None) from error
        outcome = outcome_of(found)
        if isinstance(found, Found):
            seen = visible(found.record, found.prefix, asked, rights)
            outcome = "denied" if seen.denied else outcome
            answer = resolved(name, seen)
        else:
            answer = unresolved(name, found, do_not_refer=asked.do_not_refer)
        self._desk.count(inquiry, self._desk.prefix_of(name, found), outcome)
        return replace(answer, links=links) if (links := link_of(found)) else answer

    def _rights(self, request: BaseRequest, inquiry: Inquiry) -> Rights | None:
        authorization = request.headers.get("Authorization")
        if authorization is None:
            return None
        try:
            return rights_of(authorization, inquiry.client, self._desk.open_reader(), self._desk.clock())
        except CredentialRefused as error:
            raise _Refused(401, form.AUTHENTICATION_FAILED, str(error), None, "denied") from error
        except LookupsUnavailable as error:
            raise _Refused(503, form.TRY_AGAIN, f"No lookups now: {error}", None, None) from error


def resolved(name: str, seen: Visible) -> HandleAnswer:
    """Return the answer for a record: what may be seen of it, or why not."""
    if seen.denied:
        return _error_answer(seen.code, name, _DENIALS[seen.code])
    compressible = len(seen.values_json) > form.GZIP_OCTETS_MIN
    return HandleAnswer(seen.code, form.found_body(name, seen.values_json), seen.etag, compressible)


def unresolved(name: str, found: Referral | Absent | Gone | Invalid, *, do_not_refer: bool = False) -> HandleAnswer:
    """Return the answer for everything but a record."""
    if isinstance(found, Invalid):
        message = "Empty handle invalid" if found.code == "empty" else found.message
        return _error_answer(form.INVALID_HANDLE, name, message)
    if isinstance(found, Gone):
        return _error_answer(form.HANDLE_NOT_FOUND, name, gone_message(found))
    if isinstance(found, Referral) and not do_not_refer:
        return HandleAnswer(form.REFERRAL, form.referral_body(name, sites_json(found.prefix)))
    if isinstance(found, Referral) or found.prefix is None:
        return _error_answer(form.NOT_RESPONSIBLE, name, "The prefix is not served here")
    return _error_answer(form.HANDLE_NOT_FOUND, name)


def gone_message(gone: Gone) -> str:
    """Say what is no more: the identifier, or everything below its prefix, for now or for good."""
    if gone.record is not None:
        instead = gone.record.instead
        return f"This identifier was withdrawn: use {instead} instead" if instead else "This identifier was withdrawn"
    return f"The prefix {gone.prefix.prefix} is {gone.prefix.state}"


def _error_answer(code: int, name: str, message: str = "") -> HandleAnswer:
    return HandleAnswer(code, form.error_body(code, name, message))


def _name(raw_name: str) -> str:
    try:
        return decode_once(raw_name)
    except BadTarget as error:
        raise _Refused(400, form.INVALID_HANDLE, str(error), None, "malformed") from error


async def _asked(request: BaseRequest, target: Target, name: str) -> Wanted:
    try:
        parameters = Parameters.of(target.query)
        if request.method == "POST":
            parameters += parameters_in_body(request.headers.get("Content-Type", ""), await read_body(request))
        return wanted(parameters)
    except (BadTarget, BadParameter) as error:
        raise _Refused(400, form.PROTOCOL_ERROR, str(error), name, "malformed") from error
    except BodyRefused as error:
        raise _Refused(error.status, form.PROTOCOL_ERROR, str(error), name, "malformed") from error


async def _response(
    request: BaseRequest, status: int, answer: HandleAnswer, asked: Wanted, rights: Rights | None
) -> Response:
    """Dress an answer: indented or as JSONP if asked for, and never kept by others when a credential was used."""
    headers = dict(form.FOUND_HEADERS if answer.etag else form.ERROR_HEADERS) | dict(answer.links)
    body, etag = answer.body, answer.etag
    if status == 503:  # noqa: PLR2004 - Service Unavailable
        headers["Retry-After"] = "1"
    if status == 401:  # noqa: PLR2004 - Unauthorized
        headers["WWW-Authenticate"] = 'Bearer realm="idnode"'
    if asked.pretty:
        body, etag = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2), etag and f"{etag}-pretty"
    if rights is not None:
        headers["Cache-Control"] = "private, no-store"
    elif asked.callback:
        headers |= {"Content-Type": "application/javascript; charset=UTF-8", "X-Content-Type-Options": "nosniff"}
        body, etag = b"%b(%b);" % (asked.callback.encode(), body), ""
    return await reply(request, status, headers.items(), body, etag=etag, compressible=answer.compressible)


async def _error(request: BaseRequest, status: int, code: int, message: str, *headers: tuple[str, str]) -> Response:
    return await reply(request, status, (*form.ERROR_HEADERS, *headers), form.error_body(code, None, message))


def _shown(path: str) -> str:
    """Return a path for an error text: bounded, and without octets that are no UTF-8."""
    return path[:_PATH_SHOWN_MAX].encode("utf-8", "replace").decode()
