"""The registry's API on a real socket before a real database, and a client for it."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import yarl
from aiohttp import web

from node.intake import algorithm_of
from registry.app import RegistryContext, RegistrySettings, make_app
from registry.barrier import ReplicaBarrier
from registry.bootstrap import ensure_administrator
from registry.context import utc_now
from registry.database import open_pool
from registry.feed_readers import FeedReaders
from registry.reporting import Reporting
from registry.service.feed_rows import ReportRows

JSON = {"Content-Type": "application/json"}
SECRET = bytes(range(32))
"""The secret of the node under test."""
VALUES = [{"index": 1, "type": "URL", "data": "https://example.com/1"}]


@dataclass(frozen=True)
class Reply:
    """An answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]


class Client:
    """Speaks to the API as the holder of one token."""

    def __init__(self, session: aiohttp.ClientSession, token: str | None, base: str = "http://registry") -> None:
        self.session = session
        self.token = token
        self.base = base

    async def __call__(
        self, method: str, path: str, body: Any = None, *, data: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request; `path` goes out as it is, nothing normalised."""
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            data = json.dumps(body, ensure_ascii=False).encode()
            sent |= JSON
        sent |= dict(headers or {})
        url = yarl.URL(f"{self.base}{path}", encoded=True)
        async with self.session.request(method, url, data=data, headers=sent, allow_redirects=False) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def batch(self, rows: list[Any] | bytes, query: str = "") -> list[Any]:
        """Send rows as one batch and return the lines of the answer."""
        data = rows if isinstance(rows, bytes) else b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        reply = await self(
            "POST",
            f"/api/v1/identifiers:batch{query}",
            data=io.BytesIO(data),
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert reply.status == 200, reply.body
        return reply.lines


@dataclass(frozen=True)
class Api:
    """A running API, with clients of three kinds and the enterprise that has the prefix 88.118.8."""

    context: RegistryContext
    socket: Path
    session: aiohttp.ClientSession
    admin: Client
    dsn: str

    def client(self, token: str | None) -> Client:
        return Client(self.session, token)

    async def prefix(self, prefix: str = "88.118.8", name: str = "Pumps", **rest: Any) -> str:
        """Create a prefix and return the id of its enterprise."""
        reply = await self.admin("POST", "/api/v1/prefixes", {"prefix": prefix, "name": name, **rest})
        assert reply.status == 201, reply.body
        return str(reply.json["enterprise"])

    async def holder(self, role: str, enterprise: str | None = None, **rest: Any) -> Client:
        """Issue a token and return a client that holds it."""
        body = {"role": role, "enterprise": enterprise, "label": "test", **rest}
        reply = await self.admin("POST", "/api/v1/tokens", body)
        assert reply.status == 201, reply.body
        return self.client(reply.json["token"])


@asynccontextmanager
async def running_api(
    dsn: str,
    directory: Path,
    status: Mapping[str, Any] | None = None,
    clock: Callable[[], datetime] = utc_now,
    reports: ReportRows | None = None,
    feed_readers: FeedReaders | None = None,
    reporting: Reporting | None = None,
    beside: Mapping[str, Callable[[RegistryContext], web.Application]] | None = None,
    **settings: Any,
) -> AsyncIterator[Api]:
    """Serve the API on a Unix socket. Without a follower, so writes answer 202 after `resolvable_wait_s`."""
    socket = directory / "registry.sock"
    async with AsyncExitStack() as stack:
        pool = await open_pool(dsn, connections_max=8)
        stack.push_async_callback(pool.close)
        barrier = await stack.enter_async_context(ReplicaBarrier(directory / "follower.sock"))
        context = RegistryContext(
            pool,
            barrier,
            SECRET,
            clock=clock,
            settings=RegistrySettings(**{"resolvable_wait_s": 0.0, "snapshots": directory / "snapshots", **settings}),
            status=status or {},
            feed_readers=feed_readers or FeedReaders(),
            reports=reports,
            reporting=reporting,
            read_report_key=algorithm_of,
        )
        stack.push_async_callback(context.snapshots.close)
        async with pool.acquire() as connection:
            token = await ensure_administrator(connection)
        beneath = {path: make(context) for path, make in (beside or {}).items()}
        runner = web.AppRunner(make_app(context, beneath), access_log=None, auto_decompress=False)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.UnixSite(runner, str(socket)).start()
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), auto_decompress=False)
        )
        yield Api(context, socket, session, Client(session, token), dsn)


async def raw_request(socket: Path, request: bytes) -> bytes:
    """Send octets to the API and return everything it answers until it closes."""
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(request)
    await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
