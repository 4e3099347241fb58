"""The operator's side of the simulator, for this machine only: faults, directives, loss of data, a look at the rows."""

import ipaddress
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from identifiers.json_text import decode_json
from identifiers.values import ValuesError
from sync.collecting.answers import as_json, number
from sync.collecting.header import TABLES
from sync.collecting.problems import Problem
from sync.top_node.faults import Faults, FaultsError, FaultSource, change_faults
from sync.top_node.filing import InThread
from sync.top_node.store import Store

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE_MAX: Final = 1_000
SHOWN_MAX: Final = 200
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Control:
    """Handlers below /control."""

    def __init__(self, store: Store, faults: FaultSource, in_thread: InThread, now: Callable[[], datetime]) -> None:
        self._store = store
        self._faults = faults
        self._in_thread = in_thread
        self._now = now

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the endpoints."""
        for method, path, handler in (
            ("GET", "/control/faults", self._get_faults),
            ("POST", "/control/faults", self._change_faults),
            ("DELETE", "/control/faults", self._no_faults),
            ("GET", "/control/directives", self._list_directives),
            ("POST", "/control/directives", self._issue),
            ("POST", "/control/checkpoint", self._checkpoint),
            ("POST", "/control/lose", self._lose),
            ("GET", "/control/rows/{table}", self._rows),
            ("GET", "/control/batches/{table}", self._batches),
            ("GET", "/control/monthly-reports", self._monthly),
        ):
            router.add_route(method, path, _local(handler))

    async def _get_faults(self, _: web.Request) -> web.Response:
        return as_json(self._faults.faults.told())

    async def _change_faults(self, request: web.Request) -> web.Response:
        """Change the faults named and leave the others; an open form of a browser names some as empty text."""
        told = {name: value for name, value in (await _object(request)).items() if value != ""}
        try:
            self._faults.change(change_faults(self._faults.faults, told))
        except FaultsError as error:
            raise Problem(400, "malformed", str(error)) from error
        return as_json(self._faults.faults.told())

    async def _no_faults(self, _: web.Request) -> web.Response:
        self._faults.change(Faults())
        return as_json(self._faults.faults.told())

    async def _list_directives(self, _: web.Request) -> web.Response:
        return as_json({"directives": await self._in_thread(lambda: self._store.directives.newest(SHOWN_MAX))})

    async def _issue(self, request: web.Request) -> web.Response:
        told = await _object(request)
        reporter, kind, body = told.get("reporter"), told.get("kind"), told.get("body", {})
        if not isinstance(reporter, str) or not isinstance(kind, str) or not isinstance(body, dict):
            raise Problem(400, "malformed", "a directive needs reporter, kind and body")
        return as_json(
            await self._in_thread(
                lambda: self._store.directives.issue(reporter, kind, body, told.get("reason", ""), self._now())
            ),
            status=201,
        )

    async def _checkpoint(self, _: web.Request) -> web.Response:
        await self._in_thread(self._store.book.checkpoint)
        return web.Response(status=204)

    async def _lose(self, _: web.Request) -> web.Response:
        await self._in_thread(self._store.book.lose_since_checkpoint)
        return web.Response(status=204)

    async def _rows(self, request: web.Request) -> web.Response:
        table, limit = _table(request), min(number(request, "limit", PAGE_MAX), PAGE_MAX)
        scope = request.query.get("scope") or None
        after = (request.query.get("after_scope", ""), request.query.get("after_key", ""))
        return as_json({"rows": await self._in_thread(lambda: self._store.rows(table, scope, after, limit))})

    async def _batches(self, request: web.Request) -> web.Response:
        table, limit = _table(request), min(number(request, "limit", PAGE_MAX), PAGE_MAX)
        return as_json({"batches": await self._in_thread(lambda: self._store.batches(table, limit))})

    async def _monthly(self, _: web.Request) -> web.Response:
        return as_json({"monthly_reports": await self._in_thread(lambda: self._store.monthly.newest(SHOWN_MAX))})


def _local(handler: Handler) -> Handler:
    """Let only this machine in, and of its browsers only the simulator's own page."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        host = urlsplit(f"//{request.host}").hostname or ""
        origin = request.headers.get("Origin")
        if not is_loopback(request.remote) or host not in _LOCAL_NAMES:
            raise Problem(403, "forbidden", "only for this machine, by the name localhost or its loopback address")
        if origin is not None and origin != f"{request.scheme}://{request.host}":
            raise Problem(403, "forbidden", "not for other sites")
        return await handler(request)

    return guarded


def is_loopback(remote: str | None) -> bool:
    """Whether a peer's address is this machine's own."""
    try:
        return ipaddress.ip_address(remote or "").is_loopback
    except ValueError:
        return False


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        value = decode_json(await request.read())
    except ValuesError as error:
        raise Problem(400, "malformed", str(error)) from error
    if not isinstance(value, dict):
        raise Problem(400, "malformed", "a JSON object is needed")
    return value


def _table(request: web.Request) -> str:
    table = request.match_info["table"]
    if table not in TABLES:
        raise Problem(404, "unknown_table", f"{table} is no table of the contract")
    return table
