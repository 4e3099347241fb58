"""A worker on a real port over a real replica, for tests of what its faces say."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from identifiers.changes import Change, CredentialState, PrefixState
from identifiers.values import Value
from resolver.environment import MapLimits
from resolver.metrics import Figures
from resolver.replica import ReplicaWriter
from resolver.spool import SpoolLimits
from resolver.worker import WorkerSettings, run_worker
from tests.unit.replica_states import MOMENT, identifier_change, prefix_change, url

PREFIX = "88.118.8"
PRIVATE, HIDDEN = 0b1100, 0b0101
SITE = {
    "version": 1,
    "protocolVersion": "2.11",
    "serialNumber": 1,
    "primarySite": True,
    "multiPrimary": False,
    "attributes": [],
    "servers": [
        {
            "serverId": 1,
            "address": "192.0.2.1",
            "publicKey": {"format": "base64", "value": ""},
            "interfaces": [{"query": True, "admin": False, "protocol": "HTTP", "port": 8000}],
        }
    ],
}


def credential(seq: int, token: str, **more: Any) -> Change:
    digest = hashlib.sha256(token.encode()).hexdigest()
    state = CredentialState(digest, "an account", **more)
    return Change(seq, seq, MOMENT, "credential", digest, "create", msgspec.json.encode(state))


def routed(seq: int, prefix: str) -> Change:
    state = PrefixState(prefix, "Away", "active", "routed", "2", sites=[SITE])
    return Change(seq, seq, MOMENT, "prefix", prefix, "create", msgspec.json.encode(state))


def examples() -> list[Change]:
    """Return one record of every kind the faces tell apart."""
    return [
        prefix_change(1, PREFIX),
        prefix_change(2, "88.118.9", exact_case=True),
        routed(3, "88.118.10"),
        credential(4, "administrator", role="administrator"),
        credential(5, "owner", role="enterprise_administrator", enterprise="1"),
        credential(6, "stranger", role="enterprise_administrator", enterprise="2"),
        credential(7, "reader", role="reader"),
        credential(8, "revoked", role="administrator", revoked=True),
        credential(9, "expired", role="administrator", expires_at="2020-01-01T00:00:00Z"),
        identifier_change(
            10, f"{PREFIX}/SN1", url("https://example.com/SN1?a=1&b=2", 1), Value(2, "NAME", b"Pump <b>&</b>"), ttl(3)
        ),
        identifier_change(
            11,
            f"{PREFIX}/MIXED",
            Value(1, "NOTE", b"for all"),
            Value(2, "PRICE", b"for administrators", permissions=PRIVATE),
            Value(3, "SECRET", b"for nobody", permissions=HIDDEN),
        ),
        identifier_change(12, f"{PREFIX}/HIDDEN", Value(1, "SECRET", b"for nobody", permissions=HIDDEN)),
        identifier_change(13, f"{PREFIX}/GONE", url("https://example.com/gone"), state="withdrawn"),
        identifier_change(14, f"{PREFIX}/LARGE", Value(1, "NOTE", b"x" * 3_000)),
        identifier_change(20, f"{PREFIX}/HUGE", Value(1, "NOTE", b"x" * 100_000)),
        identifier_change(15, f"{PREFIX}/SCRIPT", url("javascript:alert(1)"), Value(2, "10320/loc", b"<x/>")),
        identifier_change(16, f"{PREFIX}/a//b;c+d%2F../e", url("https://example.com/odd")),
        identifier_change(17, f"{PREFIX}/轴承", url("https://example.com/轴承")),
        identifier_change(18, "88.118.9/ab", url("https://example.com/exact"), exact_case=True),
        identifier_change(19, f"{PREFIX}/EMPTY"),
    ]


def ttl(index: int) -> Value:
    """Return a value with a short time to live and a subtype."""
    return Value(index, "DOC.MANUAL", b"https://example.com/manual", ttl=600)


def fill(directory: Path, changes: Sequence[Change]) -> ReplicaWriter:
    """Make a replica with these changes the current one."""
    writer = ReplicaWriter.create_next(directory, "epoch", MapLimits(1 << 20, 1 << 26))
    writer.apply(changes)
    writer.publish()
    return writer


@dataclass
class Worker:
    """A running worker."""

    settings: WorkerSettings
    port: int
    session: aiohttp.ClientSession
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    tls_port: int = 0
    handle_port: int = 0

    def url(self, raw_path: str) -> URL:
        return URL(f"http://127.0.0.1:{self.port}{raw_path}", encoded=True)

    async def ask(self, raw_path: str, method: str = "GET", **more: Any) -> tuple[int, Mapping[str, str], bytes]:
        """Ask, following nothing; returns status, headers and body."""
        async with self.session.request(method, self.url(raw_path), allow_redirects=False, **more) as answer:
            return answer.status, answer.headers, await answer.read()

    async def refuses(self) -> bool:
        """Say whether no new connection is taken."""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except ConnectionRefusedError:
            return True
        writer.close()
        return False

    async def ask_raw(self, octets: bytes) -> bytes:
        """Send octets as they are and return everything until the worker closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(octets)
        answer = await asyncio.wait_for(reader.read(), 10.0)
        writer.close()
        await writer.wait_closed()
        return answer


@asynccontextmanager
async def running(directory: Path, *, figures: Figures | None = None, **settings: Any) -> AsyncIterator[Worker]:
    """Run a worker over `directory`/replica until the block ends; it must then end by itself."""
    made = WorkerSettings(
        process="worker-0",
        host="127.0.0.1",
        port=0,
        replica=directory / "replica",
        spool=directory / "spool",
        metrics=directory / "metrics",
        registry_socket=directory / "registry.sock",
        spool_limits=SpoolLimits(),
        drain_s=2.0,
    )
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=("Accept-Encoding", "Accept")) as session:
        worker = Worker(replace(made, **settings), 0, session)
        task = asyncio.create_task(
            run_worker(
                worker.settings,
                worker.stop,
                listening=port.set_result,
                listening_tls=lambda chosen: setattr(worker, "tls_port", chosen),
                listening_handle=lambda chosen: setattr(worker, "handle_port", chosen),
                figures=figures,
            )
        )
        await asyncio.wait({task, port}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        worker.port = port.result()
        try:
            yield worker
        finally:
            worker.stop.set()
            await asyncio.wait_for(task, 10.0)
