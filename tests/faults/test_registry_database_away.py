"""PostgreSQL dies under the registry: writes say 503, nothing is half-done, and all works again when it is back."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from identifiers.changes import START, SourceUnavailable
from registry.journal_source import PostgresJournalSource
from registry.migrate import migrate
from registry.service import batch as batch_service
from tests.postgres_server import Server
from tests.registry_api import VALUES, Api, running_api
from tests.support import eventually

ONE = "/api/v1/identifiers/88.118.8/SN1"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    # Not tmp_path: the path of the socket has to be short.
    directory = Path(tempfile.mkdtemp(prefix="idnode-away-"))
    running = Server(directory)
    await running.start()
    yield running
    running.stop()
    shutil.rmtree(directory)


@pytest.fixture
async def api(server: Server, tmp_path: Path) -> AsyncIterator[Api]:
    connection = await asyncpg.connect(server.cluster.dsn)
    await migrate(connection)
    await connection.close()
    async with running_api(server.cluster.dsn, tmp_path) as running:
        await running.prefix()
        yield running


async def put(api: Api) -> int:
    return (await api.admin("PUT", ONE, {"values": VALUES})).status


async def test_writes_say_503_while_the_database_is_away_and_work_again_by_themselves(server: Server, api: Api) -> None:
    source = PostgresJournalSource(server.cluster.dsn)
    assert await put(api) == 202
    before = await source.changes(START, 100)
    server.kill()
    await eventually(lambda: is_away(api))
    for method, path, body in (
        ("PUT", ONE, {"values": VALUES}),
        ("GET", ONE, None),
        ("POST", "/api/v1/prefixes", {"prefix": "88.118.9", "name": "x"}),
        ("GET", "/api/v1/status", None),
    ):
        async with asyncio.timeout(20):
            refusal = await api.admin(method, path, body)
        assert (refusal.status, refusal.json["code"]) == (503, "database_away"), refusal.body
        assert int(refusal.headers["Retry-After"]) > 0
        assert refusal.json["remedy"]
    with pytest.raises(SourceUnavailable):
        await source.changes(START, 100)
    await server.start()
    await eventually(lambda: works(api), 20)
    assert await source.changes(START, 100) == before, "what was acknowledged is there, and nothing else"
    await source.aclose()


async def test_a_batch_cut_by_the_database_s_death_says_how_far_it_came_and_may_be_sent_again(
    server: Server, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_service, "CHUNK_ROWS", 10)
    rows = [{"identifier": f"88.118.8/SN{number}", "values": VALUES} for number in range(100)]
    killed = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        for number, row in enumerate(rows):
            if number == 60:
                await killed.wait()
            yield json.dumps(row).encode() + b"\n"

    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {api.admin.token}"}
    lines: list[Any] = []
    async with api.session.post("http://registry/api/v1/identifiers:batch", data=body(), headers=headers) as reply:
        async for line in reply.content:
            lines.append(json.loads(line))
            if len(lines) == 20:
                server.kill()
                killed.set()
    summary = lines[-1]["summary"]
    assert summary["problem"]["code"] == "database_away"
    acknowledged = {line["identifier"] for line in lines[:-1] if line["status"] == "created"}
    assert 20 <= len(acknowledged) < 100
    assert summary["created"] == len(acknowledged)
    await server.start()
    await eventually(lambda: works(api), 20)
    again = await api.admin.batch(rows)
    unchanged = {line["identifier"] for line in again[:-1] if line["status"] == "unchanged"}
    assert acknowledged <= unchanged
    assert len(unchanged) % 10 == 1 or len(unchanged) % 10 == 0, "a chunk is stored whole or not at all"
    assert again[-1]["summary"]["created"] == 100 - len(unchanged)


async def test_what_needs_no_database_is_there_all_the_same(server: Server, api: Api) -> None:
    server.kill()
    assert (await api.client(None)("GET", "/api/v1/docs")).status == 200
    assert (await api.client(None)("GET", "/api/v1/whoami")).status == 401
    await eventually(lambda: is_away(api))


async def is_away(api: Api) -> bool:
    """Whether the server's back ends have noticed that their parent is dead."""
    return (await api.admin("GET", "/api/v1/whoami")).status == 503


async def works(api: Api) -> bool:
    return await put(api) == 202
