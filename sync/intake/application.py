"""The collector's HTTP interface for enterprises' own nodes (docking contract 9.1, 9.12), as an aiohttp application."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import asyncpg
from aiohttp import web

from identifiers.signing_keys import PrivateKey
from registry.errors import RegistryError
from registry.signed_requests import uri_of
from sync.batch import PROFILE, Limits
from sync.calendar_time import instant
from sync.collecting.answer_signing import AnswerSigner
from sync.collecting.answers import as_json, number
from sync.collecting.batch_check import COMPRESSED_OCTETS_MAX, read_batch, read_batch_id, too_large
from sync.collecting.digests import RangeDigest, asked
from sync.collecting.files import file_name, file_too_large, read_file
from sync.collecting.problems import Problem, as_answer
from sync.database import DatabaseAway, Pool, connected, transaction
from sync.intake import attachments, taking
from sync.intake.digests import digest
from sync.intake.gate import Gate
from sync.tables.field_kinds import FILE_OCTETS_MAX

TABLES: Final = {name: [1] for name in ("T7", "T8", "T9", "T10", "T11", "M2", "E2")}
LIMITS: Final = Limits(max_parallel=4)
AT_ONCE_MAX: Final = 8
"""Requests whose content is in memory; others are asked to come again."""
FILES_AT_ONCE_MAX: Final = 2
"""A file has up to 20 MiB."""
COMPARISONS_AT_ONCE_MAX: Final = 1
"""A digest goes over all rows of a stream."""
FILE_PATH: Final = "/v1/attachments/{sha256}"
PAGE_MAX: Final = 1_000
READ_TIMEOUT_S: Final = 60.0
CONTENT: Final = web.RequestKey("content", bytes)
KEY_ID: Final = web.RequestKey("key_id", str)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Intake:
    """The collector: reporters are enterprise prefixes below `node`. Answers are signed with `answer_key`."""

    def __init__(
        self, pool: Pool, node: str, now: Callable[[], datetime], answer_key: PrivateKey | None = None
    ) -> None:
        self._pool = pool
        self._node = node
        self._now = now
        self._gate = Gate(pool, node, now)
        self._signer = AnswerSigner(answer_key, now, uri_of)
        self._free = asyncio.Semaphore(AT_ONCE_MAX)
        self._free_for_files = asyncio.Semaphore(FILES_AT_ONCE_MAX)
        self._comparing = asyncio.Semaphore(COMPARISONS_AT_ONCE_MAX)

    def application(self) -> web.Application:
        """Return the application; its runner must not decompress bodies, for digests cover them as sent."""
        app = web.Application(middlewares=[self._signer.sign, _problems, self._guard])
        app.router.add_get("/v1/capabilities", self._capabilities)
        app.router.add_put("/v1/batches/{batch_id}", self._put_batch)
        app.router.add_get("/v1/batches/{batch_id}", self._get_batch)
        app.router.add_get("/v1/batches/{batch_id}/rejections", self._get_rejections)
        app.router.add_get("/v1/streams", self._list_streams)
        app.router.add_get("/v1/streams/{table}/{scope}", self._get_stream)
        app.router.add_get("/v1/digests/{table}/{scope}", self._get_digest)
        app.router.add_route("HEAD", FILE_PATH, self._has_attachment)
        app.router.add_put(FILE_PATH, self._put_attachment)
        app.router.add_get("/v1/directives", self._list_directives)
        app.router.add_post("/v1/directives/{directive_id}/ack", self._acknowledge)
        app.router.add_get("/v1/monthly-reports/{month}", self._get_monthly)
        app.router.add_put("/v1/monthly-reports/{month}", self._put_monthly)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        request[KEY_ID] = await self._gate.admit(request)
        is_file = request.method == "PUT" and "sha256" in request.match_info
        free = self._free_for_files if is_file else self._free
        if free.locked():
            raise Problem(503, "unavailable", "too much comes in at once", headers={"Retry-After": "1"})
        async with free:
            content = await _content(request, FILE_OCTETS_MAX if is_file else COMPRESSED_OCTETS_MAX)
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
        table, scope = _stream(request)
        if scope != _reporter(request):
            raise Problem(404, "unknown_stream", "nothing ever came on this stream")
        async with connected(self._pool) as connection:
            return as_json(await taking.stream(connection, scope, table, scope))

    async def _get_digest(self, request: web.Request) -> web.Response:
        table, scope = _stream(request)
        question = asked(request)
        if scope != _reporter(request):
            # A stream that was never reported has no rows.
            return as_json(RangeDigest(question, 0).answer(table, scope))
        if self._comparing.locked():
            raise Problem(503, "unavailable", "another stream is being compared", headers={"Retry-After": "1"})
        async with self._comparing:
            return as_json(await digest(self._pool, scope, table, question))

    async def _has_attachment(self, request: web.Request) -> web.Response:
        sha256 = file_name(request)
        async with connected(self._pool) as connection:
            here = await attachments.has(connection, _reporter(request), sha256)
        return web.Response(status=200 if here else 404)

    async def _put_attachment(self, request: web.Request) -> web.Response:
        file = await asyncio.to_thread(read_file, request, request[CONTENT])
        async with transaction(self._pool) as connection:
            is_new = await attachments.put(connection, _reporter(request), file, self._now())
        return as_json({"sha256": file.sha256, "bytes": len(file.content)}, status=201 if is_new else 200)

    async def _list_directives(self, _: web.Request) -> web.Response:
        return as_json({"directives": []})

    async def _acknowledge(self, _: web.Request) -> web.Response:
        raise Problem(404, "unknown_directive", "this node has asked for nothing")

    async def _get_monthly(self, _: web.Request) -> web.Response:
        raise Problem(404, "unknown_month", "enterprises' nodes have no monthly report")

    async def _put_monthly(self, _: web.Request) -> web.Response:
        raise Problem(403, "forbidden_scope", "the monthly report is the secondary node's, not an enterprise's")


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with the problem that a handler raised; whatever passes by itself, with 503."""
    try:
        return await handler(request)
    except Problem as problem:
        return as_answer(problem)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
        return as_answer(Problem(error.status, "malformed", f"the profile has no {request.method} {request.path}"))
    except (DatabaseAway, RegistryError, asyncpg.UndefinedTableError):
        away = Problem(503, "unavailable", "cannot take anything now", headers={"Retry-After": "5"})
        return as_answer(away)


async def _content(request: web.Request, octets_max: int) -> bytes:
    """Read a request's content as sent, up to the most that is taken."""
    content = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            async for piece in request.content.iter_any():
                content += piece
                if len(content) > octets_max:
                    is_file = octets_max == FILE_OCTETS_MAX
                    raise file_too_large() if is_file else too_large("longer than any batch may be", LIMITS)
    except TimeoutError as error:
        raise Problem(408, "malformed", "the content does not come") from error
    return bytes(content)


def _stream(request: web.Request) -> tuple[str, str]:
    table, scope = request.match_info["table"], request.match_info["scope"]
    if table not in TABLES:
        raise Problem(404, "unknown_table", f"{table} is not taken here")
    return table, scope


def _reporter(request: web.Request) -> str:
    return request.headers["Idn-Reporter"]
