"""The simulator's HTTP interface: the collector's endpoints (docking contract 9.1), a look inside, and the control."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from identifiers.signing_keys import PrivateKey, PublicKey
from sync.batch import PROFILE, Limits, Receipt
from sync.calendar_time import instant
from sync.collecting.answer_signing import AnswerSigner
from sync.collecting.answers import as_json, number
from sync.collecting.batch_check import COMPRESSED_OCTETS_MAX, Delivered, read_batch, read_batch_id, too_large
from sync.collecting.digests import asked
from sync.collecting.header import TABLES
from sync.collecting.problems import Problem
from sync.top_node.answers import problems
from sync.top_node.control import Control
from sync.top_node.faults import FaultSource
from sync.top_node.filing import Filing
from sync.top_node.gate import Gate, uri_of
from sync.top_node.pages import Pages
from sync.top_node.report_files import ReportFiles
from sync.top_node.store import Store, utc_now

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

DEFAULT_LIMITS: Final = Limits()
BODY_OCTETS_MAX: Final = 21 * 1024 * 1024
"""An attachment has at most 20 MiB."""
PAGE_MAX: Final = 1_000
KEY_ID: Final = web.RequestKey("key_id", object)
"""Which key signed the request: text, or None."""


class TopNode:
    """The collector. Every access to the store runs in one thread, so the event loop never waits for the disk."""

    def __init__(
        self,
        store: Store,
        faults: FaultSource,
        *,
        token: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
        keys: Mapping[str, PublicKey] | None = None,
        allow_unsigned: bool | None = None,
        receipt_key: PrivateKey | None = None,
        batches_per_s: int | None = None,
        inbox: Path | None = None,
        reports: Path | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._limits = limits
        self._faults = faults
        self._now = now
        self._inbox = inbox
        self._reports = reports
        self._gate = Gate(
            keys=keys or {}, allow_unsigned=allow_unsigned, token=token, batches_per_s=batches_per_s, now=now
        )
        self._signer = AnswerSigner(receipt_key, now, uri_of, "/v1/")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    def application(self) -> web.Application:
        """Return the aiohttp application; its runner must not decompress bodies, for digests cover them as sent."""
        app = web.Application(client_max_size=BODY_OCTETS_MAX, middlewares=[self._signer.sign, problems, self._guard])
        app.router.add_get("/v1/capabilities", self._capabilities)
        app.router.add_put("/v1/batches/{batch_id}", self._put_batch)
        app.router.add_get("/v1/batches/{batch_id}", self._get_batch)
        app.router.add_get("/v1/batches/{batch_id}/rejections", self._get_rejections)
        app.router.add_get("/v1/streams", self._list_streams)
        app.router.add_get("/v1/streams/{table}/{scope}", self._get_stream)
        app.router.add_get("/v1/digests/{table}/{scope}", self._get_digest)
        app.router.add_get("/identifiers", self._list_identifiers)
        app.router.add_get("/identifiers/{identifier:.+}", self._get_identifier)
        Filing(self._store, self._in_thread, self._now).add_to(app.router)
        Control(self._store, self._faults, self._in_thread, self._now).add_to(app.router)
        Pages(self._store, self._faults, self._in_thread, self._now, self._inbox).add_to(app.router)
        if self._reports is not None:
            app.cleanup_ctx.append(self._reading_files)
        app.on_cleanup.append(self._close)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Faults and the reporter's credentials, for the contract's own endpoints."""
        if not request.path.startswith("/v1/"):
            return await handler(request)
        faults = self._faults.faults
        if self._faults.is_down():
            return _cut_off(request)
        await asyncio.sleep(faults.slow_ms / 1000)
        if self._faults.strikes(faults.unavailable):
            raise Problem(503, "unavailable", "cannot take anything now", headers=self._retry_after())
        if self._faults.strikes(faults.error):
            raise Problem(500, "internal", "something broke")
        try:
            content = await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise too_large("longer than anything that is taken here", self._limits) from error
        request[KEY_ID] = await self._gate.check(request, content)
        return await handler(request)

    async def _capabilities(self, _: web.Request) -> web.Response:
        return as_json(
            {
                "profiles": [PROFILE],
                "tables": TABLES,
                "limits": self._limits,
                "server_time": instant(self._now()),
                "encodings": ["gzip"],
            }
        )

    async def _put_batch(self, request: web.Request) -> web.StreamResponse:
        batch_id = read_batch_id(request.match_info["batch_id"])
        self._gate.check_rate(request.headers["Idn-Reporter"])
        content = await request.read()
        if len(content) > COMPRESSED_OCTETS_MAX:
            raise too_large("longer than any compressed batch may be", self._limits)
        if request.content_type != "application/x-ndjson":
            raise Problem(400, "malformed", "a batch has the Content-Type application/x-ndjson")
        batch = await asyncio.to_thread(
            read_batch,
            content,
            path_id=str(batch_id),
            reporter=request.headers["Idn-Reporter"],
            digest=request.headers.get("Content-Digest", ""),
            encoding=request.headers.get("Content-Encoding", ""),
            limits=self._limits,
        )
        self._misbehave(batch)
        faults = self._faults.faults
        polls = int(faults.pending_polls) if self._faults.strikes(faults.pending) else 0
        keyid, directive = _key_id(request), request.headers.get("Idn-Resend")

        def take() -> Receipt | None:
            return self._store.take(batch, polls=polls, keyid=keyid, directive=directive)

        receipt = await self._in_thread(take)
        if self._faults.strikes(faults.duplicate):
            receipt = await self._in_thread(take)
        if self._faults.strikes(faults.lose_acks):
            return _cut_off(request)
        return self._receipt(receipt)

    def _misbehave(self, batch: Delivered) -> None:
        """Refuse a good batch, as told. One row cannot be asked to be less: it would be given up as too large."""
        if self._faults.strikes(self._faults.faults.wrong_sequence):
            raise Problem(409, "out_of_order", "on purpose", more={"expected": 1})
        if len(batch.rows) > 1 and self._faults.strikes(self._faults.faults.shrink):
            raise too_large("on purpose", msgspec.structs.replace(self._limits, max_rows=1))

    async def _get_batch(self, request: web.Request) -> web.Response:
        batch_id = read_batch_id(request.match_info["batch_id"])
        reporter = request.headers["Idn-Reporter"]
        return self._receipt(await self._in_thread(lambda: self._store.receipt(reporter, batch_id)))

    async def _get_rejections(self, request: web.Request) -> web.Response:
        batch_id, reporter = read_batch_id(request.match_info["batch_id"]), request.headers["Idn-Reporter"]
        after_n, limit = number(request, "after_n", 0), number(request, "limit", PAGE_MAX)
        found = await self._in_thread(lambda: self._store.rejections(reporter, batch_id, after_n, min(limit, PAGE_MAX)))
        return as_json({"rejections": found})

    async def _get_stream(self, request: web.Request) -> web.Response:
        table, scope = _stream(request)
        return as_json(await self._in_thread(lambda: self._store.stream(request.headers["Idn-Reporter"], table, scope)))

    async def _list_streams(self, request: web.Request) -> web.Response:
        table, _, scope = request.query.get("after", "").partition("/")
        limit = min(number(request, "limit", PAGE_MAX), PAGE_MAX)
        reporter = request.headers["Idn-Reporter"]
        return as_json({"streams": await self._in_thread(lambda: self._store.streams(reporter, (table, scope), limit))})

    async def _get_digest(self, request: web.Request) -> web.Response:
        table, scope = _stream(request)
        question, reporter = asked(request), request.headers["Idn-Reporter"]
        return as_json(await self._in_thread(lambda: self._store.digest(reporter, table, scope, question)))

    async def _list_identifiers(self, request: web.Request) -> web.Response:
        after, limit = request.query.get("after", ""), min(number(request, "limit", PAGE_MAX), PAGE_MAX)
        return as_json({"identifiers": await self._in_thread(lambda: self._store.identifiers(after, limit))})

    async def _get_identifier(self, request: web.Request) -> web.Response:
        identifier = request.match_info["identifier"]
        found = await self._in_thread(lambda: self._store.identifier(identifier))
        if found is None:
            raise Problem(404, "unknown_identifier", "was never reported")
        return as_json(found)

    async def _reading_files(self, _: web.Application) -> AsyncIterator[None]:
        """Take reports that come as files, as long as the application runs."""
        assert self._reports is not None  # noqa: S101 - added only then
        reading = asyncio.create_task(ReportFiles(self._store, self._reports, self._limits).run(self._in_thread))
        yield
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading

    async def _close(self, _: web.Application) -> None:
        await self._in_thread(self._store.close)
        self._thread.shutdown()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _receipt(self, receipt: Receipt | None) -> web.Response:
        if receipt is None:
            return web.json_response({"status": "processing"}, status=202, headers=self._retry_after())
        return as_json(receipt)

    def _retry_after(self) -> dict[str, str]:
        return {"Retry-After": f"{self._faults.faults.retry_after_s:.0f}"}


def _stream(request: web.Request) -> tuple[str, str]:
    table, scope = request.match_info["table"], request.match_info["scope"]
    if table not in TABLES:
        raise Problem(404, "unknown_table", f"{table} is not taken here")
    return table, scope


def _key_id(request: web.Request) -> str | None:
    told = request[KEY_ID]
    return told if isinstance(told, str) else None


def _cut_off(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer: what happened to the batch, the reporter cannot know."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
