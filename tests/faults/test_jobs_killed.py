"""Jobs through kills: every row is worked on exactly once, whatever is killed and however often."""

import io
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from node.paths import DataPaths
from node.postgres import EmbeddedPostgres
from tests.faults.registrations import PREFIX, Registrations
from tests.support import NodeProcess, eventually

ROWS = 40_000
AWAY = (AssertionError, KeyError, aiohttp.ClientError, OSError, ValueError)


async def test_a_job_survives_kills_of_the_registry_and_of_the_whole_node(tmp_path: Path) -> None:
    async with NodeProcess(tmp_path / "data") as node:
        await Registrations(node).prepare()
        path = await _upload(node)
        for kill_at in (2_000, 10_000, 20_000):
            await eventually(lambda: _reaches(node, path, kill_at), 60.0, retrying=AWAY)  # noqa: B023 - awaited here
            os.kill(node.pids["registry"], signal.SIGKILL)
        await eventually(lambda: _reaches(node, path, 26_000), 60.0, retrying=AWAY)
        await node.kill()
        await node.start()
        await eventually(lambda: _reaches(node, path, ROWS), 60.0, retrying=AWAY)
        job = await _get(node, path)
        assert (job["state"], job["counts"]["created"]) == ("done", ROWS)
        results = await _text(node, f"{path}/results")
        assert results.count('"status":"created"') == results.count("\n") == ROWS
        assert await _versions(node) == {1: ROWS}
        await eventually(lambda: _resolves(node, f"{PREFIX}/SN{ROWS - 1:06d}"), 30.0, retrying=AWAY)


async def _upload(node: NodeProcess) -> str:
    lines = "".join(f"{PREFIX}/SN{number:06d},https://example.com/{number}\n" for number in range(ROWS))
    headers = {**node.authorization, "Content-Type": "text/csv"}
    async with aiohttp.ClientSession(node.url, headers=headers) as session:
        data = io.BytesIO(("identifier,1:URL\n" + lines).encode())
        async with session.post("/api/v1/jobs?kind=import", data=data) as answer:
            assert answer.status == 202, await answer.text()
            return answer.headers["Location"]


async def _text(node: NodeProcess, path: str) -> str:
    async with aiohttp.ClientSession(node.url, headers=node.authorization) as session, session.get(path) as answer:
        assert answer.status == 200
        return await answer.text()


async def _get(node: NodeProcess, path: str) -> dict[str, Any]:
    async with aiohttp.ClientSession(node.url, headers=node.authorization) as session, session.get(path) as answer:
        assert answer.status == 200
        found: dict[str, Any] = await answer.json()
        return found


async def _reaches(node: NodeProcess, path: str, rows: int) -> bool:
    return bool((await _get(node, path))["rows_done"] >= rows)


async def _resolves(node: NodeProcess, identifier: str) -> bool:
    async with aiohttp.ClientSession(node.url) as session, session.get(f"/api/handles/{identifier}") as answer:
        return answer.status == 200


async def _versions(node: NodeProcess) -> dict[int, int]:
    """Count the changes of identifiers in the journal by the version they left behind."""
    paths = DataPaths(node.data_dir)
    database = EmbeddedPostgres(paths.postgres, paths.postgres_socket)
    connection = await asyncpg.connect(database.dsn)
    try:
        rows = await connection.fetch(
            "SELECT (after::json ->> 'version')::integer AS version, count(*) FROM journal "
            "WHERE kind = 'identifier' GROUP BY 1"
        )
    finally:
        await connection.close()
    return {row["version"]: row["count"] for row in rows}
