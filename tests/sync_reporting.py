"""Reporting under test: a journal to write, the reporting service, and the simulator of the national node."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Self

import aiohttp
import asyncpg
import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from identifiers.changes import KIND_IDENTIFIER, KIND_TEMPLATE, IdentifierState, Op
from registry import journal
from sync import service
from sync.batch import Limits
from sync.batcher import Batcher
from sync.context import Context
from sync.database import open_pool
from sync.metrics import SyncMetrics
from sync.retry import RetryPolicy
from sync.settings import SyncSettings
from sync.tables import journal_table, tables
from sync.top_node.api import TopNode
from sync.top_node.faults import FaultSource, parse_faults
from sync.top_node.store import Store
from sync.transports.http import HttpTransport
from tests.support import eventually, free_port

REPORTER = "88.118"
TEMPLATE = "PUMP"
COMMANDS = "from node.cli import main; main()"
REPORT = """
import asyncio, sys
import msgspec
from sync.service import run
from sync.settings import SyncSettings
settings = msgspec.json.decode(sys.argv[1], type=SyncSettings, dec_hook=lambda kind, text: kind(text))
asyncio.run(run(settings, asyncio.Event()))
"""


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Middleware = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


def reporting_settings(dsn: str, url: str, **changed: Any) -> SyncSettings:
    """Return settings with which a test does not wait for what is patience in production."""
    quick: dict[str, Any] = {
        "poll_s": 0.02,
        "retry": RetryPolicy(base_s=0.02, cap_s=0.2),
        "limits": Limits(max_rows=50),
        "answer_timeout_s": 5.0,
    }
    return SyncSettings(dsn=dsn, upstream_url=url, reporter=REPORTER, **(quick | changed))


@asynccontextmanager
async def reporting(settings: SyncSettings) -> AsyncIterator[CollectorRegistry]:
    """Run the reporting service inside the test; what it shows to Prometheus is yielded."""
    stop, metrics = asyncio.Event(), CollectorRegistry()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(service.run(settings, stop, registry=metrics))
        try:
            yield metrics
        finally:
            stop.set()


@asynccontextmanager
async def given_context(dsn: str) -> AsyncIterator[Context]:
    """Give what the parts of the service are given, with a collector that is not there."""
    transport = HttpTransport("http://127.0.0.1:9", REPORTER)
    pool = await open_pool(dsn)
    try:
        yield Context(
            dsn=dsn,
            pool=pool,
            transport=transport,
            tables=tables(REPORTER),
            reporter=REPORTER,
            policy=RetryPolicy(),
            random=Random(1),
            now=lambda: datetime.now(UTC),
            metrics=SyncMetrics(CollectorRegistry()),
        )
    finally:
        pool.terminate()
        await transport.aclose()


def batcher_of(context: Context, max_rows: int = 50) -> Batcher:
    """Return a batcher for T9."""
    return Batcher(context, journal_table(context.tables), limits=lambda: Limits(max_rows=max_rows))


class Collector:
    """A client of a running simulator, for the test's own questions."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def get(self, path: str, **headers: str) -> Any:
        own = {"Idn-Profile": "idn-report/1", "Idn-Reporter": REPORTER}
        async with aiohttp.ClientSession(headers=own | headers) as session, session.get(self.url + path) as answer:
            return await answer.json(content_type=None)

    async def identifiers(self) -> dict[str, dict[str, Any]]:
        """Return everything it holds, by identifier."""
        held: dict[str, dict[str, Any]] = {}
        after = ""
        while page := (await self.get(f"/identifiers?limit=1000&after={after}"))["identifiers"]:
            held |= {one["identifier"]: one for one in page}
            after = page[-1]["identifier"]
        return held

    async def live(self) -> dict[str, tuple[int, str | None]]:
        """Return version and name of every identifier it holds as registered, as `Source.live` does."""
        return {
            identifier: (one["ver"], one["data"].get("product_name"))
            for identifier, one in (await self.identifiers()).items()
            if not one["deleted"]
        }

    async def streams(self) -> dict[str, int]:
        """Return the last sequence of each scope of T9, asking again where one of its faults strikes the question."""

        async def told() -> tuple[list[dict[str, Any]]]:
            return ((await self.get("/v1/streams?limit=1000"))["streams"],)

        (streams,) = await eventually(told, retrying=KeyError)
        return {one["scope"]: one["last_sequence"] for one in streams if one["table"] == "T9"}


@asynccontextmanager
async def top_node(
    directory: Path,
    faults: str = "",
    *,
    seed: int = 1,
    limits: Limits | None = None,
    token: str | None = None,
    before: Middleware | None = None,
    reports: Path | None = None,
) -> AsyncIterator[Collector]:
    """Run the simulator inside the test, on a socket of its own; `before` sees each request first.

    What comes as files in `reports` it takes too.
    """
    source = FaultSource(parse_faults(faults), seed)
    store = Store(directory / "top-node.sqlite3", source)
    app = TopNode(store, source, token=token, limits=limits or Limits(), reports=reports).application()
    if before is not None:
        app.middlewares.insert(0, before)
    runner = web.AppRunner(app, auto_decompress=False, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Collector("http://{}:{}".format(*runner.addresses[0]))
    finally:
        await runner.cleanup()


class Process:
    """A child process of a test, ended with the test whatever happens."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def end(self, number: signal.Signals = signal.SIGKILL) -> int | None:
        if self._process is None:
            return None
        self._process.send_signal(number)
        code = self._process.wait(timeout=10)
        self._process = None
        return code


class ReportingProcess(Process):
    """The reporting service as a process of its own, as the node runs it."""

    def __init__(self, settings: SyncSettings, directory: Path) -> None:
        command = [sys.executable, "-c", REPORT, msgspec.json.encode(settings, enc_hook=str).decode()]
        super().__init__(command, directory / "reporting.log")


class TopNodeProcess(Process, Collector):
    """`idnode top-node` on a port of its own; started again, it has the same port and data."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        port = free_port()
        self.data_dir = directory / "top-node"
        place = ["--listen", f"127.0.0.1:{port}", "--data-dir", str(self.data_dir)]
        Process.__init__(
            self, [sys.executable, "-c", COMMANDS, "top-node", *place, *arguments], directory / "top-node.log"
        )
        Collector.__init__(self, f"http://127.0.0.1:{port}")

    async def begin(self) -> None:
        self.start()
        await eventually(lambda: self.get("/identifiers"), 20, retrying=(aiohttp.ClientError, OSError))


@dataclass(frozen=True, slots=True)
class Registered:
    """What the source says of an identifier."""

    identifier: str
    version: int = 0
    active: bool = False
    name: str = ""


class Source:
    """Writes identifiers' changes to the journal, and remembers what is true."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.true: dict[str, Registered] = {}

    async def __aenter__(self) -> Self:
        await service.prepare(self.dsn)
        self._connection = await asyncpg.connect(self.dsn)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def template(self, **members: Any) -> None:
        """Write a template whose map fills a column of T9."""
        state = msgspec.json.encode({"enterprise": "e1", "master_data": {"product_name": "name"}, **members})
        async with self._connection.transaction():
            await self._append(KIND_TEMPLATE, TEMPLATE, "create", state)

    async def write(
        self, *changes: tuple[Op, str, str], template: str | None = TEMPLATE, rolled_back: bool = False
    ) -> None:
        """Write changes (operation, identifier, name) in one transaction."""
        transaction = self._connection.transaction()
        await transaction.start()
        for op, identifier, name in changes:
            version = self.true.get(identifier, Registered(identifier)).version + 1
            after = Registered(identifier, version, op != "withdraw", name)
            await self._append(KIND_IDENTIFIER, f"hdl:{identifier.upper()}", op, _state(after, template))
            if not rolled_back:
                self.true[identifier] = after
        await (transaction.rollback() if rolled_back else transaction.commit())

    async def fetch(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """Ask the database, or change something in it."""
        return [dict(row) for row in await self._connection.fetch(query, *parameters)]

    def live(self) -> dict[str, tuple[int, str | None]]:
        """Return version and name of each registered identifier."""
        return {one.identifier: (one.version, one.name or None) for one in self.true.values() if one.active}

    async def all_acknowledged(self) -> bool:
        """Whether every journal row is in a batch, and every batch acknowledged."""
        # In one statement: what is waiting moves from one of these to the next.
        (row,) = await self.fetch(
            "SELECT EXISTS (SELECT FROM journal LEFT JOIN report_feeds f ON true "
            "  WHERE f.xid IS NULL OR (journal.xid, journal.seq) > (f.xid::text::xid8, f.seq)) "
            "OR EXISTS (SELECT FROM report_batches WHERE state <> 'acknowledged') "
            "OR EXISTS (SELECT FROM report_rejections WHERE resend_row IS NOT NULL) AS waiting"
        )
        return not row["waiting"]

    async def all_queued(self) -> bool:
        """Whether every journal row is in a batch."""
        (row,) = await self.fetch(
            "SELECT EXISTS (SELECT FROM journal LEFT JOIN report_feeds f ON true "
            "WHERE f.xid IS NULL OR (journal.xid, journal.seq) > (f.xid::text::xid8, f.seq)) AS waiting"
        )
        return not row["waiting"]

    async def open_rows(self) -> dict[str, tuple[str, str | None]]:
        """Return code and field of every open row, by key."""
        rows = await self.fetch("SELECT key, code, field FROM report_rejections")
        return {row["key"]: (row["code"], row["field"]) for row in rows}

    async def sequences(self) -> dict[str, int]:
        """Return the last sequence of each scope of T9, after making sure that none is left out."""
        rows = await self.fetch(
            "SELECT scope, array_agg(sequence ORDER BY first_row) AS given FROM report_batches "
            "JOIN report_streams USING (stream_id) WHERE table_id = 'T9' GROUP BY scope"
        )
        for row in rows:
            assert row["given"] == list(range(1, len(row["given"]) + 1))
        return {row["scope"]: len(row["given"]) for row in rows}

    async def _append(self, kind: str, key: str, op: Op, after: bytes) -> None:
        await journal.append(self._connection, actor="test", kind=kind, key=key, op=op, after=after)


def _state(after: Registered, template: str | None) -> bytes:
    name = {"index": 2000, "type": "name", "data": {"format": "string", "value": after.name}}
    return msgspec.json.encode(
        IdentifierState(
            identifier=after.identifier,
            prefix=after.identifier.partition("/")[0],
            state="active" if after.active else "withdrawn",
            version=after.version,
            created_at="2031-05-05T16:30:00.000Z",
            updated_at="2031-05-05T16:30:00.000Z",
            values=msgspec.Raw(msgspec.json.encode([name] if after.name else [])),
            template=template,
        )
    )


def shown(metrics: CollectorRegistry, name: str, **labels: str) -> float:
    """Return a figure the service shows, 0 if it does not show it yet."""
    return metrics.get_sample_value(name, labels) or 0.0


def differences(left: Mapping[str, object], right: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    """Return what two collections do not agree on, for a readable failure."""
    return {key: (left.get(key), right.get(key)) for key in {*left, *right} if left.get(key) != right.get(key)}
