"""Answers of the link face that are no redirects: pages, JSON for those who want nothing else, refusals."""

from typing import Final

from aiohttp.web import BaseRequest, Response

from identifiers.identifier import Invalid
from resolver.faces import handle_answer as form
from resolver.faces import html
from resolver.faces.handle_json import HandleAnswer, gone_message, unresolved
from resolver.faces.referral_sites import site_addresses
from resolver.faces.reply import Headers, reply
from resolver.faces.visible_values import Visible
from resolver.lookup import Absent, Gone, Referral

EXPOSE: Final = "Access-Control-Expose-Headers"
OPEN: Final = (*form.OPEN_TO_ALL, (EXPOSE, "Content-Length, ETag, Location, Link"))
VARY: Final = ("Vary", "Accept")

_UNCACHED: Final = (("Cache-Control", "no-cache"), VARY, *OPEN)
_MORE: Final = {503: (("Retry-After", "1"),), 401: (("WWW-Authenticate", 'Bearer realm="idnode"'),)}
"""Headers that belong to a status."""


async def values_answer(request: BaseRequest, name: str, seen: Visible, more: Headers) -> Response:
    """Show values as a table."""
    headers = (*html.HEADERS, *more, VARY, *OPEN)
    compressible = len(seen.values_json) > form.GZIP_OCTETS_MIN
    page = html.values_page(name, seen.values_json)
    return await reply(request, 200, headers, page, etag=f"{seen.etag}-html", compressible=compressible)


async def unresolved_answer(
    request: BaseRequest, name: str, found: Referral | Absent | Gone | Invalid, *, as_json: bool
) -> Response:
    """Answer for everything but a record."""
    answer = unresolved(name, found)
    status = 410 if isinstance(found, Gone) else form.status_of(answer.code)
    if as_json:
        return await json_answer(request, status, answer)
    return await reply(request, status, (*html.HEADERS, *_UNCACHED), _page_for(name, found))


async def json_answer(request: BaseRequest, status: int, answer: HandleAnswer) -> Response:
    """Answer as `/api/handles` does."""
    headers = (*(form.FOUND_HEADERS if answer.etag else form.ERROR_HEADERS), VARY)
    return await reply(request, status, headers, answer.body, etag=answer.etag, compressible=answer.compressible)


async def refusal(request: BaseRequest, status: int, code: int, message: str, *, as_json: bool) -> Response:
    """Refuse a request that names nothing to look up, or that cannot be answered now."""
    more = _MORE.get(status, ())
    if as_json:
        return await reply(request, status, (*form.ERROR_HEADERS, *more), form.error_body(code, None, message))
    page = html.message_page("Resolution Error", "", message)
    exposed = ((EXPOSE, name) for name, _ in more)
    return await reply(request, status, (*html.HEADERS, *_UNCACHED, *more, *exposed), page)


async def chain_too_long(request: BaseRequest, name: str) -> Response:
    """Say that aliases lead on and on."""
    page = html.message_page("Alias chain too long", name, "Aliases lead from this identifier on and on.")
    return await reply(request, 404, (*html.HEADERS, *_UNCACHED), page)


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
