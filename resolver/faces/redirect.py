"""`/{identifier}`: what a scanned link opens: a redirect to the record's URL, its values as a page, or JSON."""

from email.utils import formatdate
from typing import Final
from urllib.parse import urlsplit

from aiohttp.web import BaseRequest, Response

from identifiers.identifier import Invalid
from identifiers.selection import publicly_readable, select
from resolver.counting import UNSERVED
from resolver.faces import handle_answer as form
from resolver.faces import html
from resolver.faces.body import BodyRefused, read_body
from resolver.faces.desk import Desk, Inquiry, LookupsUnavailable, outcome_of
from resolver.faces.handle_json import HandleAnswer, gone_message, resolved, unresolved
from resolver.faces.handle_query import BadParameter, Wanted, parameters_in_body
from resolver.faces.link_header import link_of
from resolver.faces.proxy_name import name_in_link
from resolver.faces.reading_rights import CredentialRefused, Rights, rights_of
from resolver.faces.referral_sites import site_addresses
from resolver.faces.reply import Headers, accepts_only_json, preflight, reply
from resolver.faces.request_target import BadTarget, Parameters, Target, decode_once
from resolver.faces.visible_values import Visible, visible
from resolver.location import location_of, usable_location
from resolver.lookup import Absent, Found, Gone, Referral

ALLOWED: Final = ("GET", "HEAD", "POST", "OPTIONS")
INDEX_DIGITS_MAX: Final = 10
_ALLOW: Final = ", ".join(ALLOWED)
_OPEN: Final = (*form.OPEN_TO_ALL, ("Access-Control-Expose-Headers", "Content-Length, ETag, Location"))
_UNCACHED: Final = (("Cache-Control", "no-cache"), ("Vary", "Accept"), *_OPEN)
_MORE: Final = {503: (("Retry-After", "1"),), 401: (("WWW-Authenticate", 'Bearer realm="idnode"'),)}
"""Headers that belong to a status."""
_ROBOTS: Final = b"User-agent: *\nDisallow: /api/\n"
_PRIVATE: Final = (("Cache-Control", "private, no-store"),)
_BEARER: Final = "bearer "
_A_DAY: Final = ("Cache-Control", "max-age=86400")


class Redirect:
    """Serves every path that no other face has. Redirects by public values only, whoever asks."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def serve(self, request: BaseRequest, target: Target) -> Response:
        """Answer any method on any such path."""
        if request.method == "OPTIONS":
            return preflight(_ALLOW)
        if request.method not in ALLOWED:
            page = html.message_page("Method Not Allowed", request.method, "Links are opened with GET.")
            return await reply(request, 405, (*html.HEADERS, ("Allow", _ALLOW)), page)
        if target.path == "/" and request.method != "POST":
            return await reply(request, 200, (*html.HEADERS, _A_DAY), html.query_page())
        if target.path == "/robots.txt":
            return await reply(request, 200, (("Content-Type", "text/plain; charset=UTF-8"), _A_DAY), _ROBOTS)
        if target.path == "/favicon.ico":
            return Response(status=204, headers=dict([_A_DAY]))
        return await self._open(request, target)

    async def _open(self, request: BaseRequest, target: Target) -> Response:
        inquiry = Inquiry("redirect", self._desk.proxies.client(request))
        as_json = accepts_only_json(request.headers.get("Accept", ""))
        try:
            parameters = Parameters.of(target.query, "&;")
            name = name_in_link(decode_once(target.path[1:]) or await _name_in_form(request))
        except (BadTarget, BadParameter, BodyRefused) as error:
            self._desk.count(inquiry, UNSERVED, "malformed")
            status = error.status if isinstance(error, BodyRefused) else 400
            return await _problem(request, status, form.INVALID_HANDLE, str(error), as_json=as_json)
        as_json = as_json or parameters.first("action") == "api"
        try:
            return await self._answer(request, inquiry, name, parameters, as_json=as_json)
        except LookupsUnavailable as error:
            return await _problem(request, 503, form.TRY_AGAIN, f"No lookups now: {error}", as_json=as_json)
        except CredentialRefused as error:
            self._desk.count(inquiry, UNSERVED, "denied")
            return await _problem(request, 401, form.AUTHENTICATION_FAILED, str(error), as_json=as_json)

    def _rights(self, request: BaseRequest, inquiry: Inquiry) -> Rights | None:
        """Return the rights of a bearer token. Others' credentials, a proxy's perhaps, are none of this face's."""
        authorization = request.headers.get("Authorization", "")
        if not authorization.lower().startswith(_BEARER):
            return None
        return rights_of(authorization, inquiry.client, self._desk.open_reader(), self._desk.clock())

    async def _answer(
        self, request: BaseRequest, inquiry: Inquiry, name: str, parameters: Parameters, *, as_json: bool
    ) -> Response:
        rights = self._rights(request, inquiry)
        found = self._desk.find(name)
        if isinstance(found, Found):
            response = await self._resolved(request, found, name, parameters, rights, as_json=as_json)
        else:
            response = await _unresolved(request, name, found, as_json=as_json)
        response.headers.update(link_of(found))
        self._desk.count(inquiry, self._desk.prefix_of(name, found), outcome_of(found))
        return response

    async def _resolved(
        self,
        request: BaseRequest,
        found: Found,
        name: str,
        parameters: Parameters,
        rights: Rights | None,
        *,
        as_json: bool,
    ) -> Response:
        asked = _selection(parameters)
        seen = visible(found.record, found.prefix, asked, rights)
        if as_json:
            response = await _json(request, form.status_of(seen.code), resolved(name, seen))
            return response if rights is None else _for_one(response)
        life = _PRIVATE if rights is not None else self._life(found)
        shown = "noredirect" in parameters or parameters.first("action") == "showvalues"
        location = "" if shown else _location(found, asked, parameters.first("urlappend"))
        if location:
            headers = (*html.HEADERS, ("Location", location), *life, ("Vary", "Accept"), *_OPEN)
            return await reply(request, 302, headers, html.redirect_page(location))
        return await _values(request, name, seen, life)

    def _life(self, found: Found) -> Headers:
        now_s = int(self._desk.clock())
        max_age_s = found.record.max_age_s(now_s)
        return (("Cache-Control", f"max-age={max_age_s}"), ("Expires", formatdate(now_s + max_age_s, usegmt=True)))


async def _name_in_form(request: BaseRequest) -> str:
    """Return the name in the query page's form, which posts it to `/`. Raises BadParameter and BodyRefused."""
    if request.method != "POST":
        return ""
    return parameters_in_body(request.headers.get("Content-Type", ""), await read_body(request)).first("hdl") or ""


def _selection(parameters: Parameters) -> Wanted:
    """Return what `type` and `index` restrict the resolution to; a bad index is ignored on this face."""
    texts = (text for text in parameters.all("index") if len(text) <= INDEX_DIGITS_MAX and text.isdecimal())
    return Wanted(indexes=frozenset(map(int, texts)), types=tuple(parameters.all("type")))


def _location(found: Found, asked: Wanted, appended: str | None) -> str:
    record = found.record
    if asked.everything:
        location = record.location
    else:
        location = location_of(select(publicly_readable(record.values()), asked.indexes, asked.types))
    if not location or not appended:
        return location
    longer = usable_location((location + appended).encode())
    return longer if _place(longer) == _place(location) else location


def _place(location: str) -> tuple[str, str] | None:
    """Return scheme and authority: what a client's own addition to a link must not change."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return None
    return parts.scheme, parts.netloc


async def _values(request: BaseRequest, name: str, seen: Visible, life: Headers) -> Response:
    headers = (*html.HEADERS, *life, ("Vary", "Accept"), *_OPEN)
    compressible = len(seen.values_json) > form.GZIP_OCTETS_MIN
    page = html.values_page(name, seen.values_json)
    return await reply(request, 200, headers, page, etag=f"{seen.etag}-html", compressible=compressible)


async def _unresolved(
    request: BaseRequest, name: str, found: Referral | Absent | Gone | Invalid, *, as_json: bool
) -> Response:
    answer = unresolved(name, found)
    status = 410 if isinstance(found, Gone) else form.status_of(answer.code)
    if as_json:
        return await _json(request, status, answer)
    return await reply(request, status, (*html.HEADERS, *_UNCACHED), _page_for(name, found))


def _page_for(name: str, found: Referral | Absent | Gone | Invalid) -> bytes:
    """Return the page of an outcome. Monitoring probes look for the title and the text of the one for unknown names."""
    if isinstance(found, Invalid):
        return html.message_page("Resolution Error", name, found.message)
    if isinstance(found, Gone):
        if found.record is None:
            return html.message_page(f"Prefix {found.prefix.state.title()}", name, f"{gone_message(found)}.")
        return html.withdrawn_page(name, found.record.instead, found.record.location)
    if isinstance(found, Referral):
        return html.sites_page(name, found.prefix.prefix, site_addresses(found.prefix))
    if found.prefix is None:
        prefix = name.partition("/")[0]
        return html.message_page(f"Prefix [{prefix}] Not Found", name, "This node does not serve the prefix.")
    return html.message_page("Handle Not Found", name, "Not Found: nothing is registered under this identifier.")


async def _json(request: BaseRequest, status: int, answer: HandleAnswer) -> Response:
    headers = (*(form.FOUND_HEADERS if answer.etag else form.ERROR_HEADERS), ("Vary", "Accept"))
    return await reply(request, status, headers, answer.body, etag=answer.etag, compressible=answer.compressible)


def _for_one(response: Response) -> Response:
    """Let nobody keep what one credential opened."""
    response.headers.update(_PRIVATE)
    return response


async def _problem(request: BaseRequest, status: int, code: int, message: str, *, as_json: bool) -> Response:
    more = _MORE.get(status, ())
    if as_json:
        return await reply(request, status, (*form.ERROR_HEADERS, *more), form.error_body(code, None, message))
    page = html.message_page("Resolution Error", "", message)
    return await reply(request, status, (*html.HEADERS, *_UNCACHED, *more), page)
