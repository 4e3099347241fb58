"""The simulator's HTTP interface: the collector's endpoints that T9 needs (docking contract 9.1), and a look inside."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from sync.batch import PROFILE, Limits, Receipt
from sync.calendar_time import instant
from sync.top_node.batch_check import COMPRESSED_OCTETS_MAX, TABLES, read_batch, read_batch_id, too_large
from sync.top_node.faults import FaultSource
from sync.top_node.page import page
from sync.top_node.problems import Problem, as_answer
from sync.top_node.store import Store

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

DEFAULT_LIMITS: Final = Limits()
PAGE_MAX: Final = 1_000
SHOWN_MAX: Final = 50


class TopNode:
    """The collector. Every access to the store runs in one thread, so the event loop never waits for the disk."""

    def __init__(
        self, store: Store, faults: FaultSource, *, token: str | None = None, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._store = store
        self._limits = limits
        self._faults = faults
        self._token = token
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    def application(self) -> web.Application:
        """Return the aiohttp application; its runner must not decompress bodies, for digests cover them as sent."""
        app = web.Application(client_max_size=COMPRESSED_OCTETS_MAX, middlewares=[_problems, self._guard])
        app.router.add_get("/v1/capabilities", self._capabilities)
        app.router.add_put("/v1/batches/{batch_id}", self._put_batch)
        app.router.add_get("/v1/batches/{batch_id}", self._get_batch)
        app.router.add_get("/v1/batches/{batch_id}/rejections", self._get_rejections)
        app.router.add_get("/v1/streams", self._list_streams)
        app.router.add_get("/v1/streams/{table}/{scope}", self._get_stream)
        app.router.add_get("/identifiers", self._list_identifiers)
        app.router.add_get("/identifiers/{identifier:.+}", self._get_identifier)
        app.router.add_get("/", self._page)
        app.on_cleanup.append(self._close)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Faults and the reporter's credentials, for the contract's own endpoints."""
        if not request.path.startswith("/v1/"):
            return await handler(request)
        faults = self._faults.faults
        await asyncio.sleep(faults.slow_ms / 1000)
        if self._faults.strikes(faults.unavailable):
            raise self._unavailable()
        expected = f"Bearer {self._token}"
        if self._token and not hmac.compare_digest(request.headers.get("Authorization", ""), expected):
            more = {"server_time": instant(datetime.now(UTC))}
            raise Problem(401, "signature_missing", "show the bearer token agreed upon", more=more)
        if request.headers.get("Idn-Profile") != PROFILE or not request.headers.get("Idn-Reporter"):
            raise Problem(400, "malformed", f"Idn-Profile must be {PROFILE}, Idn-Reporter the reporter's prefix")
        return await handler(request)

    async def _capabilities(self, _: web.Request) -> web.Response:
        return _json(
            {
                "profiles": [PROFILE],
                "tables": TABLES,
                "limits": self._limits,
                "server_time": instant(datetime.now(UTC)),
                "encodings": ["gzip"],
            }
        )

    async def _put_batch(self, request: web.Request) -> web.StreamResponse:
        batch_id = read_batch_id(request.match_info["batch_id"])
        try:
            content = await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise too_large("longer than any compressed batch may be", self._limits) from error
        batch = await asyncio.to_thread(
            read_batch,
            content,
            path_id=str(batch_id),
            reporter=request.headers["Idn-Reporter"],
            digest=request.headers.get("Content-Digest", ""),
            encoding=request.headers.get("Content-Encoding", ""),
            limits=self._limits,
        )
        pending = self._faults.strikes(self._faults.faults.pending)
        receipt = await self._in_thread(lambda: self._store.take(batch, pending=pending))
        if self._faults.strikes(self._faults.faults.duplicate):
            receipt = await self._in_thread(lambda: self._store.take(batch, pending=pending))
        if self._faults.strikes(self._faults.faults.lose_acks):
            return _cut_off(request)
        return self._receipt(receipt)

    async def _get_batch(self, request: web.Request) -> web.Response:
        batch_id = read_batch_id(request.match_info["batch_id"])
        reporter = request.headers["Idn-Reporter"]
        return self._receipt(await self._in_thread(lambda: self._store.receipt(reporter, batch_id)))

    async def _get_rejections(self, request: web.Request) -> web.Response:
        batch_id = read_batch_id(request.match_info["batch_id"])
        after_n, limit = _number(request, "after_n", 0), _number(request, "limit", PAGE_MAX)
        found = await self._in_thread(lambda: self._store.rejections(batch_id, after_n, min(limit, PAGE_MAX)))
        return _json({"rejections": found})

    async def _get_stream(self, request: web.Request) -> web.Response:
        table, scope = request.match_info["table"], request.match_info["scope"]
        if table not in TABLES:
            raise Problem(404, "unknown_table", f"{table} is not taken here")
        return _json(await self._in_thread(lambda: self._store.stream(request.headers["Idn-Reporter"], table, scope)))

    async def _list_streams(self, request: web.Request) -> web.Response:
        table, _, scope = request.query.get("after", "").partition("/")
        limit = min(_number(request, "limit", PAGE_MAX), PAGE_MAX)
        reporter = request.headers["Idn-Reporter"]
        return _json({"streams": await self._in_thread(lambda: self._store.streams(reporter, (table, scope), limit))})

    async def _list_identifiers(self, request: web.Request) -> web.Response:
        after, limit = request.query.get("after", ""), min(_number(request, "limit", PAGE_MAX), PAGE_MAX)
        return _json({"identifiers": await self._in_thread(lambda: self._store.identifiers(after, limit))})

    async def _get_identifier(self, request: web.Request) -> web.Response:
        found = await self._in_thread(lambda: self._store.identifier(request.match_info["identifier"]))
        if found is None:
            raise Problem(404, "unknown_identifier", "was never reported")
        return _json(found)

    async def _page(self, _: web.Request) -> web.Response:
        overview = await self._in_thread(lambda: self._store.overview(SHOWN_MAX))
        return web.Response(text=page(overview), content_type="text/html")

    async def _close(self, _: web.Application) -> None:
        await self._in_thread(self._store.close)
        self._thread.shutdown()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _receipt(self, receipt: Receipt | None) -> web.Response:
        if receipt is None:
            return web.json_response({"status": "processing"}, status=202, headers=self._retry_after())
        return _json(receipt)

    def _unavailable(self) -> Problem:
        return Problem(503, "unavailable", "cannot take anything now", headers=self._retry_after())

    def _retry_after(self) -> dict[str, str]:
        return {"Retry-After": f"{self._faults.faults.retry_after_s:.0f}"}


def _cut_off(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer: what happened to the batch, the reporter cannot know."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Problem as problem:
        return as_answer(problem)


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - far above any limit
        raise Problem(400, "malformed", f"{name} must be a number")
    return int(text)


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
