"""The other endpoints for reporters: attachments, monthly reports, directives (docking contract 9.9, 9.10)."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from aiohttp import web

from identifiers.json_text import decode_json
from identifiers.values import ValuesError
from sync.collecting.answers import as_json, number
from sync.collecting.batch_check import check_digest
from sync.collecting.files import file_name, read_file
from sync.collecting.problems import Problem
from sync.top_node.files_named import files_named
from sync.top_node.store import Store

T = TypeVar("T")

DIRECTIVES_MAX: Final = 100
JSON_OCTETS_MAX: Final = 1024 * 1024

_MONTH: Final = re.compile("[0-9]{4}-(0[1-9]|1[0-2])")


class InThread(Protocol):
    """Runs a call where the store may be used."""

    def __call__(self, call: Callable[[], T]) -> Awaitable[T]:
        """Return what the call returns."""
        ...


class Filing:
    """Handlers; every call of the store runs in its thread."""

    def __init__(self, store: Store, in_thread: InThread, now: Callable[[], datetime]) -> None:
        self._store = store
        self._in_thread = in_thread
        self._now = now

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the endpoints."""
        router.add_route("HEAD", "/v1/attachments/{sha256}", self._has_attachment)
        router.add_put("/v1/attachments/{sha256}", self._put_attachment)
        router.add_get("/v1/monthly-reports/{month}", self._get_monthly)
        router.add_put("/v1/monthly-reports/{month}", self._put_monthly)
        router.add_get("/v1/directives", self._list_directives)
        router.add_post("/v1/directives/{directive_id}/ack", self._acknowledge)

    async def _has_attachment(self, request: web.Request) -> web.Response:
        sha256 = file_name(request)
        here = await self._in_thread(lambda: self._store.attachments.has(sha256))
        return web.Response(status=200 if here else 404)

    async def _put_attachment(self, request: web.Request) -> web.Response:
        file, reporter = read_file(request, await request.read()), request.headers["Idn-Reporter"]
        is_new = await self._in_thread(lambda: self._store.attachments.put(reporter, file, self._now()))
        return as_json({"sha256": file.sha256, "bytes": len(file.content)}, status=201 if is_new else 200)

    async def _get_monthly(self, request: web.Request) -> web.Response:
        month, reporter = _month(request), request.headers["Idn-Reporter"]
        return as_json(await self._in_thread(lambda: self._store.monthly.get(reporter, month)))

    async def _put_monthly(self, request: web.Request) -> web.Response:
        month, reporter = _month(request), request.headers["Idn-Reporter"]
        report = await _json_object(request)

        def put() -> dict[str, Any]:
            missing = self._store.attachments.missing(sorted(set(files_named(report))))
            if missing:
                raise Problem(424, "dependency_missing", "documents are missing", more={"missing": missing})
            return self._store.monthly.put(reporter, month, report, self._now())

        return as_json(await self._in_thread(put))

    async def _list_directives(self, request: web.Request) -> web.Response:
        reporter, after = request.headers["Idn-Reporter"], request.query.get("after", "")
        limit = min(number(request, "limit", DIRECTIVES_MAX), DIRECTIVES_MAX)
        found = await self._in_thread(lambda: self._store.directives.after(reporter, after, limit))
        return as_json({"directives": found})

    async def _acknowledge(self, request: web.Request) -> web.Response:
        reporter, answer = request.headers["Idn-Reporter"], await _json_object(request)
        directive_id = request.match_info["directive_id"]
        await self._in_thread(lambda: self._store.directives.acknowledge(reporter, directive_id, answer, self._now()))
        return as_json({"id": directive_id, "result": answer["result"]})


def _month(request: web.Request) -> str:
    month = request.match_info["month"]
    if not _MONTH.fullmatch(month):
        raise Problem(400, "malformed", "a month is written YYYY-MM")
    return month


async def _json_object(request: web.Request) -> dict[str, Any]:
    """Return a request's JSON object, its digest checked; raises Problem."""
    content = await request.read()
    if request.content_type != "application/json":
        raise Problem(400, "malformed", "the content is JSON, with the Content-Type application/json")
    if len(content) > JSON_OCTETS_MAX:
        raise Problem(413, "too_large", "longer than anything that is taken here", more={"max_bytes": JSON_OCTETS_MAX})
    check_digest(content, request.headers.get("Content-Digest", ""))
    try:
        value = decode_json(content)
    except ValuesError as error:
        raise Problem(400, "malformed", str(error)) from error
    if not isinstance(value, dict):
        raise Problem(400, "malformed", "a JSON object is needed")
    return value
