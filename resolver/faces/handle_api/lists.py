"""Lists of handles and prefixes, and prefixes homed and unhomed (Handle over HTTP, 4)."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import orjson
from aiohttp.web import BaseRequest, Response, StreamResponse

from identifiers.handle_changes import Refused, named_prefix
from identifiers.handle_requests import NAMES_PER_PAGE_MAX, HandleAnswer, Home, ListHandles, ListHomed, Unhome
from identifiers.json_text import decode_json
from identifiers.values import ValuesError
from resolver.faces import handle_answer as form
from resolver.faces.desk import Desk
from resolver.faces.handle_api.door import Asker
from resolver.faces.handle_api.writing import Writer, check_success, executed, prefix_here
from resolver.faces.handle_reply import NOT_SERVED, ApiRefused, bad_request, body_of, decoded_name, json_reply, query_of
from resolver.faces.request_target import Parameters, Target

PAGE_SIZE_MAX: Final = 10_000

_NUMBER: Final = re.compile("-?[0-9]{1,9}")
_IN_FORCE: Final = ("active", "withdrawing")
_PRIVATE: Final = {"Cache-Control": "private, no-store"}


@dataclass(frozen=True, slots=True)
class _Window:
    """Which part of a list is wanted: `size` names from page `page` on. None: all of it."""

    page: int
    size: int


class Lists:
    """Serves lists, streamed in pieces: a list is nowhere whole in memory."""

    def __init__(self, desk: Desk, writer: Writer | None, *, enabled: bool = True) -> None:
        self._desk = desk
        self._writer = writer
        self._enabled = enabled

    async def handles(self, request: BaseRequest, target: Target, _rest: str, asker: Asker) -> StreamResponse:
        """List the names below `prefix`."""
        parameters = query_of(target)
        prefix = parameters.first("prefix")
        window = _window(parameters)
        if not prefix:
            raise bad_request("Prefix not specified in list request")
        head = {"responseCode": form.SUCCESS, "prefix": prefix}
        return await self._list(request, ListHandles(prefix), window, asker, head, "handles")

    async def prefixes(self, request: BaseRequest, target: Target, _rest: str, asker: Asker) -> StreamResponse:
        """List the prefixes homed here."""
        window = _window(query_of(target))
        return await self._list(request, ListHomed(), window, asker, {"responseCode": form.SUCCESS}, "prefixes")

    async def home(self, request: BaseRequest, target: Target, rest: str, asker: Asker) -> Response:
        """Answer for a prefix from now on."""
        prefix = await _prefix(request, target, rest, "homing")
        return await self._homed(request, Home(prefix), prefix, asker)

    async def unhome(self, request: BaseRequest, target: Target, rest: str, asker: Asker) -> Response:
        """Answer for a prefix no more."""
        prefix = await _prefix(request, target, rest, "unhoming")
        return await self._homed(request, Unhome(prefix), prefix, asker)

    async def _homed(self, request: BaseRequest, operation: Home | Unhome, prefix: str, asker: Asker) -> Response:
        check_success(await executed(self._writer, operation, asker, prefix), asker, prefix)
        body = orjson.dumps({"responseCode": form.SUCCESS, "handle": prefix})
        return await json_reply(request, 200, body, private=asker.is_known)

    async def _list(
        self,
        request: BaseRequest,
        listing: ListHandles | ListHomed,
        window: _Window | None,
        asker: Asker,
        head: dict[str, Any],
        member: str,
    ) -> StreamResponse:
        if not self._enabled:
            raise ApiRefused(501, form.OPERATION_NOT_SUPPORTED, "Lists are switched off on this node")
        if isinstance(listing, ListHandles) and asker.user is None:
            self._check_homed(listing.prefix)
        wanted = None if window is None else window.size
        offset = 0 if window is None else window.page * window.size
        first = await self._page(_part(listing, "", offset, wanted, count=True), asker)
        check_success(first, asker)
        head["totalCount"] = str(first.total or 0)
        if window is not None:
            head |= {"page": window.page, "pageSize": window.size}
        begun = b'%b,"%b":[' % (orjson.dumps(head)[:-1], member.encode())
        if wanted == 0 or first.next is None or (wanted is not None and len(first.names) >= wanted):
            names = first.names[:wanted] if wanted is not None else first.names
            body = b"%b%b]}" % (begun, orjson.dumps(names)[1:-1])
            return await json_reply(request, 200, body, private=True)
        headers = dict(form.ERROR_HEADERS) | _PRIVATE
        response = StreamResponse(headers=headers)
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        await response.write(begun)
        before = b""
        async for names in self._pages(listing, first, wanted, asker):
            await response.write(before + orjson.dumps(names)[1:-1])
            before = b"," if names or before else b""
        await response.write(b"]}")
        return response

    def _check_homed(self, prefix: str) -> None:
        """Say of a prefix that is not served here that it is not, before asking who wants to know (wire 17.3)."""
        state = prefix_here(self._desk, _prefix_named(prefix))
        if state is None or state.state not in _IN_FORCE:
            raise ApiRefused(400, form.NOT_RESPONSIBLE, NOT_SERVED)

    async def _pages(
        self, listing: ListHandles | ListHomed, page: HandleAnswer, wanted: int | None, asker: Asker
    ) -> AsyncIterator[list[str]]:
        """Yield names, a page at a time. An error after the first page breaks the answer off."""
        left = wanted
        while True:
            names = page.names if left is None else page.names[:left]
            if names:
                yield names
            left = None if left is None else left - len(names)
            if page.next is None or left == 0:
                return
            page = await self._page(_part(listing, page.next, 0, left, count=False), asker)
            if page.code != form.SUCCESS:
                raise ConnectionAbortedError(f"the list broke off with code {page.code}")
            await asyncio.sleep(0)

    async def _page(self, listing: ListHandles | ListHomed, asker: Asker) -> HandleAnswer:
        return await executed(self._writer, listing, asker)


def _part(
    listing: ListHandles | ListHomed, after: str, offset: int, wanted: int | None, *, count: bool
) -> ListHandles | ListHomed:
    limit = NAMES_PER_PAGE_MAX if wanted is None else min(wanted, NAMES_PER_PAGE_MAX)
    return msgspec.structs.replace(listing, after=after, offset=offset, limit=limit, count=count)


def _window(parameters: Parameters) -> _Window | None:
    page, size = _number(parameters, "page"), _number(parameters, "pageSize")
    if page is None or size is None or page < 0 or size < 0:
        return None
    return _Window(page, min(size, PAGE_SIZE_MAX))


def _number(parameters: Parameters, name: str) -> int | None:
    text = parameters.first(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise bad_request(f"{name} is not a number")
    return int(text)


async def _prefix(request: BaseRequest, target: Target, rest: str, doing: str) -> str:
    """Return the prefix named by the path, by a parameter or by the body."""
    named = decoded_name(rest) or query_of(target).first("prefix")
    if not named and (body := await body_of(request)):
        try:
            parsed = decode_json(body)
        except ValuesError as error:
            raise bad_request(error.message) from error
        named = parsed.get("prefix") if isinstance(parsed, dict) else None
    if not isinstance(named, str) or not named:
        raise bad_request(f"Prefix not specified in {doing} request")
    _prefix_named(named, named)
    return named


def _prefix_named(text: str, handle: str | None = None) -> str:
    """Return the prefix that a bare or a full name of one means. Raises ApiRefused."""
    try:
        return named_prefix(text)
    except Refused as error:
        raise bad_request(error.text, handle, error.code) from error
