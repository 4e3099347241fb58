"""PostgreSQL is killed: the national node hears of it while it is down, of its return afterwards, and of each once."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from node.monitor.event_spool import unentered
from registry.migrate import migrate
from sync import events, service
from sync.service import EventWay
from sync.settings import SyncSettings
from tests.postgres_server import Server
from tests.registered_node import whole_node
from tests.registry_api import running_api
from tests.support import NodeProcess, eventually
from tests.sync_reporting import REPORTER, Handler, reporting_settings, top_node
from tests.told_events import FAILED, WELL, Run, ToldEvents

_SETTLED = """
SELECT (SELECT count(*) = $1 FROM node_events WHERE queued_at IS NOT NULL)
   AND NOT EXISTS (SELECT FROM report_batches WHERE state <> 'acknowledged')
   AND NOT EXISTS (SELECT FROM report_rejections)
   AND NOT EXISTS (SELECT FROM report_streams WHERE halted_reason IS NOT NULL)"""


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    # Not tmp_path: the path of the socket has to be short.
    directory = Path(tempfile.mkdtemp(prefix="idnode-events-"))
    running = Server(directory)
    await running.start()
    connection = await asyncpg.connect(running.cluster.dsn)
    await migrate(connection)
    await connection.close()
    yield running
    running.stop()
    shutil.rmtree(directory)


async def test_events_go_while_the_database_is_down_and_each_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LOOK_EVERY_S", 0.05)
    dsn, told = server.cluster.dsn, ToldEvents()
    check = Run(tmp_path, dsn)
    way = EventWay(partial(unentered, tmp_path / "events"), tmp_path / "told-directly")
    async with top_node(tmp_path / "node", before=told.note) as collector:
        settings = reporting_settings(dsn, collector.url)
        reports = Reports(settings, way)
        await service.prepare(dsn)
        async with running_api(dsn, tmp_path) as api:
            await whole_node(api)
        await reports.start()
        check.probes.conditions = {"disk": FAILED}
        await check.pass_(40)
        await eventually(lambda: _told(told, abnormal=1), 20)

        server.kill()
        check.probes.registers = [FAILED] * 3
        await check.pass_(40)
        await eventually(lambda: _told(told, abnormal=3), 20)
        # The reports are killed and begin without the database; one event ends meanwhile.
        await reports.kill()
        check.probes.conditions = {"disk": WELL}
        await check.pass_(70)
        await reports.start()
        await eventually(lambda: _told(told, abnormal=3, recovered=1), 20)
        with suppress(OSError, asyncpg.PostgresError):
            pytest.fail(f"the database answers: {await asyncpg.connect(dsn, timeout=1)}")

        await server.start()
        check.probes.registers = [WELL] * 3
        await check.pass_(80)
        await eventually(lambda: _told(told, abnormal=3, recovered=3), 20)
        await eventually(lambda: _is_settled(dsn, events=6), 20)
        await reports.kill()
    await check.database.close()
    assert {one["related_event_no"] for one in told.events if one["event_type"] == "recovered"} == set(
        told.of("abnormal")
    )
    assert told.sequences("E1", REPORTER) == list(range(1, len(told.batches) + 1))


class OnlyEvents(ToldEvents):
    """The same for a collector that takes no other tables, so that nothing has to be known before an event."""

    @web.middleware
    async def note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.endswith("/v1/capabilities"):
            return await super().note(request, handler)
        answer = await handler(request)
        assert isinstance(answer, web.Response)
        told = json.loads(answer.text or "")
        return web.json_response(told | {"tables": {"E1": [1], "E2": [1]}})


@pytest.mark.slow  # the self-check of a real node makes a round every five seconds
async def test_a_real_node_tells_of_its_database_s_death_and_return(server: Server, tmp_path: Path) -> None:
    told = OnlyEvents()
    async with top_node(tmp_path / "node", before=told.note) as collector:
        environment = {
            "IDNODE_SYNC_UPSTREAM_URL": collector.url,
            "IDNODE_SYNC_REPORTER_PREFIX": REPORTER,
            "IDNODE_MONITOR_INTERVAL_S": "5",
            "IDNODE_MONITOR_ABNORMAL_AFTER_S": "0",
            "IDNODE_MONITOR_RECOVERED_AFTER_S": "0",
        }
        async with (
            NodeProcess(tmp_path / "data", "--database", server.cluster.dsn, environment=environment) as node,
            aiohttp.ClientSession(headers=node.authorization) as client,
        ):
            async with client.post(f"{node.url}/api/v1/prefixes", json={"prefix": REPORTER, "name": "own"}) as answer:
                assert answer.status < 300, await answer.text()
            await eventually((node.data_dir / "monitor" / "seen").exists, 20)
            server.kill()
            died = await eventually(lambda: _of_the_database(told), 40)
            assert not _ends(told, died)
            await server.start()
            await eventually(lambda: _ends(told, died), 60)
            await eventually(lambda: _is_settled(server.cluster.dsn, events=len(told.events)), 20)
    numbers = [one["event_no"] for one in told.events]
    assert len(numbers) == len(set(numbers))


def _of_the_database(told: ToldEvents) -> str | None:
    """Return the number of the event that says that PostgreSQL is away."""
    return next((one["event_no"] for one in told.events if one.get("cause", "").startswith("PostgreSQL")), None)


def _ends(told: ToldEvents, event_no: str) -> bool:
    return any(one.get("related_event_no") == event_no for one in told.events)


class Reports:
    """The reporting service in a task, which can be killed."""

    def __init__(self, settings: SyncSettings, way: EventWay) -> None:
        self._settings = settings
        self._way = way
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(service.run(self._settings, asyncio.Event(), event_way=self._way))

    async def kill(self) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


def _told(told: ToldEvents, *, abnormal: int, recovered: int = 0) -> bool:
    return (len(told.of("abnormal")), len(told.of("recovered"))) == (abnormal, recovered)


async def _is_settled(dsn: str, *, events: int) -> bool:
    """Whether the database knows every event as told, every batch as acknowledged, and of no problem."""
    connection = await asyncpg.connect(dsn)
    try:
        return bool(await connection.fetchval(_SETTLED, events))
    finally:
        await connection.close()
