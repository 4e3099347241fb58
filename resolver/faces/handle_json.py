"""`GET` and `POST /api/handles/{handle}`: resolution in the Handle JSON form."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson
from aiohttp.web import BaseRequest, Response
from multidict import CIMultiDict

from identifiers.handle import parse_handle
from identifiers.identifier import HandleParts, Identifier, Invalid
from identifiers.values import Value
from resolver.faces import handle_answer as form
from resolver.faces.desk import Desk, Inquiry, LookupsUnavailable, outcome_of
from resolver.faces.handle_api.door import Asker, Door
from resolver.faces.handle_query import BadParameter, Wanted, parameters_in_body, wanted
from resolver.faces.handle_reply import (
    NOT_SERVED,
    RETRY_AFTER,
    ApiRefused,
    as_script,
    bad_request,
    body_of,
    decoded_name,
    invalid_text,
    query_of,
)
from resolver.faces.link_header import link_of
from resolver.faces.reading_rights import Access
from resolver.faces.referral_sites import SITE_TYPE, site_values, sites_json
from resolver.faces.reply import reply
from resolver.faces.request_target import Target
from resolver.faces.visible_values import Reader, Visible, chosen, visible
from resolver.lookup import Absent, Found, Gone, Referral
from resolver.record import Record

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


class Resolution:
    """Serves resolution requests."""

    def __init__(self, desk: Desk, door: Door, site: bytes = b"") -> None:
        self._desk = desk
        self._door = door
        self._site = (Value(1, SITE_TYPE, site),) if site else ()

    async def serve(self, request: BaseRequest, target: Target, raw_name: str, asker: Asker) -> Response:
        """Check syntax of name and parameters, then look up. Raises ApiRefused and LookupsUnavailable."""
        inquiry = Inquiry("handle-json", asker.client)
        name = decoded_name(raw_name)
        asked = await _asked(request, target, name)
        try:
            answer = await self._look_up(inquiry, name, asked, asker)
        except LookupsUnavailable as error:
            raise ApiRefused(503, form.TRY_AGAIN, f"No lookups now: {error}", name) from error
        return await self._response(request, answer, asked, asker)

    async def _look_up(self, inquiry: Inquiry, name: str, asked: Wanted, asker: Asker) -> HandleAnswer:
        """Look a name up, count it, and return the answer."""
        found = self._desk.find(name)
        outcome = outcome_of(found)
        if isinstance(found, Absent) and (values := self._made_up(name, found)):
            outcome = "found"
            answer = resolved(name, chosen(values, asked))
        elif isinstance(found, Found):
            reader = await self._reader(found.record, asked, asker)
            seen = visible(found.record, found.prefix, asked, reader)
            outcome = "denied" if seen.denied else outcome
            answer = resolved(name, seen)
        else:
            answer = unresolved(name, found, do_not_refer=asked.do_not_refer)
        self._desk.count(inquiry, self._desk.prefix_of(name, found), outcome)
        return replace(answer, links=links) if (links := link_of(found)) else answer

    def _made_up(self, name: str, absent: Absent) -> Sequence[Value]:
        """Return the values of a prefix record that nobody stored: the sites that serve the prefix."""
        parsed = parse_handle(name)
        parts = parsed.parts if isinstance(parsed, Identifier) else None
        if absent.prefix is None or not isinstance(parts, HandleParts) or parts.named_prefix is None:
            return ()
        return self._site if absent.prefix.hosting == "here" else site_values(absent.prefix)

    async def _reader(self, record: Record, asked: Wanted, asker: Asker) -> Reader | None:
        """Return what decides on values that are not public. A user's groups are looked up only where they matter."""
        if asker.user is None:
            return asker.rights
        if not record.restricted or asked.public_only:
            return _HandleReader(Access())
        return _HandleReader(Access(admin=await self._door.may_read(asker.user, record)))

    async def _response(self, request: BaseRequest, answer: HandleAnswer, asked: Wanted, asker: Asker) -> Response:
        """Dress an answer: indented or as JSONP if asked for, and never kept by others when a credential was used."""
        status = form.status_of(answer.code, secure=asker.client.secure)
        headers = CIMultiDict(form.FOUND_HEADERS if answer.etag else form.ERROR_HEADERS)
        if answer.links:
            headers.extend(answer.links)
            headers["Access-Control-Expose-Headers"] += ", Link"
        body, etag = answer.body, answer.etag
        if status == 503:  # noqa: PLR2004 - Service Unavailable
            headers.extend([RETRY_AFTER])
        challenge = await self._door.challenge(request, asker) if status == 401 else []  # noqa: PLR2004 - Unauthorized
        headers.extend(challenge)
        if asked.pretty:
            body, etag = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2), etag and f"{etag}-pretty"
        if asker.is_known or challenge:
            headers["Cache-Control"] = "private, no-store"
        elif asked.callback and request.method != "POST":
            body, etag = as_script(headers, asked.callback, body), ""
        return await reply(request, status, headers.items(), body, etag=etag, compressible=answer.compressible)


@dataclass(frozen=True, slots=True)
class _HandleReader:
    """A Handle user's access, decided beforehand."""

    decided: Access

    def access(self, record: Record, prefix: object) -> Access:  # noqa: ARG002 - decided for this record
        """Return it."""
        return self.decided


def resolved(name: str, seen: Visible) -> HandleAnswer:
    """Return the answer for a record: what may be seen of it, or why not."""
    if seen.denied:
        return _error_answer(seen.code, name, _DENIALS[seen.code])
    compressible = len(seen.values_json) > form.GZIP_OCTETS_MIN
    return HandleAnswer(seen.code, form.found_body(name, seen.values_json), seen.etag, compressible)


def unresolved(name: str, found: Referral | Absent | Gone | Invalid, *, do_not_refer: bool = False) -> HandleAnswer:
    """Return the answer for everything but a record."""
    if isinstance(found, Invalid):
        return _error_answer(form.INVALID_HANDLE, name, invalid_text(found))
    if isinstance(found, Gone):
        return _error_answer(form.HANDLE_NOT_FOUND, name, gone_message(found))
    if isinstance(found, Referral) and not do_not_refer:
        return HandleAnswer(form.REFERRAL, form.referral_body(name, sites_json(found.prefix)))
    if isinstance(found, Referral) or found.prefix is None:
        return _error_answer(form.NOT_RESPONSIBLE, name, NOT_SERVED)
    return _error_answer(form.HANDLE_NOT_FOUND, name)


def gone_message(gone: Gone) -> str:
    """Say what is no more: the identifier, or everything below its prefix, for now or for good."""
    if gone.record is not None:
        instead = gone.record.instead
        return f"This identifier was withdrawn: use {instead} instead" if instead else "This identifier was withdrawn"
    return f"The prefix {gone.prefix.prefix} is {gone.prefix.state}"


def _error_answer(code: int, name: str, message: str = "") -> HandleAnswer:
    return HandleAnswer(code, form.error_body(code, name, message))


async def _asked(request: BaseRequest, target: Target, name: str) -> Wanted:
    parameters = query_of(target, name)
    try:
        if request.method == "POST":
            body = await body_of(request, name)
            parameters += parameters_in_body(request.headers.get("Content-Type", ""), body)
        return wanted(parameters)
    except BadParameter as error:
        raise bad_request(str(error), name) from error
