"""`/{identifier}`: what a scanned link opens: a redirect to where the record leads, its values as a page, or JSON."""

from email.utils import formatdate
from typing import Final
from urllib.parse import quote

from aiohttp import HttpVersion11
from aiohttp.web import BaseRequest, Response
from multidict import CIMultiDict

from resolver.counting import UNSERVED
from resolver.faces import handle_answer as form
from resolver.faces import html
from resolver.faces.body import BodyRefused, read_body
from resolver.faces.desk import Desk, Inquiry, LookupsUnavailable, outcome_of
from resolver.faces.handle_json import resolved
from resolver.faces.handle_query import BadParameter, Wanted, parameters_in_body
from resolver.faces.link_header import link_of
from resolver.faces.methods import KNOWN_METHODS, unknown_method
from resolver.faces.proxy.aliases import AliasChainTooLong, Followed, followed
from resolver.faces.proxy.answers import (
    EXPOSE,
    OPEN,
    VARY,
    chain_too_long,
    json_answer,
    refusal,
    unresolved_answer,
    values_answer,
)
from resolver.faces.proxy.choice import Chooser, conditions_of
from resolver.faces.proxy.options import ProxyOptions
from resolver.faces.proxy.way import FOUND, Directions, Way, locations_xml, way_of
from resolver.faces.proxy_name import name_in_link
from resolver.faces.reading_rights import CredentialRefused, Rights, rights_of
from resolver.faces.reply import Headers, accepts_only_json, preflight, reply
from resolver.faces.request_target import BadTarget, Parameters, Target, decode_once
from resolver.faces.visible_values import Visible, visible
from resolver.lookup import Found
from resolver.record import path_of

ALLOWED: Final = ("GET", "HEAD", "POST", "OPTIONS")
INDEX_DIGITS_MAX: Final = 10
_ALLOW: Final = ", ".join(ALLOWED)
_ROBOTS: Final = b"User-agent: *\nDisallow: /api/\n"
_PRIVATE: Final = (("Cache-Control", "private, no-store"),)
_BEARER: Final = "bearer "
_A_DAY: Final = ("Cache-Control", "max-age=86400")
_QUERY_SAFE: Final = "!$&'()*+,-./:;=?@_~%[]"
_MOVED: Final = 301


class Redirect:
    """Serves every path that no other face has. Redirects by public values only, whoever asks."""

    def __init__(self, desk: Desk, options: ProxyOptions | None = None) -> None:
        self._desk = desk
        self._options = options or ProxyOptions()

    async def serve(self, request: BaseRequest, target: Target) -> Response:
        """Answer any method on any such path."""
        method = request.method
        if method not in KNOWN_METHODS:
            return await reply(request, 501, form.ERROR_HEADERS, unknown_method(method))
        if method == "OPTIONS":
            return preflight(_ALLOW)
        if method not in ALLOWED:
            page = html.message_page("Method Not Allowed", method, "Links are opened with GET.")
            return await reply(request, 405, (*html.HEADERS, ("Allow", _ALLOW), *OPEN, (EXPOSE, "Allow")), page)
        posted = method == "POST" and target.path == "/"
        if not posted and (fixed := await _fixed_page(request, target.path)) is not None:
            return fixed
        if not self._options.enabled and not posted:
            return _instead("/api/handles" + _as_sent(target))
        return await self._open(request, target)

    async def _open(self, request: BaseRequest, target: Target) -> Response:
        inquiry = Inquiry("redirect", self._desk.proxies.client(request))
        as_json = accepts_only_json(request.headers.get("Accept", ""))
        try:
            parameters = Parameters.of(target.query, "&;")
            written = decode_once(target.path[1:])
            if not written and request.method == "POST":
                parameters += await _form(request)
                written = parameters.first("hdl") or ""
            name = name_in_link(written)
        except (BadTarget, BadParameter, BodyRefused) as error:
            self._desk.count(inquiry, UNSERVED, "malformed")
            status = error.status if isinstance(error, BodyRefused) else 400
            return await refusal(request, status, form.INVALID_HANDLE, str(error), as_json=as_json)
        if not self._options.enabled:
            return _instead(f"/api/handles{path_of(name)}")
        as_json = as_json or parameters.first("action") == "api"
        try:
            return await self._answer(request, inquiry, name, parameters, as_json=as_json)
        except LookupsUnavailable as error:
            return await refusal(request, 503, form.TRY_AGAIN, f"No lookups now: {error}", as_json=as_json)
        except CredentialRefused as error:
            self._desk.count(inquiry, self._desk.prefix_at(name), "denied")
            return await refusal(request, 401, form.AUTHENTICATION_FAILED, str(error), as_json=as_json)

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
        follows = not as_json and "ignore_aliases" not in parameters
        try:
            end = followed(name, found, self._desk.find) if follows else Followed(name, found)
            response = await self._at_the_end(request, inquiry, name, end, parameters, rights, as_json=as_json)
        except AliasChainTooLong:
            response = await chain_too_long(request, name)
        response.headers.extend(link_of(found))
        self._desk.count(inquiry, self._desk.prefix_of(name, found), outcome_of(found))
        return response

    async def _at_the_end(
        self,
        request: BaseRequest,
        inquiry: Inquiry,
        asked_for: str,
        end: Followed,
        parameters: Parameters,
        rights: Rights | None,
        *,
        as_json: bool,
    ) -> Response:
        """Answer with what aliases lead to; who wants to be redirected is told the alias's target first."""
        shown = _is_shown(parameters)
        if end.name != asked_for and not shown and request.method != "POST":
            location = path_of(end.name) + _as_sent(Target("", Target.of(request.raw_path).query))
            moved = (*html.HEADERS, ("Location", location), ("Cache-Control", "no-cache"), VARY, *OPEN)
            return await reply(request, _MOVED, moved, html.redirect_page(location))
        if not isinstance(end.answer, Found):
            return await unresolved_answer(request, end.name, end.answer, as_json=as_json)
        asked = _selection(parameters)
        seen = visible(end.answer.record, end.answer.prefix, asked, rights)
        if as_json:
            response = await json_answer(request, form.status_of(seen.code), resolved(end.name, seen))
            return response if rights is None else _for_one(response)
        if parameters.first("action") == "showurls":
            xml = locations_xml(end.answer.record, end.name, asked)
            headers = (("Content-Type", "application/xml; charset=UTF-8"), ("Cache-Control", "no-cache"), VARY, *OPEN)
            return await reply(request, 200, headers, xml)
        way = way_of(end.answer.record, end.name, self._directions(request, inquiry, asked, parameters))
        life = _PRIVATE if rights is not None else self._life(end.answer, way, seen)
        if shown or not way.location:
            return await values_answer(request, end.name, seen, _with(life, way.headers))
        return await _redirect(request, way, life, status_only="redirectionHeaders" in parameters)

    def _directions(self, request: BaseRequest, inquiry: Inquiry, asked: Wanted, parameters: Parameters) -> Directions:
        metadata = ("role:metadata",) if parameters.first("action") == "metadata" else ()
        country = parameters.first("country")
        if country is None and self._options.country_header and self._desk.proxies.is_behind(request):
            country = request.headers.get(self._options.country_header)
        chooser = Chooser(
            conditions=conditions_of((*metadata, *parameters.all("locatt"))),
            address=parameters.first("ip") or inquiry.client.address,
            country=country or "",
            accept=request.headers.get("Accept", ""),
            accept_language=request.headers.get("Accept-Language", ""),
        )
        return Directions(
            asked,
            chooser,
            appended=parameters.first("urlappend") or "",
            plain_only="nols" in parameters,
            legacy="no_legacy" not in parameters,
            extra_headers=self._options.record_headers,
        )

    def _life(self, found: Found, way: Way, seen: Visible) -> Headers:
        """Say for how long the answer may be kept; that there is nothing yet, not at all."""
        if seen.code == form.VALUES_NOT_FOUND:
            return (("Cache-Control", "no-cache"),)
        now_s = int(self._desk.clock())
        max_age_s = way.max_age_s(found.record, now_s)
        return (("Cache-Control", f"max-age={max_age_s}"), ("Expires", formatdate(now_s + max_age_s, usegmt=True)))


async def _redirect(request: BaseRequest, way: Way, life: Headers, *, status_only: bool) -> Response:
    """Send the client on. Those that speak HTTP/1.0 know 301 and 302 only."""
    status = way.status if request.version >= HttpVersion11 or way.status == _MOVED else FOUND
    vary = ", ".join(dict.fromkeys(("Accept", *way.vary)))
    headers = (*html.HEADERS, ("Location", way.location), *_with(life, way.headers), ("Vary", vary), *OPEN)
    return await reply(request, 200 if status_only else status, headers, html.redirect_page(way.location))


def _with(life: Headers, brought: Headers) -> Headers:
    """Add a record's own headers; what it says of caching counts in place of what its TTLs say."""
    headers = CIMultiDict(life)
    for name, text in brought:
        if name.lower() == "link":
            headers.add(name, text)
            continue
        if name.lower() == "cache-control":
            headers.popall("Expires", None)
        elif name.lower().startswith("x-"):
            headers.add(EXPOSE, name)
        headers[name] = text
    return tuple(headers.items())


async def _fixed_page(request: BaseRequest, path: str) -> Response | None:
    """Return what is at a path that never names an identifier; None for others."""
    if path == "/":
        return await reply(request, 200, (*html.HEADERS, _A_DAY), html.query_page())
    if path == "/help.html":
        return await reply(request, 200, (*html.HEADERS, _A_DAY), html.help_page())
    if path == "/robots.txt":
        return await reply(request, 200, (("Content-Type", "text/plain; charset=UTF-8"), _A_DAY), _ROBOTS)
    if path == "/favicon.ico":
        return Response(status=204, headers=dict([_A_DAY]))
    if path.startswith("/static/"):
        return await reply(request, 404, (*html.HEADERS, *OPEN), html.message_page("Not Found", path, "No such file."))
    return None


def _instead(path: str) -> Response:
    """Lead to the JSON of what a link names, where links are switched off."""
    return Response(status=FOUND, headers=dict((("Location", path), *OPEN)))


async def _form(request: BaseRequest) -> Parameters:
    """Return what the query page's form posts to `/`. Raises BadParameter and BodyRefused."""
    return parameters_in_body(request.headers.get("Content-Type", ""), await read_body(request))


def _selection(parameters: Parameters) -> Wanted:
    """Return what `type` and `index` restrict the resolution to; a bad index is ignored on this face."""
    texts = (text for text in parameters.all("index") if len(text) <= INDEX_DIGITS_MAX and text.isdecimal())
    return Wanted(indexes=frozenset(map(int, texts)), types=tuple(parameters.all("type")))


def _is_shown(parameters: Parameters) -> bool:
    return "noredirect" in parameters or parameters.first("action") in ("showvalues", "showurls")


def _as_sent(target: Target) -> str:
    """Return path and query as they were sent, safe in a header."""
    text = f"{target.path}?{target.query}" if target.query else target.path
    return quote(text.encode("utf-8", "surrogateescape"), safe=_QUERY_SAFE)


def _for_one(response: Response) -> Response:
    """Let nobody keep what one credential opened."""
    response.headers.update(_PRIVATE)
    return response
