"""What a collector was told of events, batch by batch, and a self-check that sees what a test says."""

import asyncio
import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from node.monitor.database import Database
from node.monitor.event_spool import EventSpool
from node.monitor.metrics import MonitorMetrics
from node.monitor.prober import RouteProbed
from node.monitor.seen import Seen
from node.monitor.self_check import Rules, SelfCheck
from node.monitor.watch import Holds, Probed
from registry.service.prefix_routes import Address
from tests.sync_reporting import REPORTER, Handler

START = datetime(2031, 5, 6, 1, 2, 3, tzinfo=UTC)
WELL, FAILED = Probed(is_well=True), Probed(is_well=False, cause="answers\n503")


class ToldEvents:
    """Stands before the simulator and notes the rows of E1 and E2 of every batch that it took, each batch once.

    Of so many answers as `answers_lost` says, nothing reaches the reporter.
    """

    def __init__(self) -> None:
        self.batches: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
        self.answers_lost = 0

    @web.middleware
    async def note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        if request.method == "PUT" and "/v1/batches/" in request.path and answer.status == 200:
            header, *rows = map(json.loads, gzip.decompress(await request.read()).splitlines())
            if header["table"] in ("E1", "E2"):
                self.batches[header["batch_id"]] = (header, rows)
                if self.answers_lost:
                    self.answers_lost -= 1
                    return web.Response(status=502)
        return answer

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event told, in the order of the batches."""
        return [row["data"] for _, rows in self.batches.values() for row in rows]

    def of(self, event_type: str) -> list[str]:
        """Return the numbers of the events of a type."""
        return [one["event_no"] for one in self.events if one["event_type"] == event_type]

    def sequences(self, table: str, scope: str) -> list[int]:
        """Return the sequences of a stream's batches."""
        headers = [header for header, _ in self.batches.values()]
        return [one["sequence"] for one in headers if (one["table"], one["scope"]) == (table, scope)]


class Probes:
    """Probes that see what the test says."""

    def __init__(self) -> None:
        self.heal()

    def heal(self) -> None:
        """Let everything be well."""
        self.registers: Sequence[Probed] = [WELL, WELL, WELL]
        self.resolves: Mapping[str, Sequence[Probed]] = {"http://127.0.0.1:8080": [WELL, WELL, WELL]}
        self.conditions: dict[str, Probed] = {"disk": WELL, "replica lag": WELL, "clock": WELL}
        self.here = WELL
        self.turned_away = WELL
        self.of_routes: dict[tuple[str, str], RouteProbed] = {}
        self.answered = asyncio.Event()
        self.answered.set()

    async def registration(self, now: datetime) -> Sequence[Probed]:  # noqa: ARG002 - as the prober's
        return self.registers

    async def resolution(self) -> Mapping[str, Sequence[Probed]]:
        return self.resolves

    async def host(self) -> Mapping[str, Probed]:
        return self.conditions

    async def locally(self, address: str) -> Probed:  # noqa: ARG002 - as the prober's
        return self.here

    def blocked(self) -> Probed:
        return self.turned_away

    def lag_s(self) -> float | None:
        return 0.25

    async def routes(
        self,
        routes: Mapping[str, Sequence[Address]],  # noqa: ARG002 - as the prober's
    ) -> Mapping[tuple[str, str], RouteProbed]:
        await self.answered.wait()
        return self.of_routes


class Run:
    """A self-check whose time passes when the test says so."""

    def __init__(self, directory: Path, dsn: str) -> None:
        self.directory = directory
        self.now = START
        self.probes = Probes()
        self.start(dsn)

    def start(self, dsn: str) -> None:
        """Start it."""
        holds = Holds(timedelta(seconds=30), timedelta(seconds=60))
        self.spool = EventSpool(self.directory / "events")
        self.database = Database(dsn)
        self.check = SelfCheck(
            Rules(REPORTER, "1.0", 10, 10, 51, holds),
            self.probes,
            self.spool,
            Seen(self.directory / "seen"),
            self.database,
            self.directory / "monitor.json",
            MonitorMetrics(CollectorRegistry()),
            lambda: self.now,
        )

    async def start_again(self, dsn: str) -> None:
        """Start it anew from what is on the disk, as after a kill."""
        await self.database.close()
        self.start(dsn)

    async def pass_(self, seconds: int) -> None:
        """Let rounds be made every ten seconds."""
        for _ in range(seconds // 10):
            await self.check.round()
            self.now += timedelta(seconds=10)
