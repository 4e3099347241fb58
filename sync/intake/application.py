"""The collector's HTTP interface for enterprises' own nodes (docking contract 9.1, 9.12), as an aiohttp application."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import asyncpg
from aiohttp import web

from registry.errors import RegistryError
from sync.batch import PROFILE, Limits
from sync.calendar_time import instant
from sync.collecting.answers import as_json, number
from sync.collecting.batch_check import COMPRESSED_OCTETS_MAX, read_batch, read_batch_id, too_large
from sync.collecting.problems import Problem, as_answer
from sync.database import DatabaseAway, Pool, connected, transaction
from sync.intake import taking
from sync.intake.gate import Gate

TABLES: Final = {name: [1] for name in ("T7", "T8", "T9", "T10", "T11", "M2", "E2")}
LIMITS: Final = Limits(max_parallel=4)
AT_ONCE_MAX: Final = 8
"""Requests whose content is in memory; others are asked to come again."""
PAGE_MAX: Final = 1_000
READ_TIMEOUT_S: Final = 60.0
CONTENT: Final = web.RequestKey("content", bytes)
KEY_ID: Final = web.RequestKey("key_id", str)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Intake:
    """The collector: reporters are enterprise prefixes below `node`."""

    def __init__(self, pool: Pool, node: str, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._node = node
        self._now = now
        self._gate = Gate(pool, node, now)
        self._free = asyncio.Semaphore(AT_ONCE_MAX)

    def application(self) -> web.Application:
        """Return the application; its runner must not decompress bodies, for digests cover them as sent."""
        app = web.Application(middlewares=[_problems, self._guard])
        app.router.add_get("/v1/capabilities", self._capabilities)
        app.router.add_put("/v1/batches/{batch_id}", self._put_batch)
        app.router.add_get("/v1/batches/{batch_id}", self._get_batch)
        app.router.add_get("/v1/batches/{batch_id}/rejections", self._get_rejections)
        app.router.add_get("/v1/streams", self._list_streams)
        app.router.add_get("/v1/streams/{table}/{scope}", self._get_stream)
        app.router.add_get("/v1/directives", self._list_directives)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        request[KEY_ID] = await self._gate.admit(request)
        if self._free.locked():
            raise Problem(503, "unavailable", "too much comes in at once", headers={"Retry-After": "1"})
        async with self._free:
            content = await _content(request)
            await self._gate.check_content(request, content)
            request[CONTENT] = content
            return await handler(request)

    async def _capabilities(self, _: web.Request) -> web.Response:
        return as_json(
            {
                "profiles": [PROFILE],
                "tables": TABLES,
                "limits": LIMITS,
                "server_time": instant(self._now()),
                "encodings": ["gzip"],
            }
        )

    async def _put_batch(self, request: web.Request) -> web.Response:
        batch_id, reporter = read_batch_id(request.match_info["batch_id"]), _reporter(request)
        self._gate.check_rate(reporter)
        if request.content_type != "application/x-ndjson":
            raise Problem(400, "malformed", "a batch has the Content-Type application/x-ndjson")
        delivered = await asyncio.to_thread(
            read_batch,
            request[CONTENT],
            path_id=str(batch_id),
            reporter=reporter,
            digest=request.headers.get("Content-Digest", ""),
            encoding=request.headers.get("Content-Encoding", ""),
            limits=LIMITS,
            tables=TABLES,
        )
        if delivered.header.scope != reporter:
            raise Problem(403, "forbidden_scope", f"a node reports of its own prefix, {reporter}")
        async with transaction(self._pool) as connection:
            receipt = await taking.take(connection, delivered, self._node, self._now(), key_id=request[KEY_ID])
        return as_json(receipt)

    async def _get_batch(self, request: web.Request) -> web.Response:
        batch_id = read_batch_id(request.match_info["batch_id"])
        async with connected(self._pool) as connection:
            return as_json(await taking.receipt(connection, _reporter(request), batch_id))

    async def _get_rejections(self, request: web.Request) -> web.Response:
        batch_id = read_batch_id(request.match_info["batch_id"])
        after_n, limit = number(request, "after_n", 0), min(number(request, "limit", PAGE_MAX), PAGE_MAX)
        async with connected(self._pool) as connection:
            found = await taking.rejections(connection, _reporter(request), batch_id, after_n, limit)
        return as_json({"rejections": found})

    async def _list_streams(self, request: web.Request) -> web.Response:
        table, _, scope = request.query.get("after", "").replace("\x00", "").partition("/")
        limit = min(number(request, "limit", PAGE_MAX), PAGE_MAX)
        async with connected(self._pool) as connection:
            found = await taking.streams(connection, _reporter(request), (table, scope), limit)
        return as_json({"streams": found})

    async def _get_stream(self, request: web.Request) -> web.Response:
        table, scope = request.match_info["table"], request.match_info["scope"]
        if table not in TABLES:
            raise Problem(404, "unknown_table", f"{table} is not taken here")
        if scope != _reporter(request):
            raise Problem(404, "unknown_stream", "nothing ever came on this stream")
        async with connected(self._pool) as connection:
            return as_json(await taking.stream(connection, scope, table, scope))

    async def _list_directives(self, _: web.Request) -> web.Response:
        return as_json({"directives": []})


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with the problem that a handler raised; whatever passes by itself, with 503."""
    try:
        return await handler(request)
    except Problem as problem:
        return as_answer(problem)
    except (DatabaseAway, RegistryError, asyncpg.UndefinedTableError):
        away = Problem(503, "unavailable", "cannot take anything now", headers={"Retry-After": "5"})
        return as_answer(away)


async def _content(request: web.Request) -> bytes:
    """Read a request's content as sent, up to the most that is taken."""
    content = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            async for piece in request.content.iter_any():
                content += piece
                if len(content) > COMPRESSED_OCTETS_MAX:
                    raise too_large("longer than any batch may be", LIMITS)
    except TimeoutError as error:
        raise Problem(408, "malformed", "the content does not come") from error
    return bytes(content)


def _reporter(request: web.Request) -> str:
    return request.headers["Idn-Reporter"]
